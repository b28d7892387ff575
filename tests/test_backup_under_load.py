"""Backups taken while 300 people a second sign: each holds everything that was acknowledged before it began."""

import shutil
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from letter import backup, config
from letter.db import Database
from tests.crowd import Crowd, Journal
from tests.serving import Server, serving
from tests.truth import losses

pytestmark = pytest.mark.sqlite
SIGNERS, A_SECOND = 32, 300
WARM_UP, PAUSE = 2.0, 0.3  # seconds


def before(journal: Journal, moment: float) -> Journal:
    """What was acknowledged by then."""
    return Journal(signed={email: at for email, at in list(journal.signed.items()) if at < moment})


def restored(server: Server, copy: Path, folder: Path) -> Database:
    """The backup, brought back by the command in an instance of its own, as on a new machine."""
    folder.mkdir()
    for name in ("keys.toml", "letter.toml"):
        shutil.copy(Path(server.environ["LETTER_INSTANCE"]) / name, folder / name)
    url = f"sqlite:///{folder / 'letter.sqlite3'}"
    settings = config.load({**server.environ, "LETTER_INSTANCE": str(folder), "LETTER_DATABASE_URL": url})
    backup.restore(settings, copy)
    return Database(url)


def take(tmp_path: Path, how_many: int) -> dict[str, object]:
    """Take backups under load and compare each with the journal; return what was measured."""
    journal, took, held = Journal(), list[float](), 0
    with serving(tmp_path, "--processes", "2") as server:
        keys, stamp = config.load(server.environ).keys, server.stamp("library")
        crowd, start = Crowd(server, keys, journal), time.monotonic()
        for number in range(SIGNERS):
            who = f"n{number}"
            crowd.start(lambda caller, who=who: crowd.signs(caller, who, stamp, A_SECOND / SIGNERS))  # type: ignore[misc]
        time.sleep(WARM_UP)
        moments = list[float]()
        with closing(Database(config.load(server.environ).database_url)) as database:
            for number in range(how_many):
                time.sleep(PAUSE)
                moments.append(time.monotonic())  # not before the command: while a process starts, much is tidied up
                backup.write(database, tmp_path / f"copy-{number}.sqlite3", lambda _done, _total: None)
                took.append(time.monotonic() - moments[-1])
        crowd.go_home()
        rate = len(journal.signed) / (time.monotonic() - start)
    for number, moment in enumerate(moments):
        copy = tmp_path / f"copy-{number}.sqlite3"
        with closing(restored(server, copy, tmp_path / f"restored-{number}")) as database:
            assert losses(database, keys, before(journal, moment)) == []
        held = len(before(journal, moment).signed)
    assert held > 0
    return {"backups": how_many, "signed meanwhile": len(journal.signed), "signed a second": round(rate),
            "lost": 0, "slowest backup, seconds": round(max(took), 1)}  # fmt: skip


def test_three_backups_under_load_are_whole_and_hold_what_was_acknowledged_before(tmp_path: Path) -> None:
    take(tmp_path, 3)


@pytest.mark.nightly
@pytest.mark.timeout(1800)
def test_twenty_backups_under_load_are_whole_and_hold_what_was_acknowledged_before(
    tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    for name, figure in take(tmp_path, 20).items():
        record_property(name, figure)
