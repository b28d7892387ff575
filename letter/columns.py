"""Columns, indexes and picked rows that mean the same on SQLite and on PostgreSQL."""

from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

import sqlalchemy as sa

Id = sa.BigInteger().with_variant(sa.Integer, "sqlite")


class Moment(sa.TypeDecorator[datetime]):
    """A moment in UTC. SQLite has no time zones: they are taken off on the way in, put on again on the way out."""

    impl = sa.DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: sa.Dialect) -> datetime | None:
        """Refuse a time without a zone, which would be somebody's local time."""
        if value is not None and value.tzinfo is None:
            raise ValueError("a moment needs a time zone")
        return value.astimezone(UTC).replace(tzinfo=None) if value and dialect.name == "sqlite" else value

    def process_result_value(self, value: datetime | None, dialect: sa.Dialect) -> datetime | None:
        """Give the moment back in UTC."""
        return (value.astimezone(UTC) if value.tzinfo else value.replace(tzinfo=UTC)) if value else value


def choice(kind: type[StrEnum]) -> sa.Enum:
    """Return a column type that holds one of `kind`, kept as text under a check, so that both databases agree."""
    return sa.Enum(
        kind,
        native_enum=False,
        create_constraint=True,
        length=20,
        name=kind.__name__.lower(),
        values_callable=lambda members: [member.value for member in members],
    )


def index_where(name: str, condition: str, *columns: str, unique: bool = False) -> sa.Index:
    """Return an index of the rows that meet `condition`; a unique one allows one row for `columns` among them."""
    return sa.Index(name, *columns, unique=unique, sqlite_where=sa.text(condition), postgresql_where=sa.text(condition))


def once(picked: sa.Select[int]) -> sa.Select[Any]:
    """Return `picked`, a SELECT of ids with a limit, for an IN, so that PostgreSQL runs it once and not for each row.

    It may run a plain subquery again and skip the rows that it locked before: more are changed than the limit allows.
    """
    cte = picked.cte("picked").prefix_with("MATERIALIZED", dialect="postgresql")
    return sa.select(*cte.c)
