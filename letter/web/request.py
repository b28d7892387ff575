"""What belongs to the request at hand: the instance, its keys, and one database session."""

import time
from collections.abc import Iterable
from contextlib import ExitStack
from typing import TYPE_CHECKING, TypeVar, cast
from urllib.parse import urlsplit

from flask import Flask, current_app, g, request
from sqlalchemy.orm import Session

from letter import letters
from letter.config import Settings
from letter.db import Database
from letter.models import Letter, LetterState
from letter.sealing import Keys
from letter.shelf import MARK, Mark
from letter.tally import EVERYWHERE
from letter.turns import Given, Work

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

SAFE = ("GET", "HEAD", "OPTIONS")
PUBLIC_ROOMS = ("letters", "listing", "facts")
SECONDS_REMEMBERED = 1.0
T = TypeVar("T")


class Instance:
    """The parts of an instance that pages need."""

    def __init__(self, settings: Settings, database: Database) -> None:
        self.settings = settings
        self.database = database
        self.open_letters: dict[str, tuple[Letter, float]] = {}


def instance() -> Instance:
    """Return the instance that this application serves."""
    return cast(Instance, current_app.extensions["letter"])


def settings() -> Settings:
    """Return the instance's settings."""
    return instance().settings


def keys() -> Keys:
    """Return the instance's keys."""
    return settings().keys


def reading() -> Session:
    """Return this request's session for looking; nothing can be written through it."""
    if "reading" not in g:
        g.reading = _stack().enter_context(instance().database.reading(public=_is_public()))
    return cast(Session, g.reading)


def _is_public() -> bool:
    """Tell whether what is read is for everybody: that may come from the replica, a few seconds late."""
    is_staff = request.path.startswith("/staff/")
    return request.method in SAFE and request.blueprint in PUBLIC_ROOMS and not is_staff


def writing() -> Session:
    """Return this request's session for changing, which holds the lock from its first statement on. Not for a GET."""
    if request.method in SAFE:
        raise AssertionError(f"{request.endpoint} writes on {request.method}")
    _stop_reading()
    if "writing" not in g:
        g.writing = _stack().enter_context(instance().database.writing())
    return cast(Session, g.writing)


def gather(work: Work[Given, T], given: Given) -> T:
    """Return what `work` returned for `given` once it is durable; see `Database.gather`. It knows no request."""
    if request.method in SAFE:
        raise AssertionError(f"{request.endpoint} writes on {request.method}")
    _stop_reading()
    return instance().database.gather(work, given)


def remembered(slug: str) -> Letter:
    """Return an open letter as it was at most a second ago, else as `letters.public` returns it.

    A thousand signatures a second need not read the same letter again; `signing.put` looks at its state once more.
    """
    known = instance().open_letters
    letter, seen = known.get(slug, (None, 0.0))
    if letter is None or time.monotonic() - seen > SECONDS_REMEMBERED:
        if letter is not None:
            known[slug] = letter, time.monotonic()  # one looks again, the others go on meanwhile
        try:
            letter = letters.public(reading(), slug)
        finally:
            known.pop(slug, None)
        if letter.state is LetterState.OPEN and letter.texts:  # which loads them
            known[slug] = letter, time.monotonic()
    return letter


def let_go() -> None:
    """Take back what was not committed, and give the lock to others before a page is rendered."""
    if "writing" in g:
        g.writing.rollback()
    reading().add_all(g.pop("known", ()))


def commit() -> None:
    """Make what this request did durable; the answer goes out after it, and what is read from now on knows of it."""
    writing().commit()


def _stop_reading() -> None:
    """End the look before the change: where there is no write-ahead log, a reader keeps every writer from committing.

    What was read stays known, until `let_go` looks again.
    """
    if "reading" in g and g.reading.in_transaction():
        g.known = list(g.reading)
        g.reading.expunge_all()
        g.reading.rollback()


def _stack() -> ExitStack:
    if "stack" not in g:
        g.stack = ExitStack()
    return cast(ExitStack, g.stack)


def keep(letter: Letter | None = None, *, reads_query: bool = False) -> None:
    """Say that this answer is the same for everybody until `letter`, or else any letter, changes: it can be kept.

    An answer that depends on the address's query, too, says so.
    """
    request.environ[MARK] = Mark(letter.id if letter else EVERYWHERE, reads_query)


def read_form() -> None:
    """Wait until all of the form is here; before that no lock may be taken, or one slow sender would stop everybody."""
    _ = request.form
    request.stream.read(1)  # Werkzeug cuts a body of unsaid length at the limit; reading on raises its 413


def _close(_error: BaseException | None) -> None:
    stack = g.pop("stack", None)
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
