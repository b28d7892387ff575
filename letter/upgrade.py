"""The database's version: bringing it up to date, and telling whether it is."""

from collections.abc import Iterator
from contextlib import contextmanager

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import Connection, func, select

from letter import about
from letter.config import PACKAGE
from letter.db import Database
from letter.errors import NotReady
from letter.sealing import Keys, fingerprint

UPGRADE_LOCK = 0x75706772
OTHER_KEYS = "These are not the keys that the database was made with. Put keys.toml back from your backup."


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(PACKAGE / "migrations").replace("%", "%%"))
    return config


def newest() -> str:
    """Return the revision that this code is written for."""
    return ScriptDirectory.from_config(_config()).get_current_head() or ""


def is_known(revision: str) -> bool:
    """Tell whether this code knows the way on from `revision`."""
    try:
        return ScriptDirectory.from_config(_config()).get_revision(revision) is not None
    except CommandError:
        return False


def current(database: Database) -> str | None:
    """Return the revision of the database, or None for an empty one."""
    with database.engine.connect() as connection:
        return MigrationContext.configure(connection).get_current_revision()


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


def demand(database: Database, keys: Keys) -> None:
    """Raise NotReady, with what to do, unless the database is there, of this code's version, and fits the keys."""
    if not database.is_there():
        raise NotReady("The database is not there. Run `letter init`, or check LETTER_DATABASE_URL.")
    with database.reading() as session:
        if MigrationContext.configure(session.connection()).get_current_revision() != newest():
            raise NotReady("The database is of another version than the program. Run `letter upgrade`.")
        if moved := about.stored(session, about.MOVED):
            raise NotReady(f"This instance has moved to {moved}. Set LETTER_DATABASE_URL to that.")
        if about.stored(session, about.KEYS) not in (None, fingerprint(keys)):
            raise NotReady(OTHER_KEYS)
