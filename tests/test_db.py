"""Connections: none that could lose a commit, readers that cannot write, writers that wait their turn."""

import sqlite3
import time
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from threading import Barrier, Thread

import pytest
from sqlalchemy import Engine, delete, func, insert, select, text
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.orm import Session

from letter import db
from letter.config import BadSetting
from letter.db import Database
from letter.errors import NotReady
from letter.models import Base, Limit, Membership, Role

LATER = datetime(2099, 1, 1, tzinfo=UTC)
AT_ONCE = 3
PRAGMAS = {"synchronous": 2, "foreign_keys": 1, "secure_delete": 1}


def a_limit(name: str, count: int = 0) -> Limit:
    return Limit(name=name, count=count, ends_at=LATER)


def pragmas(session: Session, *names: str) -> dict[str, object]:
    return {name: session.scalar(text(f"PRAGMA {name}")) for name in names}


@pytest.mark.sqlite
def test_every_reading_connection_is_prepared(database: Database):
    expected = {**PRAGMAS, "journal_mode": db.journal_mode(), "query_only": 1}
    with ExitStack() as stack:
        sessions = [stack.enter_context(database.reading()) for _ in range(AT_ONCE)]
        assert [pragmas(session, *expected) for session in sessions] == [expected] * AT_ONCE


@pytest.mark.sqlite
def test_every_writing_connection_is_prepared(database: Database):
    expected = {**PRAGMAS, "journal_mode": db.journal_mode(), "query_only": 0}
    raw = [database.engine.raw_connection() for _ in range(AT_ONCE)]  # a session would wait for the one before it
    try:
        found = [{name: one.cursor().execute(f"PRAGMA {name}").fetchone()[0] for name in expected} for one in raw]
    finally:
        for connection in raw:
            connection.close()
    assert found == [expected] * AT_ONCE


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO about (name, value) VALUES ('a', 'b')",
        "UPDATE about SET value = 'b'",
        "DELETE FROM about",
        "DROP TABLE about",
        "CREATE TABLE extra (id INTEGER)",
        "CREATE TEMP TABLE extra (id INTEGER)",
    ],
)
def test_a_reading_session_cannot_write(database: Database, statement: str):
    with database.reading() as session, pytest.raises(DBAPIError, match=r"read-?only"):
        session.execute(text(statement))


def test_a_reading_session_does_not_flush_what_was_changed_by_mistake(database: Database):
    with database.writing() as session:
        session.add(a_limit("one"))
        session.commit()
    with database.reading() as session:
        session.scalars(select(Limit)).one().count = 7
        assert session.scalar(select(Limit.count)) == 0
        with pytest.raises(DBAPIError, match=r"read-?only"):
            session.commit()


def test_what_is_not_committed_is_rolled_back(database: Database):
    with database.writing() as session:
        session.add(a_limit("one"))
        session.flush()
    with database.reading() as session:
        assert session.scalar(select(func.count(Limit.id))) == 0


def test_a_row_that_points_to_nobody_is_refused(database: Database):
    with database.writing() as session:
        session.add(Membership(person_id=7, letter_id=None, role=Role.ORGANISER))
        with pytest.raises(IntegrityError):
            session.flush()


def count_up(database: Database, ready: Barrier, times: int, errors: list[Exception]) -> None:
    ready.wait()
    try:
        for _ in range(times):
            with database.writing() as session:
                session.scalars(select(Limit)).one().count += 1
                session.commit()
    except Exception as error:
        errors.append(error)


@pytest.mark.sqlite
def test_eight_threads_that_read_and_then_write_lose_nothing_and_are_never_turned_away(database: Database):
    with database.writing() as session:
        session.add(a_limit("one"))
        session.commit()
    errors, ready = list[Exception](), Barrier(8)
    threads = [Thread(target=count_up, args=(database, ready, 50, errors)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with database.reading() as session:
        assert (errors, session.scalar(select(Limit.count))) == ([], 8 * 50)


@pytest.fixture
def impatient(database: Database, monkeypatch: pytest.MonkeyPatch) -> Iterator[Database]:
    """The same database for somebody who does not wait for a lock."""
    monkeypatch.setattr(db, "BUSY_SECONDS", 0)
    second = Database(str(database.url))
    yield second
    second.close()


@pytest.mark.sqlite
def test_a_writer_takes_the_lock_before_its_first_statement_writes(database: Database, impatient: Database):
    stranger = db.driver().connect(str(database.file), timeout=0)  # another program, which stands in no line
    with database.writing() as first, impatient.writing() as second:
        first.scalar(select(func.count(Limit.id)))
        with pytest.raises(NotReady):
            second.scalar(select(func.count(Limit.id)))
        with pytest.raises(db.driver().OperationalError, match="locked"):
            stranger.execute("BEGIN IMMEDIATE")
    stranger.close()


@pytest.mark.sqlite
def test_readers_see_what_was_committed_while_somebody_writes(database: Database, impatient: Database):
    if db.journal_mode() != "wal":
        pytest.skip("only a write-ahead log lets both go on at once")
    with database.writing() as writer, impatient.reading() as reader:
        writer.execute(insert(Limit).values(name="one", count=0, ends_at=LATER))
        assert reader.scalar(select(func.count(Limit.id))) == 0
        writer.commit()
        assert reader.scalar(select(func.count(Limit.id))) == 0  # one reading session sees one moment
        reader.rollback()
        assert reader.scalar(select(func.count(Limit.id))) == 1
        writer.execute(delete(Limit))


# Which SQLite


@pytest.mark.sqlite
@pytest.mark.parametrize(
    ("version", "is_safe"),
    [
        ((3, 7, 0), False),
        ((3, 40, 1), False),
        ((3, 43, 9), False),
        ((3, 44, 5), False),
        ((3, 44, 6), True),
        ((3, 45, 0), False),
        ((3, 45, 9), False),
        ((3, 49, 2), False),
        ((3, 50, 6), False),
        ((3, 50, 7), True),
        ((3, 51, 0), False),
        ((3, 51, 2), False),
        ((3, 51, 3), True),
        ((3, 52, 0), True),
        ((3, 53, 4), True),
        ((4, 0, 0), True),
    ],
)
def test_the_versions_that_can_lose_a_commit_are_known(version: tuple[int, int, int], is_safe: bool):
    assert db.is_wal_safe(version) is is_safe


def journal(engine: Engine) -> object:
    with engine.connect() as connection:
        return connection.scalar(text("PRAGMA journal_mode"))


@pytest.mark.sqlite
def test_the_driver_in_use_is_sound_or_works_without_a_write_ahead_log(database: Database):
    assert journal(database.engine) == ("wal" if db.is_wal_safe(db.driver().sqlite_version_info) else "delete")


@pytest.mark.sqlite
def test_where_there_is_a_wheel_it_is_in_use():
    pysqlite3 = pytest.importorskip("pysqlite3.dbapi2", reason="no wheel for this machine")
    assert db.driver() is pysqlite3
    assert db.is_wal_safe(pysqlite3.sqlite_version_info)


@pytest.mark.sqlite
def test_an_unsound_driver_works_without_a_write_ahead_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(db, "sqlite", sqlite3)
    monkeypatch.setattr(sqlite3, "sqlite_version_info", (3, 40, 1))
    database = Database(f"sqlite:///{tmp_path / 'old.sqlite3'}")
    Base.metadata.create_all(database.engine)
    assert journal(database.engine) == "delete"
    with database.writing() as session:
        session.add(a_limit("one"))
        session.commit()
    with database.reading() as session:
        assert session.scalars(select(Limit.name)).all() == ["one"]
    database.close()


# Which database


@pytest.mark.sqlite
def test_a_database_is_there_once_its_file_is(tmp_path: Path):
    database = Database(f"sqlite:///{tmp_path / 'new.sqlite3'}")
    assert (database.file, database.is_there()) == (tmp_path / "new.sqlite3", False)
    Base.metadata.create_all(database.engine)
    assert database.is_there()
    database.close()


@pytest.mark.sqlite
def test_a_folder_that_is_not_there_holds_no_database(tmp_path: Path):
    assert not Database(f"sqlite:///{tmp_path / 'none' / 'new.sqlite3'}").is_there()


@pytest.mark.parametrize(
    "url", ["nonsense", "", "oracle+bogus://ada:secret@db.example/x", "mysql+oursql://ada:secret@db/x"]
)
def test_an_address_of_no_database_is_refused_by_name_and_not_repeated(url: str):
    with pytest.raises(BadSetting, match=r"^LETTER_DATABASE_URL ") as refusal:
        Database(url)
    assert "secret" not in refusal.value.sentence


@pytest.mark.sqlite
def test_emptying_the_log_waits_for_no_reader_and_keeps_no_writer(database: Database):
    with database.reading() as reader:
        reader.scalar(select(func.count(Limit.id)))
        with database.writing() as writer:
            writer.add(a_limit("one"))
            writer.commit()
        began = time.monotonic()
        database.tidy()
        assert time.monotonic() - began < 2
        with database.writing() as writer:
            writer.add(a_limit("two"))
            writer.commit()
    database.tidy()
    assert database.file
    assert Path(f"{database.file}-wal").stat().st_size == 0 if db.journal_mode() == "wal" else True
