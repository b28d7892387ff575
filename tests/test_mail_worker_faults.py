import logging
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import time_machine
from sqlalchemy import select
from sqlalchemy.exc import OperationalError

from letter import limits, outbox, privacy
from letter.config import BadSetting, Settings
from letter.db import Database
from letter.links import Links
from letter.mail import messages
from letter.mail import worker as worker_module
from letter.mail.worker import Worker
from letter.models import Limit, Outbox, Post, Signature, State
from letter.outbox import Mail
from letter.sealing import Keys
from tests.conftest import KEYS
from tests.mail_server import OK, MailServer, change, rows, running, sign, states, supporters

NOON = datetime(2026, 7, 8, 12, 0, tzinfo=UTC)
DANA, ELI = "dana@example.org", "eli@example.org"

pytestmark = pytest.mark.usefixtures("letter")


@pytest.fixture(autouse=True)
def clock() -> Iterator[time_machine.Traveller]:
    with time_machine.travel(NOON, tick=False) as traveller:
        yield traveller


@pytest.fixture
def server() -> Iterator[MailServer]:
    with running(MailServer()) as server:
        yield server


@pytest.fixture
def worker(database: Database, settings: Settings, server: MailServer) -> Worker:
    return Worker(database, replace(settings, smtp_url=server.url))


# Several workers, and workers that die


def test_two_workers_at_once_send_each_mail_once(database: Database, settings: Settings, server: MailServer) -> None:
    sign(database, *supporters(60))
    told = replace(settings, smtp_url=server.url)

    def work() -> None:
        own = Database(settings.database_url)
        mine = Worker(own, told)
        while mine.run_once():
            pass
        own.close()

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert Counter(server.tos) == Counter(supporters(60))
    assert set(states(database)) == {"sent"}


def test_the_mails_of_a_dead_worker_are_sent_by_another(
    database: Database, worker: Worker, server: MailServer, clock: time_machine.Traveller
) -> None:
    sign(database, DANA)
    worker._claim()
    assert worker.run_once() == 0
    clock.shift(outbox.LEASE)
    assert worker.run_once() == 1
    assert server.tos == [DANA]


def test_a_worker_whose_lease_was_lost_writes_nothing(database: Database, worker: Worker, server: MailServer) -> None:
    def another_takes_it(to: str) -> str:
        with database.writing() as session:
            session.scalars(select(Outbox)).one().lease = "another's"
            session.commit()
        return "550 5.0.0 never"

    sign(database, DANA)
    server.at_data = another_takes_it
    worker.run_once()
    (row,) = rows(database)
    assert (row.state, row.lease, row.error) == (Post.LEASED, "another's", "")
    assert row.to_sealed


def test_a_worker_whose_lease_was_lost_before_sending_sends_nothing(
    database: Database, worker: Worker, server: MailServer, clock: time_machine.Traveller
) -> None:
    sign(database, DANA)
    (old,) = worker._claim()
    clock.shift(outbox.LEASE)
    worker.run_once()
    assert worker._prepare(old) is None
    assert len(server.mails) == 1


def test_a_slow_batch_is_not_taken_from_the_worker_that_sends_it(
    database: Database, settings: Settings, worker: Worker, server: MailServer, clock: time_machine.Traveller
) -> None:
    other = Worker(database, replace(settings, smtp_url=server.url))
    taken_from_us: list[int] = []

    def slow(to: str) -> str:
        clock.shift(timedelta(minutes=4))
        taken_from_us.extend(claim.id for claim in other._claim())
        return OK

    server.at_data = slow
    sign(database, *supporters(3))
    worker.run_once()
    assert taken_from_us == [3]  # the third's lease ran out while it waited, so this worker left it to the other
    assert states(database) == ["sent", "sent", "leased"]


def test_a_signature_withdrawn_while_its_mail_is_on_the_way_stays_dropped(
    database: Database, worker: Worker, server: MailServer
) -> None:
    def withdrawn(to: str) -> str:
        change(database, privacy.withdraw)
        return "450 4.0.0 later"

    server.at_data = withdrawn
    sign(database, DANA)
    worker.run_once()
    (row,) = rows(database)
    assert (row.state, row.to_sealed) == (Post.DROPPED, None)


def test_no_transaction_is_open_while_a_server_takes_its_time(
    database: Database, worker: Worker, server: MailServer
) -> None:
    def somebody_signs(to: str) -> str:
        began = time.monotonic()
        if to == DANA:
            sign(database, ELI)
        assert time.monotonic() - began < 5
        return OK

    server.at_data = somebody_signs
    sign(database, DANA)
    assert worker.run_once() == 1
    assert states(database) == ["sent", "waiting"]


KILLED = """
import sys
from pathlib import Path
from letter.config import Settings
from letter.db import Database
from letter.mail.worker import Worker
from letter.sealing import Keys
keys = Keys(*(line.encode() for line in sys.argv[4:]))
database = Database(sys.argv[1])
settings = Settings(Path(), keys, "http://letter.example", sys.argv[1], sys.argv[2], sys.argv[3])
Worker(database, settings).run_once()
"""


def test_a_killed_worker_costs_at_most_one_extra_copy(
    database: Database, settings: Settings, server: MailServer, clock: time_machine.Traveller
) -> None:
    clock.move_to(time_machine.escape_hatch.datetime.datetime.now(tz=UTC))  # as the other process has it
    sign(database, *supporters(12))
    process: list[subprocess.Popen[bytes]] = []

    def kill_at_the_fifth(to: str) -> str:
        if len(server.tos) == 4:
            os.kill(process[0].pid, signal.SIGKILL)
        return OK

    server.at_data = kill_at_the_fifth
    keys = [key.decode() for key in (KEYS.secret, KEYS.sealing, KEYS.index)]
    told = [settings.database_url, server.url, settings.mail_from, *keys]
    process.append(subprocess.Popen([sys.executable, "-c", KILLED, *told]))
    assert process[0].wait(60) == -signal.SIGKILL
    assert Counter(states(database)) == {"sent": 4, "leased": 8}
    clock.shift(outbox.LEASE + timedelta(minutes=2))
    Worker(database, replace(settings, smtp_url=server.url)).run_once()
    assert set(states(database)) == {"sent"}
    assert set(server.tos) == set(supporters(12))
    assert len(server.tos) == 13
    assert len({mail["Message-ID"] for mail in server.mails}) == 12


# Mails that cannot be made, and errors


def test_an_address_sealed_with_other_keys_is_given_up(
    database: Database, settings: Settings, server: MailServer
) -> None:
    sign(database, DANA)
    others = Keys(KEYS.secret, KEYS.index, KEYS.index)
    Worker(database, replace(settings, smtp_url=server.url, keys=others)).run_once()
    (row,) = rows(database)
    assert (row.state, row.error, row.to_sealed) == (Post.FAILED, "unsealable", None)


def test_a_mail_that_cannot_be_built_waits_and_holds_up_no_other(
    database: Database,
    worker: Worker,
    server: MailServer,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    build = messages.build

    def broken(links: Links, kind: Mail, signature: Signature) -> messages.Message:
        if signature.name == "Dana":
            raise RuntimeError(f"cannot write to {signature.name} at {DANA}")
        return build(links, kind, signature)

    monkeypatch.setattr(messages, "build", broken)
    sign(database, DANA, ELI)
    assert worker.run_once() == 2
    first, second = rows(database)
    assert (first.state, second.state, server.tos) == (Post.WAITING, Post.SENT, [ELI])
    assert first.error.startswith("RuntimeError at broken:")
    assert "dana" not in f"{first.error} {caplog.text}".lower()


def test_an_address_that_no_mail_can_have_waits_and_holds_up_no_other(
    database: Database, worker: Worker, server: MailServer
) -> None:
    sign(database, "dana\r\nRCPT TO:<cleo@example.org>@example.org", ELI)
    worker.run_once()
    assert (states(database), server.tos) == (["waiting", "sent"], [ELI])


def test_no_log_line_holds_a_name_or_an_address(
    database: Database, worker: Worker, server: MailServer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "letter")
    server.at_rcpt.update({DANA: "450 4.7.1 dana@example.org later", ELI: "421 4.0.0 eli@example.org"})
    sign(database, "fay@example.org", DANA, ELI)
    worker.run_once()
    kept = " ".join(row.error for row in rows(database))
    ours = " ".join(record.getMessage() for record in caplog.records if record.name.startswith("letter"))
    assert "no mail server: 421 4.0.0" in ours
    assert not re.search("dana|eli|fay|example", f"{kept} {ours}", re.IGNORECASE)


def test_a_worker_does_not_start_with_a_setting_it_cannot_use(database: Database, settings: Settings) -> None:
    with pytest.raises(BadSetting, match="LETTER_SMTP_URL"):
        Worker(database, replace(settings, smtp_url="smtp://"))
    with pytest.raises(BadSetting, match="LETTER_MAIL_FROM"):
        Worker(database, replace(settings, mail_from="nobody"))


# The loop


@pytest.fixture
def running_worker(worker: Worker, clock: time_machine.Traveller) -> Iterator[threading.Event]:
    """The worker's loop in a thread of its own, until the event is set."""
    stop = threading.Event()
    thread = threading.Thread(target=worker.run, args=(stop,))
    thread.start()
    yield stop
    stop.set()
    thread.join(10)
    assert not thread.is_alive()


def eventually(is_so: Callable[[], bool]) -> None:
    """Wait until something is so, ten seconds at most."""
    for _ in range(500):
        if is_so():
            return
        threading.Event().wait(0.02)
    raise AssertionError("it never was")


@pytest.mark.usefixtures("running_worker")
def test_the_loop_sends_what_comes_in(database: Database, server: MailServer) -> None:
    sign(database, DANA)
    eventually(lambda: states(database) == ["sent"])
    sign(database, ELI)
    eventually(lambda: states(database) == ["sent", "sent"])


def test_the_loop_outlives_a_database_that_fails(
    database: Database,
    server: MailServer,
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
    caplog: pytest.LogCaptureFixture,
) -> None:
    claim, failures = outbox.claim, iter(range(3))

    def failing(session: Any, most: int) -> list[Outbox]:
        for _ in failures:
            raise OperationalError("SELECT", {"name": "Dana"}, Exception("disk I/O error"))
        return claim(session, most)

    monkeypatch.setattr(worker_module, "AFTER_ERROR", 0.01)
    monkeypatch.setattr(outbox, "claim", failing)
    request.getfixturevalue("running_worker")
    sign(database, DANA)
    eventually(lambda: states(database) == ["sent"])
    assert "worker: OperationalError at failing" in caplog.text
    assert "Dana" not in caplog.text


def test_the_loop_tidies_up_once_a_minute(database: Database, worker: Worker, clock: time_machine.Traveller) -> None:
    sign(database, DANA)
    with database.writing() as session:
        limits.is_within(session, limits.MAILS_PER_ADDRESS, "somebody")
        session.commit()
    worker.keep_house()
    clock.shift(timedelta(seconds=59))
    change(database, lambda _, signature: setattr(signature, "expires_at", NOON))
    worker.keep_house()
    assert pending(database) == 1
    clock.shift(timedelta(seconds=1))
    worker.keep_house()
    assert (pending(database), counted(database)) == (0, 1)
    clock.shift(timedelta(days=1))
    worker.keep_house()
    assert counted(database) == 0


def pending(database: Database) -> int:
    with database.reading() as session:
        return len(session.scalars(select(Signature).where(Signature.state == State.PENDING)).all())


def counted(database: Database) -> int:
    with database.reading() as session:
        return len(session.scalars(select(Limit)).all())


def test_a_worker_told_to_stop_gives_the_rest_back(database: Database, worker: Worker, server: MailServer) -> None:
    stop = threading.Event()
    worker._stop = stop

    def stop_now(to: str) -> str:
        stop.set()
        return OK

    server.at_data = stop_now
    sign(database, *supporters(5))
    assert worker.run_once() == 1
    assert states(database) == ["sent", *["waiting"] * 4]
    assert all(row.due_at <= NOON for row in rows(database)[1:])


def test_a_folder_serves_in_place_of_a_server(database: Database, settings: Settings, tmp_path: Path) -> None:
    sign(database, DANA, ELI)
    assert Worker(database, replace(settings, smtp_url=(tmp_path / "out").as_uri())).run_once() == 2
    assert len(list((tmp_path / "out").glob("20260708T120000Z-*.eml"))) == 2
