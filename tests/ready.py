"""A front door with a clock that is moved by hand, before a page that counts how often it is rendered."""

from collections.abc import Iterable
from typing import Any

from letter.pages import Front
from letter.shelf import MARK, Mark

LIBRARY, BRIDGE = 1, 2
LETTERS = {"library": LIBRARY, "bridge": BRIDGE}


class World:
    """A front door before an application of a few lines."""

    def __init__(self, most_bytes: int = 10_000_000) -> None:
        self.time = 1000.0
        self.versions: dict[int, int] | Exception = {0: 2, LIBRARY: 1, BRIDGE: 1}
        self.status = "200 OK"
        self.headers: list[tuple[str, str]] = []
        self.rendered: list[str] = []
        self.looks = 0
        self.front = Front(self.app, self.look, lambda: self.time, most_bytes)

    def look(self) -> dict[int, int]:
        self.looks += 1
        if isinstance(self.versions, Exception):
            raise self.versions
        return self.versions

    def app(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        path, query = environ["PATH_INFO"], environ["QUERY_STRING"]
        self.rendered.append(f"{path}?{query}" if query else path)
        letter = LETTERS.get(path.strip("/").partition("/")[0])
        if letter and self.status == "200 OK" and "q=" not in query:
            environ[MARK] = Mark(letter, reads_query=path.endswith("/signatures"))
        body = f"{path} {query} {self.versions} {'long ' * 300}".encode()
        start_response(self.status, [("Content-Type", "text/html"), ("Content-Length", str(len(body))), *self.headers])
        return [body]

    def ask(self, path: str = "/library", query: str = "", method: str = "GET", **more: str) -> tuple[str, str]:
        said: list[Any] = []
        environ = {"REQUEST_METHOD": method, "PATH_INFO": path, "QUERY_STRING": query, **more}
        body = b"".join(self.front(environ, lambda *answer: said.extend(answer)))
        self.last = dict(said[1])
        return said[0], body.decode()

    def change(self, letter: int = LIBRARY) -> None:
        assert isinstance(self.versions, dict)
        self.versions = {**self.versions, letter: self.versions[letter] + 1, 0: self.versions[0] + 1}
