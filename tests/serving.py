"""A real server in a process group of its own, for tests that need one."""

import contextlib
import http.client
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlencode

from tests import postgres

START_SECONDS = 30


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Server:
    """`letter serve` on an instance folder."""

    def __init__(self, folder: Path, **environ: str) -> None:
        self.port = free_port()
        kept = {name: value for name, value in os.environ.items() if not name.startswith("LETTER_")}
        self.environ = {**kept, "LETTER_INSTANCE": str(folder), **environ}
        self.process: subprocess.Popen[bytes] | None = None
        self.before: tuple[str, ...] = ()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def run(self, *arguments: str) -> str:
        """Run a command on the instance and return what it prints."""
        done = subprocess.run(
            [sys.executable, "-m", "letter", *arguments], env=self.environ, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def start(self, *arguments: str) -> None:
        command = [*self.before, sys.executable, "-m", "letter", "serve", "--port", str(self.port), *arguments]
        self.process = subprocess.Popen(command, env=self.environ, start_new_session=True)
        end = time.monotonic() + START_SECONDS
        while time.monotonic() < end:
            with contextlib.suppress(OSError):
                if self.get("/healthz")[0] == 200:
                    return
            time.sleep(0.05)
        raise AssertionError("the server did not start")

    def kill(self) -> None:
        """SIGKILL to web, worker and all: nobody gets to tidy up."""
        assert self.process
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        self.process = None

    def stop(self) -> None:
        if self.process:
            os.killpg(self.process.pid, signal.SIGTERM)
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.kill()
            self.process = None

    def get(self, path: str) -> tuple[int, str]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        with contextlib.closing(connection):
            connection.request("GET", path)
            answer = connection.getresponse()
            return answer.status, answer.read().decode()

    def stamp(self, slug: str) -> str:
        found = re.search(r'name="stamp"[^>]*value="([^"]+)"', self.get(f"/{slug}")[1])
        assert found
        return found[1]

    def sign(self, slug: str, stamp: str, **fields: str) -> int:
        """Send the form and return the status; raise OSError if the server is gone."""
        body = urlencode({"stamp": stamp, "display": "public", "kind": "person", "language": "en", **fields})
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        with contextlib.closing(connection):
            headers = {"Content-Type": "application/x-www-form-urlencoded"}
            connection.request("POST", f"/{slug}/sign", body, headers)
            return connection.getresponse().status


@contextlib.contextmanager
def serving(folder: Path, *arguments: str, before: tuple[str, ...] = (), **environ: str) -> Iterator[Server]:
    """A server with an open letter at /library, stopped at the end; `before` stands before its command."""
    with postgres.made(folder, tables=False) as url:
        server = Server(folder, **{"LETTER_DATABASE_URL": url, **environ})
        server.before = before
        yield from _serve(server, folder, arguments)


def _serve(server: Server, folder: Path, arguments: tuple[str, ...]) -> Iterator[Server]:
    server.run("init")
    text = folder / "text.txt"
    text.write_text("Open the library.\n\nSincerely yours,\n\nZelda Quist – Teacher\n", "utf-8")
    server.run("new", "library", str(text), "--title", "Open the library", "--signatories-after", "Sincerely yours,",
               "--open", "--yes")  # fmt: skip
    server.start(*arguments)
    try:
        yield server
    finally:
        server.stop()
