"""`letter move`: every row arrives, every link still works, and the old database takes nothing any more."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, inspect, select, table, text
from sqlalchemy.exc import DBAPIError

from letter import bulk, confirmation, moving, revision, signatures, upgrade
from letter.db import Database
from letter.errors import NotReady, Refusal
from letter.importing import Entry
from letter.letters import by_slug
from letter.models import Outbox, Post, Signature, State
from tests import postgres
from tests.conftest import KEYS, submission
from tests.furnished import fill
from tests.shell import NEW, TEXT, a_shell


@pytest.fixture
def source(tmp_path: Path) -> Iterator[Database]:
    """An instance with signatures in every state, of the program's version."""
    with postgres.made(tmp_path, "source", tables=False) as url:
        database = Database(url, patience=0.3)
        upgrade.run(database)
        with database.writing() as session:
            fill(session)
            letter = by_slug(session, "library")
            entries = [Entry(n, "person", f"Nər {n} O’Brien\\t", '"a"\\N', "", "") for n in range(300)]
            signatures.vouch(session, letter, entries, "agreed by mail")
            session.commit()
        yield database
        database.close()


@pytest.fixture(params=["postgres", "sqlite"])
def target(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    """An empty database of either kind."""
    url = f"sqlite:///{tmp_path}/target.sqlite3"
    if request.param == "postgres":
        url = postgres.shared.cluster.create("target", tables=False)
    database = Database(url)
    yield database
    database.close()
    if request.param == "postgres":
        postgres.shared.cluster.drop("target")


def tables(database: Database) -> set[str]:
    with database.engine.connect() as connection:
        return set(inspect(connection).get_table_names())


def number_of_rows(database: Database) -> dict[str, int]:
    """Counted by the database itself, whatever the program knows of it."""
    with database.reading() as session:
        names = inspect(session.connection()).get_table_names()
        return {name: session.scalar(select(func.count()).select_from(table(name))) or 0 for name in names}


def digests(database: Database) -> moving.Digests:
    with database.engine.connect() as connection:
        return moving.digests(connection)


def write(database: Database, email: str = "late@example.org") -> None:
    with database.writing() as session:
        signatures.sign(session, KEYS, by_slug(session, "library"), submission(email=email))
        session.commit()


def test_every_row_of_every_table_arrives(source: Database, target: Database):
    before, rows = digests(source), number_of_rows(source)
    seen: dict[str, int] = {}
    found = moving.move(source, target, lambda name, done: seen.update({name: seen.get(name, 0) + done}))
    assert found == before == digests(target)
    assert number_of_rows(target) == rows
    assert seen == {name: number for name, number in rows.items() if number and name != "alembic_version"}
    assert rows["signature"] > 300 and rows["outbox"] > 5 and rows["audit"] > 5 and rows["batch_step"] > 300
    revision.demand(target, KEYS)


def test_old_links_still_confirm_and_new_rows_have_new_ids(source: Database, target: Database):
    with source.writing() as session:
        signature = signatures.sign(session, KEYS, by_slug(session, "library"), submission(email="new@example.org"))
        session.commit()
        link = signature.uid
    moving.move(source, target)
    with target.writing() as session:
        signature = session.scalars(select(Signature).where(Signature.uid == link)).one()
        assert confirmation.confirm(session, KEYS, signature)
        session.commit()
    write(target)
    with target.reading() as session:
        assert session.scalar(select(Signature.state).where(Signature.uid == link)) is State.CONFIRMED
        waiting = session.scalar(select(func.count()).select_from(Outbox).where(Outbox.state == Post.WAITING))
    assert waiting and waiting > 5


def test_the_old_database_refuses_every_change_and_every_start(source: Database, target: Database):
    moving.move(source, target)
    before = number_of_rows(source)
    with pytest.raises((NotReady, DBAPIError), match="has moved"):
        write(source)
    assert number_of_rows(source) == before
    with pytest.raises(NotReady, match=r"^This instance has moved to .+\. Set LETTER_DATABASE_URL to that\.$"):
        revision.demand(source, KEYS)


def test_while_it_moves_others_read_and_nobody_writes(source: Database, target: Database):
    second = Database(source.url.render_as_string(hide_password=False), patience=0.3)
    tried: list[str] = []

    def meanwhile(_name: str, _rows: int) -> None:
        if tried:
            return
        with second.reading() as session:
            assert session.scalar(select(func.count(Signature.id)))
        tried.append("read")
        with pytest.raises((NotReady, DBAPIError)):
            write(second)
        tried.append("refused")

    found = moving.move(source, target, meanwhile)
    second.close()
    assert (tried, found) == (["read", "refused"], digests(target))


class Killed(BaseException):
    pass


@pytest.mark.parametrize("after", [0, 7])
def test_a_move_that_was_cut_off_leaves_nothing_and_can_be_done_again(source: Database, target: Database, after: int):
    steps = iter(range(after))

    def cut_off(_name: str, _rows: int) -> None:
        if next(steps, None) is None:
            raise Killed

    with pytest.raises(Killed):
        moving.move(source, target, cut_off)
    assert tables(target) == set()
    write(source)
    assert moving.move(source, target) == digests(target)


def test_a_move_that_was_cut_off_at_its_very_end_is_completed(
    source: Database, target: Database, monkeypatch: pytest.MonkeyPatch
):
    def cut_off(*_: object) -> None:
        raise Killed

    with monkeypatch.context() as patched, pytest.raises(Killed):
        patched.setattr(moving, "_close", cut_off)
        moving.move(source, target)
    assert moving.move(source, target) == digests(target)
    with pytest.raises((NotReady, DBAPIError), match="has moved"):
        write(source)


def test_a_copy_that_differs_is_not_kept(source: Database, target: Database, monkeypatch: pytest.MonkeyPatch):
    put = bulk.put

    def careless(there: Any, name: Any, columns: Any, rows: Any, *more: Any) -> int:
        kept = list(rows)[name.name == "outbox" :]  # one mail is dropped
        return put(there, name, columns, iter(kept), *more)

    with monkeypatch.context() as patched, pytest.raises(Refusal, match="differs from the original"):
        patched.setattr(bulk, "put", careless)
        moving.move(source, target)
    assert tables(target) == set()
    write(source)


def test_a_target_that_holds_something_is_left_alone(source: Database, target: Database):
    with target.engine.begin() as connection:
        connection.execute(text("CREATE TABLE elsewhere (id INTEGER)"))
    for attempt in (moving.demand_empty, lambda there: moving.move(source, there)):
        with pytest.raises(Refusal, match="is not empty"):
            attempt(target)
    assert tables(target) == {"elsewhere"}
    write(source)


def test_a_copy_whose_source_has_gone_on_is_not_completed(
    source: Database, target: Database, monkeypatch: pytest.MonkeyPatch
):
    def cut_off(*_: object) -> None:
        raise Killed

    with monkeypatch.context() as patched, pytest.raises(Killed):
        patched.setattr(moving, "_close", cut_off)
        moving.move(source, target)
    write(source)
    with pytest.raises(Refusal, match="is not empty"):
        moving.move(source, target)
    write(source, "later@example.org")


def test_a_target_that_is_away_or_the_same_is_refused_without_its_password(source: Database, tmp_path: Path):
    away = Database(f"postgresql://ada:secret@/letter?host={tmp_path}")
    with pytest.raises(Refusal, match="cannot be reached") as refusal:
        moving.move(source, away)
    assert "secret" not in refusal.value.sentence
    with pytest.raises(Refusal, match="in already"):
        moving.move(source, source)


def test_a_table_of_another_program_is_not_left_behind_unseen(source: Database, target: Database):
    with source.engine.begin() as connection:
        connection.execute(text("CREATE TABLE elsewhere (id INTEGER)"))
    with pytest.raises(Refusal, match="table of another program, elsewhere"):
        moving.move(source, target)


def test_the_command_looks_first_and_then_moves(
    target: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
):
    file, url = tmp_path / "letter.txt", target.url.render_as_string(hide_password=False)
    file.write_text(TEXT, "utf-8")
    with a_shell(tmp_path / "instance", monkeypatch, capfd) as run:
        run("init")
        run("new", "library", file, *NEW, "--yes", "--open")
        assert "3 signatures among them, would move to" in run("move", url, "--dry-run").out
        assert tables(target) == set()
        assert "every table is the same on both sides" in run("move", url).out
        assert run("check").refusal.startswith("This instance has moved to ")
        monkeypatch.setenv("LETTER_DATABASE_URL", url)
        faults = [line for line in run("check").out.splitlines() if line.startswith("FAULT")]
        assert all("is off in PostgreSQL" in line for line in faults)  # the tests' own cluster is hasty
        assert run("move", "nonsense").refusal.startswith("TARGET_URL must be the address of an empty database")
