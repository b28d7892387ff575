"""Bringing the database up to date."""

from collections.abc import Iterator
from contextlib import contextmanager

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import Connection, func, select

from letter.config import PACKAGE
from letter.db import Database
from letter.errors import NotReady

UPGRADE_LOCK = 0x75706772


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(PACKAGE / "migrations").replace("%", "%%"))
    return config


def is_known(revision: str) -> bool:
    """Tell whether this code knows the way on from `revision`."""
    try:
        return ScriptDirectory.from_config(_config()).get_revision(revision) is not None
    except CommandError:
        return False


def run(database: Database, target: str = "head") -> None:
    """Migrate up to `target`, each step in its own transaction. Raise NotReady for a database that is ahead of us."""
    config = _config()
    with database.engine.connect() as connection, _alone(connection):
        config.attributes["connection"] = connection
        try:
            command.upgrade(config, target)
        except CommandError:
            raise NotReady("The database is of a newer version than the program. Install the newer program.") from None


@contextmanager
def _alone(connection: Connection) -> Iterator[None]:
    """Several machines may start at once, and each upgrade first: one does it, the others wait and find it done."""
    if connection.dialect.name != "postgresql":
        yield
        return
    connection.exec_driver_sql("SET lock_timeout = 0")  # a large table takes its time
    connection.execute(select(func.pg_advisory_lock(UPGRADE_LOCK)))
    connection.commit()
    try:
        yield
    finally:
        connection.rollback()
        connection.execute(select(func.pg_advisory_unlock(UPGRADE_LOCK)))
        connection.exec_driver_sql("RESET lock_timeout")
        connection.commit()


def run_in(connection: Connection) -> None:
    """Make all tables within the transaction of `connection`, which the caller commits."""
    config = _config()
    config.attributes["connection"] = connection
    if not connection.in_transaction():
        connection.begin()
    command.upgrade(config, "head")


def undo(database: Database, target: str) -> None:
    """Migrate down to `target` (`base` for nothing at all)."""
    config = _config()
    with database.engine.connect() as connection:
        config.attributes["connection"] = connection
        command.downgrade(config, target)
