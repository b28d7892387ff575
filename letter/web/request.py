"""What belongs to the request at hand: the instance, its keys, and one database session."""

from collections.abc import Iterable
from contextlib import ExitStack
from typing import TYPE_CHECKING, cast
from urllib.parse import urlsplit

from flask import Flask, current_app, g, request
from sqlalchemy.orm import Session

from letter.config import Settings
from letter.db import Database
from letter.links import Links
from letter.sealing import Keys

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

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
        is_safe = request.method in SAFE
        if not is_safe:
            _ = request.form  # all of it has to be here before the lock is taken: one slow sender would stop everybody
        stack = g.database_stack = ExitStack()
        open_session = instance().database.reading if is_safe else instance().database.writing
        g.database = stack.enter_context(open_session())
    return cast(Session, g.database)


def commit() -> None:
    """Make what this request did durable; the answer goes out after it."""
    database().commit()


def _close(_error: BaseException | None) -> None:
    stack = g.pop("database_stack", None)
    if stack:
        stack.close()


class OwnHost:
    """Takes every request as one for LETTER_BASE_URL: no redirect repeats `Host`, and a broken one does no harm."""

    def __init__(self, app: "WSGIApplication", base_url: str) -> None:
        self.app = app
        self.base = urlsplit(base_url)

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        """Answer."""
        environ.update({"HTTP_HOST": self.base.netloc, "wsgi.url_scheme": self.base.scheme})
        return self.app(environ, start_response)


def install(app: Flask, settings: Settings, database: Database) -> None:
    """Give `app` its instance."""
    app.extensions["letter"] = Instance(settings, database)
    app.wsgi_app = OwnHost(app.wsgi_app, settings.base_url)  # type: ignore[method-assign]
    app.teardown_appcontext(_close)
