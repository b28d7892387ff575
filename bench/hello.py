"""The same server's shortest answer: what a page is compared with. `python -m bench.hello PORT PROCESSES`."""

import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING

from granian import Granian
from granian.constants import Interfaces
from granian.log import LogLevels

from letter.commands import serving

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

HELLO = b"hello"
HEADERS = [("Content-Type", "text/plain"), ("Content-Length", str(len(HELLO)))]


def app(_environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
    """Answer."""
    start_response("200 OK", HEADERS)
    return [HELLO]


def main() -> None:
    """Serve with what `letter serve` tells its server."""
    server = Granian(
        "bench.hello:app",
        address="127.0.0.1",
        port=int(sys.argv[1]),
        interface=Interfaces.WSGI,
        workers=int(sys.argv[2]),
        blocking_threads=serving.THREADS,
        websockets=False,
        log_level=LogLevels.error,
    )
    server.serve()


if __name__ == "__main__":
    main()
