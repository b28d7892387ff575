"""Sixty-four people at once who sign, confirm and decide, and write down what was acknowledged to them."""

import contextlib
import http.client
import itertools
import re
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from urllib.parse import urlencode

from letter.models import State
from letter.sealing import Keys
from letter.tokens import Purpose, stamper, write
from tests.serving import Server

STAMP = re.compile(r'name="stamp"[^>]*value="([^"]+)"')
CSRF = re.compile(r'name="csrf_token"[^>]*value="([^"]+)"')
BECOMES = {"approve": State.APPROVED, "hold": State.HELD, "reject": State.REJECTED}
GONE = (OSError, http.client.HTTPException)


@dataclass
class Journal:
    """What was acknowledged: addresses that signed, uids that were confirmed, and the states in which uids may be."""

    signed: dict[str, float] = field(default_factory=dict)  # the moment of the answer, by time.monotonic()
    confirmed: set[str] = field(default_factory=set)
    decided: dict[str, set[State]] = field(default_factory=dict)
    decisions: int = 0
    turned_away: int = 0  # with a 503

    @property
    def acknowledged(self) -> int:
        return len(self.signed) + len(self.confirmed) + self.decisions


@dataclass
class Entry:
    """A signature that waits for a moderator."""

    id: int
    version: int
    uid: str


class Caller:
    """One kept connection to the server."""

    def __init__(self, port: int, cookie: str = "") -> None:
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        self.headers = {"Cookie": cookie} if cookie else {}

    def send(self, method: str, path: str, **fields: str) -> tuple[int, str]:
        """Raise one of GONE if the server is; the next call then connects anew."""
        form = {"Content-Type": "application/x-www-form-urlencoded"} if fields else {}
        try:
            self.connection.request(method, path, urlencode(fields) or None, {**self.headers, **form})
            answer = self.connection.getresponse()
            return answer.status, answer.read().decode()
        except GONE:
            self.connection.close()
            raise

    def close(self) -> None:
        self.connection.close()


class Crowd:
    """People at work on /library until the server is killed or they are told to go home."""

    def __init__(self, server: Server, keys: Keys, journal: Journal) -> None:
        self.server, self.keys, self.journal = server, keys, journal
        self.over = threading.Event()
        self.faults: list[str] = []
        self.threads: list[threading.Thread] = []

    def start(self, work: Callable[[Caller], None], cookie: str = "") -> None:
        self.threads.append(threading.Thread(target=self._guarded, args=(work, cookie)))
        self.threads[-1].start()

    def _guarded(self, work: Callable[[Caller], None], cookie: str) -> None:
        try:
            with contextlib.closing(Caller(self.server.port, cookie)) as caller:
                work(caller)
        except GONE:
            if not self.over.wait(5):
                self.faults.append("the server was gone before it was killed")
        except Exception as error:
            self.faults.append(f"{type(error).__name__}: {error}")

    def kill(self) -> None:
        """SIGKILL to everything while all are at work, then wait until everybody has noticed."""
        self.server.kill()
        self.go_home()

    def go_home(self) -> None:
        self.over.set()
        for thread in self.threads:
            thread.join()
        assert not self.faults, self.faults[:3]

    def cookie(self, key: str) -> str:
        """The header that opens the desk with the key of a session."""
        return f"letter={stamper(self.keys.secret, 'session').sign(key).decode()}"

    def signs(self, caller: Caller, who: str, stamp: str, a_second: float = 0) -> None:
        """Sign again and again, each time from a new address; `a_second` holds the pace."""
        start = time.monotonic()
        for turn in itertools.count():
            if self.over.wait(max(0.0, start + turn / a_second - time.monotonic()) if a_second else 0):
                return
            email = f"s{turn}@{who}.example.org"  # a domain for each, since mails to one are paced
            person = {"name": f"Supporter {turn} of {who}", "affiliation": "", "email": email}
            choices = {"display": "public", "kind": "person", "language": "en"}
            status, _ = caller.send("POST", "/library/sign", stamp=stamp, **person, **choices)
            if self._was_done(status, 303):
                self.journal.signed[email] = time.monotonic()

    def confirms(self, caller: Caller, waiting: "deque[str]") -> None:
        """Open link after link, and press the button."""
        while not self.over.is_set():
            with contextlib.suppress(IndexError):
                uid = waiting.popleft()
                path = f"/confirm/{write(self.keys.secret, Purpose.CONFIRM, uid)}"
                status, page = caller.send("GET", path)
                found = STAMP.search(page)
                if not self._was_done(status, 200) or found is None:
                    continue
                status, _ = caller.send("POST", path, stamp=found[1])
                if self._was_done(status, 200):
                    self.journal.confirmed.add(uid)
                continue
            time.sleep(0.01)

    def moderates(self, caller: Caller, entries: Iterable[Entry]) -> None:
        """Decide about one entry after the other, and take every fifth decision back."""
        found = CSRF.search(caller.send("GET", "/staff/library/queue")[1])
        assert found, "the desk is closed"
        for number, entry in enumerate(entries):
            if self.over.is_set():
                return
            action = list(BECOMES)[number % 3]
            one = f"{action}:{entry.id}:{entry.version}"
            status, _ = caller.send("POST", "/staff/library/queue", csrf_token=found[1], one=one)
            if not self._was_done(status, 303):
                continue
            self.journal.decisions += 1  # a lost race between two threads makes it smaller, never greater
            self.journal.decided[entry.uid] = {BECOMES[action]}
            if number % 5 == 4:
                self.journal.decided[entry.uid] = {BECOMES[action], State.CONFIRMED}  # until it is answered
                status, _ = caller.send("POST", "/staff/library/undo", csrf_token=found[1])
                if self._was_done(status, 303):
                    self.journal.decisions += 1
                    self.journal.decided[entry.uid] = {State.CONFIRMED}

    def _was_done(self, status: int, wanted: int) -> bool:
        """Tell an acknowledgement from a plain "try again later", which promises nothing; anything else is a fault."""
        assert status in (wanted, 503), f"answered with {status} in place of {wanted}"
        self.journal.turned_away += status == 503
        return status == wanted
