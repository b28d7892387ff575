"""An instance moves from one database to another, SQLite or PostgreSQL: every row of every table, or nothing.

The source takes no change meanwhile, and none afterwards. All of the target is written in one transaction, which ends
once a digest of each table, taken from the target itself, is the one taken while reading the source. The keys stay
where they are, so every link that was ever sent still opens.
"""

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import URL, Connection, Row, Table, func, insert, inspect, select
from sqlalchemy.orm import Session

from letter import about, audit, bulk, upgrade
from letter.db import AWAY, MOVED, Database
from letter.errors import Refusal
from letter.models import About, Base

TABLES = tuple(Base.metadata.sorted_tables)
VERSION_TABLE = "alembic_version"
Progress = Callable[[str, int], None]  # a table's name, and how many more of its rows were done
Digests = dict[str, str]
REFUSE = """
CREATE FUNCTION letter_has_moved() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN RAISE EXCEPTION 'this instance has moved' USING ERRCODE = 'read_only_sql_transaction'; END $$
"""


def sizes(source: Database) -> dict[str, int]:
    """Return how many rows each table has."""
    with source.engine.connect() as connection:
        return {table.name: connection.scalar(select(func.count()).select_from(table)) or 0 for table in TABLES}


def demand_empty(target: Database) -> None:
    """Raise Refusal, with a sentence, unless the target can be reached and holds nothing."""
    with _reached(target) as connection:
        if inspect(connection).get_table_names():
            raise Refusal(f"The database at {shown(target.url)} is not empty. Give one in which nothing is stored.")


def shown(url: URL) -> str:
    """Return an address without its password."""
    return url.render_as_string(hide_password=True)


def move(source: Database, target: Database, progress: Progress = lambda _name, _rows: None) -> Digests:
    """Copy everything, compare, and close the source for ever; return the digest of each table.

    Raise Refusal if the target cannot be reached, holds something else, or differs in the end; then nothing changed.
    A move that was killed at its very end, with the target complete, is completed.
    """
    if source.url == target.url:
        raise Refusal("This is the database that the instance is in already.")
    with source.engine.connect() as here:
        _lock(here)
        with _reached(target) as there:
            if inspect(there).get_table_names():
                found = _compare(here, there, target)
            else:
                found = _fill(here, there, progress)
                there.commit()
        _close(here, target)
        here.commit()
    _look_over(target)
    return found


@contextmanager
def _reached(target: Database) -> Iterator[Connection]:
    try:
        connection = target.engine.connect()
    except AWAY as error:
        why = str(getattr(error, "orig", error)).strip().splitlines()[0]
        raise Refusal(f"The database at {shown(target.url)} cannot be reached: {why.rstrip('.')}.") from None
    with connection:
        yield connection


def _lock(connection: Connection) -> None:
    """Keep everybody from writing, and let them read."""
    names = inspect(connection).get_table_names()
    known = {*(table.name for table in TABLES), VERSION_TABLE}
    if unknown := sorted(set(names) - known):
        raise Refusal(f"The database holds a table of another program, {unknown[0]}; it would be left behind.")
    if connection.dialect.name == "postgresql":  # on SQLite the lock was taken when the transaction began
        connection.exec_driver_sql(f"LOCK TABLE {', '.join(_quoted(connection, names))} IN EXCLUSIVE MODE")


def _fill(here: Connection, there: Connection, progress: Progress) -> Digests:
    upgrade.run_in(there)
    read = {table.name: _copy(here, there, table, progress) for table in TABLES}
    written = digests(there)
    if wrong := [name for name in written if read.get(name) != written[name]]:
        raise Refusal(f"The copy of the table {wrong[0]} differs from the original. Nothing was moved.")
    with Session(there) as session:
        if audit.first_broken(session) is not None:
            raise Refusal("The chain of records does not hold. Nothing was moved; `letter check` tells more.")
    return written


def _copy(here: Connection, there: Connection, table: Table, progress: Progress) -> str:
    """Copy a table row by row; return the digest of what was read."""
    digest = hashlib.sha256()

    def read() -> Iterator[Row[Any]]:
        for row in _rows(here, table):
            digest.update(_canonical(row))
            yield row

    bulk.put(there, table, list(table.columns), read(), lambda rows: progress(table.name, rows))
    bulk.go_on_counting(there, table)
    return digest.hexdigest()


def digests(connection: Connection) -> Digests:
    """Return the SHA-256 of each table's rows in the order of their ids, alike on every database."""
    found = {}
    for table in TABLES:
        digest = hashlib.sha256()
        for row in _rows(connection, table):
            digest.update(_canonical(row))
        found[table.name] = digest.hexdigest()
    return found


def _rows(connection: Connection, table: Table) -> Iterator[Row[Any]]:
    return iter(connection.execute(select(table).order_by(table.c.id), execution_options={"yield_per": bulk.BATCH}))


def _canonical(row: Row[Any]) -> bytes:
    """Return one line of JSON; text, numbers and null are JSON's own, moments are in UTC, bytes in hexadecimal."""
    return json.dumps(list(row), default=_plain, ensure_ascii=False).encode("utf-8", "surrogatepass") + b"\n"


def _plain(value: object) -> dict[str, str]:
    if isinstance(value, datetime):
        return {"moment": value.astimezone(UTC).isoformat(timespec="microseconds")}
    if isinstance(value, bytes):
        return {"bytes": value.hex()}
    raise TypeError(type(value).__name__)


def _compare(here: Connection, there: Connection, target: Database) -> Digests:
    """Accept a target that holds exactly what the source holds: then all but the last step was done before."""
    names = {*(table.name for table in TABLES), VERSION_TABLE}
    if set(inspect(there).get_table_names()) == names and (found := digests(there)) == digests(here):
        return found
    raise Refusal(f"The database at {shown(target.url)} is not empty. Give one in which nothing is stored.")


def _close(connection: Connection, target: Database) -> None:
    """Mark the source as moved; whoever still writes to it is refused by the database itself."""
    connection.execute(insert(About).values(name=about.MOVED, value=shown(target.url)))
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql(f"PRAGMA user_version={MOVED}")
        return
    connection.exec_driver_sql(REFUSE)
    for name in _quoted(connection, (table.name for table in TABLES)):
        connection.exec_driver_sql(
            f"CREATE TRIGGER letter_has_moved BEFORE INSERT OR UPDATE OR DELETE ON {name}"
            " FOR EACH STATEMENT EXECUTE FUNCTION letter_has_moved()"
        )


def _quoted(connection: Connection, names: Iterable[str]) -> list[str]:
    return [connection.dialect.identifier_preparer.quote(name) for name in names]


def _look_over(target: Database) -> None:
    """Let PostgreSQL count what it has got, so that its first plans are good ones."""
    if not target.is_sqlite:
        with target.engine.connect() as connection:
            connection.exec_driver_sql("ANALYZE")
            connection.commit()
