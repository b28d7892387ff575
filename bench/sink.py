"""A mail server that takes everything at once and counts it: `python -m bench.sink PORT`.

It offers PIPELINING (RFC 2920). For each line on its standard input it says as JSON what came since the last one.
"""

import asyncio
import json
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from bench.serving import free_port

END = b"\r\n.\r\n"
SENT_AT = re.compile(rb"\.(\d{13})@")  # the moment of signing, in milliseconds: the clients put it into their addresses
REPLIES = {
    b"EHLO": b"250-sink.example\r\n250-PIPELINING\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n250 ENHANCEDSTATUSCODES\r\n",
    b"HELO": b"250 sink.example\r\n",
    b"DATA": b"354 go ahead\r\n",
    b"QUIT": b"221 2.0.0 bye\r\n",
}
FINE = b"250 2.0.0 fine\r\n"


@dataclass
class Count:
    """What came in."""

    mails: int = 0
    connections: int = 0
    first: float = 0.0
    last: float = 0.0
    lags: list[int] = field(default_factory=list)

    def note(self, recipient: bytes) -> None:
        """Count one mail."""
        self.last = time.time()
        self.first = self.first or self.last
        self.mails += 1
        if found := SENT_AT.search(recipient):
            self.lags.append(int(self.last * 1000) - int(found[1]))


class Session(asyncio.Protocol):
    """One connection."""

    def __init__(self, sink: "Sink") -> None:
        self._sink = sink
        self._waiting = b""
        self._is_data = False
        self._recipient = b""

    def connection_made(self, transport: Any) -> None:
        """Greet."""
        self._transport = transport
        self._sink.count.connections += 1
        transport.write(b"220 sink.example ESMTP\r\n")

    def data_received(self, data: bytes) -> None:
        """Answer all that is there with one write."""
        self._waiting += data
        answer = b"".join(self._answers())
        if answer:
            self._transport.write(answer)

    def _answers(self) -> Iterator[bytes]:
        while True:
            text, end, rest = self._waiting.partition(END if self._is_data else b"\r\n")
            if not end:
                return
            self._waiting = rest
            if self._is_data:
                self._is_data = False
                self._sink.count.note(self._recipient)
                yield FINE
                continue
            verb = text[:4].upper()
            if verb == b"DATA":
                self._is_data = True
            elif verb == b"RCPT":
                self._recipient = text
            yield REPLIES.get(verb, FINE)
            if verb == b"QUIT":
                self._transport.close()


class Sink:
    """The server."""

    def __init__(self) -> None:
        self.count = Count()

    async def serve(self, port: int) -> None:
        """Serve until the standard input ends."""
        loop = asyncio.get_running_loop()
        server = await loop.create_server(lambda: Session(self), "127.0.0.1", port)
        ended = loop.create_future()

        def told() -> None:
            if not sys.stdin.readline():
                loop.remove_reader(sys.stdin.fileno())
                ended.set_result(None)
                return
            print(json.dumps(vars(self.count)), flush=True)
            self.count = Count()

        loop.add_reader(sys.stdin.fileno(), told)
        async with server:
            await ended


class Server:
    """A sink in a process of its own."""

    def __init__(self) -> None:
        self.port = free_port()
        command = [sys.executable, "-m", "bench.sink", str(self.port)]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.environ = {"LETTER_SMTP_URL": f"smtp://127.0.0.1:{self.port}", "LETTER_MAIL_FROM": "letter@sink.example"}
        self.count()

    def count(self) -> Count:
        """Return what came since the last time."""
        if not self._process.stdin or not self._process.stdout:
            raise RuntimeError
        print(file=self._process.stdin, flush=True)
        return Count(**json.loads(self._process.stdout.readline()))

    def stop(self) -> None:
        """End it."""
        self._process.communicate()


@contextmanager
def sinking() -> Iterator[Server]:
    """A sink until the block ends."""
    server = Server()
    try:
        yield server
    finally:
        server.stop()


if __name__ == "__main__":
    asyncio.run(Sink().serve(int(sys.argv[1])))
