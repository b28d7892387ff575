"""The database's version: which it is, and whether this program can work with it; without what could change it."""

from sqlalchemy import Connection, column, inspect, select, table

from letter import about
from letter.config import PACKAGE
from letter.db import Database
from letter.errors import NotReady
from letter.sealing import Keys, fingerprint

OTHER_KEYS = "These are not the keys that the database was made with. Put keys.toml back from your backup."
NOTED = table("alembic_version", column("version_num"))  # Alembic's own


def newest() -> str:
    """Return the revision that this code is written for."""
    return max(file.name.partition("_")[0] for file in (PACKAGE / "migrations" / "versions").glob("[0-9]*.py"))


def current(database: Database) -> str | None:
    """Return the revision of the database, or None for an empty one."""
    with database.engine.connect() as connection:
        return _of(connection)


def _of(connection: Connection) -> str | None:
    if not inspect(connection).has_table(NOTED.name):
        return None
    found: str | None = connection.scalar(select(NOTED.c.version_num))
    return found


def demand(database: Database, keys: Keys) -> None:
    """Raise NotReady, with what to do, unless the database is there, of this code's version, and fits the keys."""
    if not database.is_there():
        raise NotReady("The database is not there. Run `letter init`, or check LETTER_DATABASE_URL.")
    with database.reading() as session:
        if _of(session.connection()) != newest():
            raise NotReady("The database is of another version than the program. Run `letter upgrade`.")
        if moved := about.stored(session, about.MOVED):
            raise NotReady(f"This instance has moved to {moved}. Set LETTER_DATABASE_URL to that.")
        if about.stored(session, about.KEYS) not in (None, fingerprint(keys)):
            raise NotReady(OTHER_KEYS)
