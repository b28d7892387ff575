"""A backup of PostgreSQL is checked beside the database, and replaces it only when it is good and nobody is there."""

import dataclasses
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import func, select, text

from letter import backup, pgdump, upgrade
from letter.backup import Contents
from letter.config import Settings
from letter.db import Database
from letter.errors import Refusal
from letter.models import Person, StaffSession
from letter.sealing import Keys
from tests import postgres
from tests.conftest import KEYS
from tests.test_backup import fill, quiet, sign_one_more

pytestmark = pytest.mark.no_database  # it brings its own
NAME, ROLE = "backed", "keeper"
SOUND = Contents(letters=1, signatures=3, is_old=False)


@pytest.fixture
def kept(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[Settings]:
    """An instance on PostgreSQL as `letter init` makes it, with a letter, a signature and Ada at the desk."""
    cluster = postgres.shared.cluster
    monkeypatch.setenv("PATH", str(cluster.bin), prepend=":")
    cluster.execute("CREATE ROLE {} LOGIN CREATEDB", ROLE)
    cluster.create(NAME, tables=False)
    cluster.execute("ALTER DATABASE {} OWNER TO {}", NAME, ROLE)
    url = cluster.url(NAME).replace(f"//{postgres.OWNER}@", f"//{ROLE}@")
    with closing(Database(url)) as database:
        upgrade.run(database)
        fill(database)
    try:
        yield dataclasses.replace(settings, database_url=url)
    finally:
        cluster.drop(NAME)
        left = databases()
        cluster.execute("DROP ROLE {}", ROLE)
    assert not [name for name in left if name.startswith("letter_restore")]


@pytest.fixture
def copy(kept: Settings, tmp_path: Path) -> Path:
    """A backup, after which somebody has signed."""
    with closing(Database(kept.database_url)) as database:
        backup.write(database, tmp_path / "copy", quiet)
        sign_one_more(database)
    return tmp_path / "copy"


def databases() -> list[str]:
    folder = str(postgres.shared.cluster.folder)
    with psycopg.connect(host=folder, user=postgres.OWNER, dbname="postgres") as connection:
        return [row[0] for row in connection.execute("SELECT datname FROM pg_database")]


def signed(settings: Settings) -> int:
    with closing(Database(settings.database_url)) as database, database.reading() as session:
        return int(session.scalar(text("SELECT count(*) FROM signature")) or 0)


def test_what_is_restored_is_what_was_backed_up_and_everybody_is_signed_out(kept: Settings, copy: Path) -> None:
    assert signed(kept) == 4
    assert backup.restore(kept, copy) == (SOUND, None)
    assert signed(kept) == 3
    with closing(Database(kept.database_url)) as database, database.reading() as session:
        assert session.scalar(select(func.count(StaffSession.id))) == 0
        assert session.scalars(select(Person.invite_hash)).all() == [None, None]


def test_a_rehearsal_checks_everything_and_changes_nothing(kept: Settings, copy: Path) -> None:
    with closing(Database(kept.database_url)) as database, database.reading() as session:
        assert session.scalar(text("SELECT 1")) == 1  # the service may run meanwhile
        assert backup.restore(kept, copy, is_rehearsal=True) == (SOUND, None)
    assert signed(kept) == 4


@pytest.mark.parametrize(
    ("harm", "reason"),
    [
        ("UPDATE about SET value = 'others' WHERE name = 'keys'", "not the keys"),
        ("UPDATE alembic_version SET version_num = '9999'", "newer version"),
        ("UPDATE audit SET action = 'invented' WHERE id = 1", "chain of records breaks"),
        ("DROP TABLE alembic_version", "no database of Letter"),
    ],
)
@pytest.mark.parametrize("is_rehearsal", [False, True])
def test_a_backup_that_would_not_work_replaces_nothing(
    kept: Settings, tmp_path: Path, harm: str, reason: str, is_rehearsal: bool
) -> None:
    with closing(Database(kept.database_url)) as database:
        backup.write(database, tmp_path / "sound", quiet)
        with database.engine.begin() as connection:
            connection.execute(text(harm))
        backup.write(database, tmp_path / "harmed", quiet)
        pgdump.load(database.url, tmp_path / "sound")
        sign_one_more(database)
    with pytest.raises(Refusal, match=reason):
        backup.restore(kept, tmp_path / "harmed", is_rehearsal=is_rehearsal)
    assert signed(kept) == 4


def test_keys_of_another_instance_open_no_backup(kept: Settings, copy: Path) -> None:
    others = Keys(KEYS.secret, KEYS.sealing, b"x" * 44)
    with pytest.raises(Refusal, match="not the keys"):
        backup.restore(dataclasses.replace(kept, keys=others), copy)
    assert signed(kept) == 4


def test_a_damaged_backup_replaces_nothing(kept: Settings, copy: Path) -> None:
    copy.write_bytes(copy.read_bytes()[:-2000])
    with pytest.raises(Refusal, match="pg_restore failed"):
        backup.restore(kept, copy)
    assert signed(kept) == 4


def test_nothing_is_restored_under_a_running_service(
    kept: Settings, copy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pgdump, "SECONDS_BETWEEN", 0.01)
    with closing(Database(kept.database_url)) as service:
        with service.reading() as session:
            session.scalar(text("SELECT 1"))
        with pytest.raises(Refusal, match="Stop web and worker"):
            backup.restore(kept, copy)
    assert signed(kept) == 4


def test_where_a_backup_cannot_be_checked_it_is_not_restored(kept: Settings, copy: Path) -> None:
    postgres.shared.cluster.execute("ALTER ROLE {} NOCREATEDB", ROLE)
    for is_rehearsal in (True, False):
        with pytest.raises(Refusal, match="CREATEDB"):
            backup.restore(kept, copy, is_rehearsal=is_rehearsal)
    assert signed(kept) == 4
