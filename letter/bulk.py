"""Many rows at once: COPY on PostgreSQL, long statements on SQLite. Past the ORM, so nothing is counted by itself."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from itertools import islice
from typing import Any

from sqlalchemy import Column, Connection, Table, func, insert, select

BATCH = 2000
Progress = Callable[[int], None]


def put(
    connection: Connection,
    table: Table,
    columns: Sequence[Column[Any]],
    rows: Iterable[Sequence[Any]],
    progress: Progress = lambda _: None,
) -> int:
    """Add `rows`, whose values are in the order of `columns`, within the transaction at hand; return how many.

    `progress` hears after each batch how many rows it had. Raises what the database raises.
    """
    add = _copy if connection.dialect.name == "postgresql" else _insert
    done, left = 0, iter(rows)
    while batch := list(islice(left, BATCH)):
        add(connection, table, columns, batch)
        done += len(batch)
        progress(len(batch))
    return done


def _insert(connection: Connection, table: Table, columns: Sequence[Column[Any]], rows: list[Sequence[Any]]) -> None:
    names = [column.name for column in columns]
    connection.execute(insert(table), [dict(zip(names, row, strict=True)) for row in rows])


def _copy(connection: Connection, table: Table, columns: Sequence[Column[Any]], rows: list[Sequence[Any]]) -> None:
    """PostgreSQL's own way in; SQLAlchemy's types turn each value into what the driver takes."""
    quote = connection.dialect.identifier_preparer.quote
    names = ", ".join(quote(column.name) for column in columns)
    turn = [column.type.dialect_impl(connection.dialect).bind_processor(connection.dialect) for column in columns]
    if not connection.in_transaction():
        connection.begin()  # COPY itself would not tell SQLAlchemy of the transaction
    driver: Any = connection.connection.driver_connection
    with driver.cursor() as cursor, cursor.copy(f"COPY {quote(table.name)} ({names}) FROM STDIN") as copy:
        for row in rows:
            copy.write_row([one(value) if one else value for one, value in zip(turn, row, strict=True)])


def new_ids(connection: Connection, table: Table, count: int) -> list[int]:
    """Return ids for rows that are about to be added; on SQLite the lock must be held by now."""
    if connection.dialect.name == "postgresql":
        name = connection.dialect.identifier_preparer.quote(table.name)
        drawn = func.nextval(func.pg_get_serial_sequence(name, "id"))
        return sorted(connection.scalars(select(drawn).select_from(func.generate_series(1, count).alias("n"))))
    last = connection.scalar(select(func.max(table.c.id))) or 0
    return list(range(last + 1, last + 1 + count))


def add(connection: Connection, table: Table, rows: Sequence[Mapping[str, Any]]) -> None:
    """Add up to a hundred rows with the same columns by one statement, for paths that run a thousand times a second.

    SQLAlchemy prepares each row for five times as long as the database takes for it.
    """
    names = tuple(rows[0])
    turns = [(name, _turn(table.c[name], connection)) for name in names]
    values = [turn(row[name]) if turn else row[name] for row in rows for name, turn in turns]
    connection.exec_driver_sql(_text(table, names, len(rows)), tuple(values))


def _turn(column: Column[Any], connection: Connection) -> Any:
    return column.type.dialect_impl(connection.dialect).bind_processor(connection.dialect)


@lru_cache(maxsize=512)
def _text(table: Table, names: tuple[str, ...], count: int) -> str:
    row = f"({', '.join('?' for _ in names)})"
    return f"INSERT INTO {table.name} ({', '.join(names)}) VALUES {', '.join(row for _ in range(count))}"  # noqa: S608


def go_on_counting(connection: Connection, table: Table) -> None:
    """Let the next row's id come after the largest one, where ids were given and not drawn."""
    if connection.dialect.name == "postgresql":
        largest = select(func.coalesce(func.max(table.c.id), 0) + 1).scalar_subquery()
        name = connection.dialect.identifier_preparer.quote(table.name)
        connection.execute(select(func.setval(func.pg_get_serial_sequence(name, "id"), largest, False)))
