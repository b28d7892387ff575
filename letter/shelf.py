"""Pages that are ready to be sent: in each encoding, with their headers, up to so many bytes in memory."""

import hashlib
from threading import Lock
from typing import TYPE_CHECKING, NamedTuple

from letter import negotiation

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

NO_LETTER = -1  # whose version never changes
MARK = "letter.ready"  # where a view leaves its mark in the request's environment
AGAIN_SECONDS = 1.0  # the shortest time between two renderings of a page
OLD_SECONDS = 60.0  # then a page is rendered without a change: stamps carry the hour, and letters close by the clock
MOST_BYTES = 32 * 1024 * 1024
ROOM_AFTER_CLEARING = 0.9
OVERHEAD = 3000  # bytes of headers and objects for each page, roughly
NOT_OF_A_304 = ("content-type", "content-length", "content-encoding")
SAID_ANEW = ("content-length", "etag", "date", "accept-ranges")
NOTHING: list[bytes] = []

Key = tuple[str, str]  # path and query
Headers = list[tuple[str, str]]


class Mark(NamedTuple):
    """What a view says of its answer: the letter on which it depends, and whether on the query, too."""

    letter_id: int
    reads_query: bool = False


class Rendering(NamedTuple):
    """What Flask said. Only what is marked may be kept."""

    status: str
    headers: Headers
    body: bytes
    mark: Mark | None


class Form(NamedTuple):
    """A page in one encoding, ready to be sent."""

    tag: str
    headers: Headers
    headers_of_304: Headers
    body: list[bytes]


class Page:
    """A page in all encodings, and the version of the letter that it shows."""

    __slots__ = ("forms", "letter_id", "old_at", "reads_query", "size", "try_at", "used_at", "version")

    def __init__(self, rendering: Rendering, mark: Mark, version: int | None, now: float) -> None:
        self.letter_id, self.reads_query = mark
        self.version = version
        self.used_at = now
        self.try_at = now + AGAIN_SECONDS
        self.old_at = now + OLD_SECONDS
        bodies = negotiation.forms(rendering.body)
        made = {encoding: _form(rendering, encoding, body) for encoding, body in bodies.items()}
        self.forms = {encoding: made.get(encoding, made[negotiation.IDENTITY]) for encoding in negotiation.OFFERED}
        self.size = OVERHEAD + sum(len(body) for body in bodies.values())

    def answer(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> list[bytes]:
        """Answer a GET or HEAD."""
        accepted = environ.get("HTTP_ACCEPT_ENCODING")
        form = self.forms[negotiation.best(accepted) if accepted else negotiation.IDENTITY]
        asked = environ.get("HTTP_IF_NONE_MATCH")
        if asked and negotiation.is_known(asked, form.tag):
            start_response("304 Not Modified", form.headers_of_304)
            return NOTHING
        start_response("200 OK", form.headers)
        return form.body if environ["REQUEST_METHOD"] == "GET" else NOTHING


def _form(rendering: Rendering, encoding: str, body: bytes) -> Form:
    digest = hashlib.sha256(rendering.body).hexdigest()[:24]
    tag = f'"{digest}"' if encoding == negotiation.IDENTITY else f'"{digest}-{encoding}"'
    headers = [(name, value) for name, value in rendering.headers if name.lower() not in SAID_ANEW]
    headers += [("ETag", tag), ("Vary", "Accept-Encoding"), ("Content-Length", str(len(body)))]
    if encoding != negotiation.IDENTITY:
        headers.append(("Content-Encoding", encoding))
    return Form(tag, headers, [one for one in headers if one[0].lower() not in NOT_OF_A_304], [body])


class Shelf:
    """Pages up to so many bytes; those that were not asked for the longest give way."""

    def __init__(self, most: int = MOST_BYTES) -> None:
        self.pages: dict[Key, Page] = {}
        self.size = 0
        self._most = most
        self._lock = Lock()

    def put(self, key: Key, page: Page) -> None:
        """Keep a page in place of the one that stood there."""
        with self._lock:
            self._take(key)
            self.pages[key] = page
            self.size += page.size
            if self.size > self._most:
                self._clear()

    def drop(self, key: Key) -> None:
        """Keep a page no longer."""
        with self._lock:
            self._take(key)

    def _take(self, key: Key) -> None:
        page = self.pages.pop(key, None)
        self.size -= page.size if page else 0

    def _clear(self) -> None:
        for key, _ in sorted(self.pages.items(), key=lambda item: item[1].used_at):
            if self.size <= self._most * ROOM_AFTER_CLEARING:
                return
            self._take(key)
