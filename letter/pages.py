"""Ready public pages: rendered once a change, kept in memory, and answered before Flask.

A view says with `request.keep` that its answer is the same for everybody until a letter changes. The front door keeps
such answers, looks once a second whether a letter has changed, and then has Flask render each page anew when it is next
asked for. While the database is away, the pages of the last look go on being answered.
"""

import io
import logging
import re
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from threading import Event, Lock
from typing import TYPE_CHECKING, Any

from letter import tally
from letter.db import Database
from letter.letters import TAKEN_BY_PAGES
from letter.shelf import AGAIN_SECONDS, MARK, MOST_BYTES, NOTHING, OLD_SECONDS, Headers, Key, Page, Rendering, Shelf

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

log = logging.getLogger("letter.pages")

CHECK_SECONDS = 1.0  # how long a change may stay unseen
LONG_SECONDS = 3.0  # whoever comes after so long a silence waits for what is true now
PATIENCE_SECONDS = 0.5  # but not for longer than this
STATIC = "/static/"
FINGERPRINT = re.compile(r"v=[0-9a-f]{12}")
PLACE_IN_LIST = re.compile(r"after=[A-Za-z0-9_=.-]{1,2000}")


class Watch:
    """The versions of all letters, looked up once a second by whoever comes first; the others go on meanwhile."""

    def __init__(self, read: Callable[[], Mapping[int, int]], now: Callable[[], float]) -> None:
        self.known: Mapping[int, int] = {}
        self.due = float("-inf")
        self.is_away = False  # the database does not answer
        self._read = read
        self._now = now
        self._seen_at = float("-inf")
        self._turn = Lock()

    def look(self) -> None:
        """Look if it is due and nobody does. Only after a long silence wait for whoever does."""
        is_recent = self._now() - self._seen_at < LONG_SECONDS
        patience = 0 if is_recent or self.is_away else PATIENCE_SECONDS
        if not self._turn.acquire(timeout=patience):
            self.is_away = self.is_away or patience > 0
            return
        try:
            if self._now() >= self.due:
                self._ask()
        finally:
            self._turn.release()

    def _ask(self) -> None:
        asked_at = self._now()
        try:
            self.known = self._read()
        except Exception as error:  # whatever it is, a page that is ready is the better answer
            if not self.is_away:
                log.warning("pages stay as they are, the database does not answer: %s", type(error).__name__)
            self.is_away = True
            self.due = self._now() + CHECK_SECONDS
        else:
            self.is_away = False
            self._seen_at = asked_at
            self.due = asked_at + CHECK_SECONDS


class Front:
    """The door in front of Flask, which hands out ready pages."""

    def __init__(
        self,
        app: "WSGIApplication",
        read_versions: Callable[[], Mapping[int, int]],
        now: Callable[[], float] = time.monotonic,
        most_bytes: int = MOST_BYTES,
    ) -> None:
        self.app = app
        self.shelf = Shelf(most_bytes)
        self.watch = Watch(read_versions, now)
        self._pages = self.shelf.pages
        self._now = now
        self._making: dict[Key, Event] = {}

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        """Answer, with a ready page if there is one. The first lines are all that most requests need."""
        if environ["REQUEST_METHOD"] not in ("GET", "HEAD"):
            return self.app(environ, start_response)
        key = (environ["PATH_INFO"], environ.get("QUERY_STRING", ""))
        page = self._pages.get(key)
        now = self._now()
        if page is None or now >= self.watch.due or not self._is_current(page, now):
            found = self._find(key)
            if found is None:
                return self.app(environ, start_response)
            if isinstance(found, Rendering):
                start_response(found.status, found.headers)
                return [found.body] if environ["REQUEST_METHOD"] == "GET" else NOTHING
            page = found
        page.used_at = now
        return page.answer(environ, start_response)

    def _is_current(self, page: Page, now: float) -> bool:
        return now < page.old_at and page.version == self.watch.known.get(page.letter_id)

    def _find(self, key: Key) -> Page | Rendering | None:
        """Return the page at `key` as it is now, or what Flask said, or None where only the request itself will do."""
        path, query = key
        if not path.startswith("/") or path.split("/", 2)[1] in TAKEN_BY_PAGES:
            return self._renewed(key) if path.startswith(STATIC) and FINGERPRINT.fullmatch(query) else None
        if self._now() >= self.watch.due:
            self.watch.look()
        if not query or PLACE_IN_LIST.fullmatch(query):
            return self._renewed(key)
        without = self._pages.get((path, ""))
        if without and without.reads_query:
            return None
        found = self._renewed((path, ""))  # whatever social media hang on to an address, the page is the same
        if isinstance(found, Rendering):
            return found if found.status.startswith("404") else None
        return None if found.reads_query else found

    def _renewed(self, key: Key) -> Page | Rendering:
        page, now = self._pages.get(key), self._now()
        if page and (self._is_current(page, now) or now < page.try_at or self.watch.is_away):
            return page
        mine = Event()
        other = self._making.setdefault(key, mine)
        if other is not mine:  # somebody is rendering it
            if page is None or now - page.used_at > LONG_SECONDS:
                other.wait(PATIENCE_SECONDS)
            return self._pages.get(key) or page or self._render(key)
        try:
            return self._make(key, page)
        finally:
            del self._making[key]
            mine.set()

    def _make(self, key: Key, old: Page | None) -> Page | Rendering:
        known = self.watch.known  # from before the rendering: what changes meanwhile is seen at the next look
        rendering = self._render(key)
        if rendering.mark:
            version = known.get(rendering.mark.letter_id)
            page = Page(rendering, rendering.mark, version, self._now())
            self.shelf.put(key, page)
            return page
        is_kept = self.watch.is_away or (old and self._now() < old.old_at + OLD_SECONDS)  # no name stays for ever
        if old and rendering.status >= "500" and is_kept:
            old.try_at = self._now() + AGAIN_SECONDS
            return old
        self.shelf.drop(key)
        return rendering

    def _render(self, key: Key) -> Rendering:
        """Have Flask answer a request that says nothing of anybody."""
        said: list[Any] = []

        def start_response(status: str, headers: Headers, _error: object = None) -> Callable[[bytes], object]:
            said[:] = [status, headers]
            return lambda _: None

        environ = _plain(*key)
        chunks = self.app(environ, start_response)
        try:
            body = b"".join(chunks)
        finally:
            getattr(chunks, "close", lambda: None)()
        status, headers = said
        is_for_all = status.startswith("200") and not {name.lower() for name, _ in headers} & {"set-cookie", "vary"}
        return Rendering(status, headers, body, environ.get(MARK) if is_for_all else None)


def _plain(path: str, query: str) -> "WSGIEnvironment":
    return {
        "REQUEST_METHOD": "GET",
        "SCRIPT_NAME": "",
        "PATH_INFO": path,
        "QUERY_STRING": query,
        "SERVER_NAME": "localhost",
        "SERVER_PORT": "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(),
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
    }


def in_front(app: "WSGIApplication", database: Database) -> Front:
    """Return the front door of `app`, which looks into `database` for changes."""

    def read_versions() -> Mapping[int, int]:
        with database.reading(
            public=True
        ) as session:  # from where the pages are read, so that none is behind its version
            return tally.versions(session)

    return Front(app, read_versions)
