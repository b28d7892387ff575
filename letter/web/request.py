"""What belongs to the request at hand: the instance, its keys, and one database session."""

from contextlib import ExitStack
from typing import cast

from flask import Flask, current_app, g, request
from sqlalchemy.orm import Session

from letter.config import Settings
from letter.db import Database
from letter.links import Links
from letter.sealing import Keys

SAFE = ("GET", "HEAD", "OPTIONS")


class Instance:
    """The parts of an instance that pages need."""

    def __init__(self, settings: Settings, database: Database) -> None:
        self.settings = settings
        self.database = database
        self.links = Links(settings)


def instance() -> Instance:
    """Return the instance that this application serves."""
    return cast(Instance, current_app.extensions["letter"])


def settings() -> Settings:
    """Return the instance's settings."""
    return instance().settings


def keys() -> Keys:
    """Return the instance's keys."""
    return settings().keys


def database() -> Session:
    """Return this request's session: one that cannot write for GET and HEAD, one that holds the lock for POST."""
    if "database" not in g:
        stack = g.database_stack = ExitStack()
        open_session = instance().database.reading if request.method in SAFE else instance().database.writing
        g.database = stack.enter_context(open_session())
    return cast(Session, g.database)


def commit() -> None:
    """Make what this request did durable; the answer goes out after it."""
    database().commit()


def _close(_error: BaseException | None) -> None:
    stack = g.pop("database_stack", None)
    if stack:
        stack.close()


def install(app: Flask, settings: Settings, database: Database) -> None:
    """Give `app` its instance."""
    app.extensions["letter"] = Instance(settings, database)
    app.teardown_appcontext(_close)
