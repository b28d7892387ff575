"""Migrations: they make the tables of the models, keep what is stored, and can be run again after an accident."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from alembic import op
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Engine, MetaData, inspect, select, text

from letter import accounts, revision, signatures, upgrade
from letter.config import PACKAGE
from letter.db import Database
from letter.errors import NotReady
from letter.models import Base, Limit, Role
from tests import postgres
from tests.conftest import KEYS, make_letter, submission

SCRIPTS = ScriptDirectory(str(PACKAGE / "migrations"))
REVISIONS = [script.revision for script in SCRIPTS.walk_revisions()][::-1]  # oldest first


@pytest.fixture
def empty(tmp_path: Path) -> Iterator[Database]:
    with postgres.made(tmp_path, "migrated", tables=False) as url:
        database = Database(url)
        yield database
        database.close()


def fill(database: Database) -> None:
    with database.writing() as session:
        letter = make_letter(session, "library")
        signatures.sign(session, KEYS, letter, submission())
        accounts.invite(session, accounts.add(session, "ada@example.org", Role.ORGANISER, letter))
        session.add(Limit(name="one", count=1, ends_at=datetime(2099, 1, 1, tzinfo=UTC)))
        session.commit()


Rows = dict[str, list[dict[str, Any]]]


def stored(engine: Engine) -> Rows:
    """Every row of every table, as the database itself knows them."""
    found = MetaData()
    found.reflect(engine)
    with engine.connect() as connection:
        return {
            table.name: [dict(row) for row in connection.execute(select(table).order_by(table.c.id)).mappings()]
            for table in found.sorted_tables
            if table.name != "alembic_version"
        }


def within(rows: Rows, frame: Rows) -> Rows:
    """Those tables and columns of `rows` that `frame` has too."""
    return {
        name: [{column: row[column] for column in row if column in frame[name][0]} for row in rows[name]]
        for name in rows.keys() & frame.keys()
        if frame[name]
    }


def shape(engine: Engine) -> dict[str, list[str]]:
    """Columns, keys, constraints and indexes of each table."""
    found = inspect(engine)
    asked = ("columns", "foreign_keys", "unique_constraints", "check_constraints", "indexes")
    return {
        table: sorted(f"{what}: {plain(one)}" for what in asked for one in getattr(found, f"get_{what}")(table))
        for table in found.get_table_names()
        if table != "alembic_version"
    }


def plain(fact: Any) -> Any:
    return {key: plain(value) for key, value in sorted(fact.items())} if isinstance(fact, dict) else str(fact)


def test_a_fresh_upgrade_makes_the_tables_of_the_models(empty: Database, database: Database):
    upgrade.run(empty)
    with empty.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True, "compare_server_default": True})
        assert compare_metadata(context, Base.metadata) == []
    assert shape(empty.engine) == shape(database.engine)


def test_there_is_one_line_of_revisions():
    assert SCRIPTS.get_heads() == [revision.newest()] == REVISIONS[-1:]
    assert [SCRIPTS.get_revision(one).down_revision for one in REVISIONS] == [None, *REVISIONS[:-1]]


def test_an_upgraded_database_does_its_work_and_upgrading_again_changes_nothing(empty: Database):
    upgrade.run(empty)
    fill(empty)
    before = stored(empty.engine)
    upgrade.run(empty)
    assert stored(empty.engine) == before
    revision.demand(empty, KEYS)


@pytest.mark.parametrize("step", REVISIONS)
def test_one_step_down_and_up_again_keeps_what_both_versions_hold(empty: Database, step: str):
    upgrade.run(empty)
    fill(empty)
    upgrade.undo(empty, step)
    full = stored(empty.engine)
    upgrade.undo(empty, SCRIPTS.get_revision(step).down_revision or "base")
    low = stored(empty.engine)
    assert low == within(full, low) | {name: [] for name in low if not low[name]}
    upgrade.run(empty, step)
    high = stored(empty.engine)
    assert within(high, low) == within(full, low)
    upgrade.run(empty)
    revision.demand(empty, KEYS)


def test_down_to_nothing_and_up_again_makes_the_same_tables_without_a_row(empty: Database):
    upgrade.run(empty)
    before = shape(empty.engine)
    fill(empty)
    upgrade.undo(empty, "base")
    assert (stored(empty.engine), revision.current(empty)) == ({}, None)
    upgrade.run(empty)
    assert shape(empty.engine) == before
    assert not any(stored(empty.engine).values())
    fill(empty)


# Of another version


@pytest.mark.sqlite
def test_a_database_that_is_not_there_asks_for_init(empty: Database):
    with pytest.raises(NotReady, match="Run `letter init`"):
        revision.demand(empty, KEYS)


def test_a_database_without_tables_asks_for_an_upgrade(empty: Database):
    with empty.engine.begin() as connection:
        connection.execute(text("CREATE TABLE elsewhere (id INTEGER)"))
    with pytest.raises(NotReady, match="Run `letter upgrade`"):
        revision.demand(empty, KEYS)


def test_a_database_of_another_version_asks_for_an_upgrade(empty: Database):
    upgrade.run(empty)
    of_version(empty, "0000")
    with pytest.raises(NotReady, match="Run `letter upgrade`"):
        revision.demand(empty, KEYS)


def test_a_database_of_a_version_that_is_yet_to_come_is_left_alone(empty: Database):
    upgrade.run(empty)
    fill(empty)
    of_version(empty, "9999")
    before = stored(empty.engine)
    with pytest.raises(NotReady, match="newer version than the program"):
        upgrade.run(empty)
    assert (stored(empty.engine), revision.current(empty)) == (before, "9999")


def of_version(database: Database, version: str) -> None:
    with database.engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = :version"), {"version": version})


# After an accident


class Killed(BaseException):
    pass


@pytest.mark.parametrize("steps", [0, 1, 7, 20])
def test_an_upgrade_that_was_cut_short_leaves_nothing_and_can_be_run_again(
    empty: Database, database: Database, monkeypatch: pytest.MonkeyPatch, steps: int
):
    taken = 0

    def interrupted(name: str) -> Any:
        real = getattr(op, name)

        def step(*given: Any, **more: Any) -> Any:
            nonlocal taken
            if taken == steps:
                raise Killed
            taken += 1
            return real(*given, **more)

        return step

    with monkeypatch.context() as patched:
        for name in ("create_table", "create_index"):
            patched.setattr(op, name, interrupted(name))
        with pytest.raises(Killed):
            upgrade.run(empty)
    assert (taken, stored(empty.engine), revision.current(empty)) == (steps, {}, None)
    upgrade.run(empty)
    assert shape(empty.engine) == shape(database.engine)
    fill(empty)


def test_a_way_down_that_was_cut_short_loses_nothing(empty: Database, monkeypatch: pytest.MonkeyPatch):
    upgrade.run(empty)
    fill(empty)
    upgrade.undo(empty, REVISIONS[0])
    before = stored(empty.engine)

    def killed(*_given: Any, **_more: Any) -> None:
        raise Killed

    with monkeypatch.context() as patched:
        real, calls = op.drop_table, iter(range(4))
        patched.setattr(op, "drop_table", lambda name: real(name) if next(calls) < 3 else killed())
        with pytest.raises(Killed):
            upgrade.undo(empty, "base")
    assert (stored(empty.engine), revision.current(empty)) == (before, REVISIONS[0])
