"""How a command opens the instance."""

from collections.abc import Iterator
from contextlib import contextmanager

from letter import config, revision
from letter.config import Settings
from letter.db import Database


@contextmanager
def instance() -> Iterator[tuple[Settings, Database]]:
    """Give settings and database. Raise BadSetting or NotReady with a sentence if either cannot be used."""
    settings = config.load()
    database = Database(settings.database_url, replica_url=settings.replica_url)
    try:
        revision.demand(database, settings.keys)
        yield settings, database
    finally:
        database.close()
