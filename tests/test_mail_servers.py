"""Mail servers that behave badly, each with a batch of mails: none is lost, and none comes twice without cause."""

import asyncio
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
import time_machine

from letter.config import Settings
from letter.db import Database
from letter.mail import smtp
from letter.mail.worker import Worker
from tests.mail_server import HANG_UP, OK, MailServer, rows, running, sign, states, supporters

pytestmark = pytest.mark.usefixtures("letter")
MAILS, MANY = 50, 500


class Trying(MailServer):
    """Behaves badly for as long as it is told to, then well."""

    is_bad = True
    tried: Counter[str]

    def __init__(self, **more: Any) -> None:
        super().__init__(**more)
        self.tried = Counter()

    def twist(self, verb: str, server: Any, to: str = "") -> str:
        """The answer to a verb, or a hang-up."""
        return OK

    async def handle_MAIL(self, server: Any, session: Any, envelope: Any, address: str, options: list[str]) -> str:
        envelope.mail_from = address
        return self._answer("MAIL", server)

    async def handle_RCPT(self, server: Any, session: Any, envelope: Any, address: str, options: list[str]) -> str:
        self.tried[address] += 1
        answer = self._answer("RCPT", server, address)
        if answer == OK:
            envelope.rcpt_tos.append(address)
        return answer

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        (to,) = envelope.rcpt_tos
        await self.wait(to)
        answer = self._answer("DATA", server, to)
        if answer.startswith("250"):
            self.take(to, envelope)
        return answer

    async def wait(self, to: str) -> None:
        """Take one's time."""

    def _answer(self, verb: str, server: Any, to: str = "") -> str:
        answer = self.twist(verb, server, to) if self.is_bad else OK
        if HANG_UP in answer:
            server.transport.abort()
        return answer


def answering(verb: str, answer: str) -> type[Trying]:
    """A server that always answers a verb so."""

    class Answering(Trying):
        def twist(self, said: str, server: Any, to: str = "") -> str:
            return answer if said == verb else OK

    return Answering


class Greylisting(Trying):
    """Wants to see each address twice."""

    def twist(self, verb: str, server: Any, to: str = "") -> str:
        return "450 4.7.1 come back later" if verb == "RCPT" and self.tried[to] == 1 else OK


class Moody(Trying):
    """Takes a mail and then hangs up without a word, once for every other address."""

    def twist(self, verb: str, server: Any, to: str = "") -> str:
        is_first = to not in self.tos and to.rpartition("@")[0][-1:] in "13579"
        return f"250 {HANG_UP}" if verb == "DATA" and is_first else OK


class Hanging(Trying):
    """Takes the text and never answers."""

    async def wait(self, to: str) -> None:
        if self.is_bad:
            await asyncio.sleep(60)


class Slow(Trying):
    """Takes its time with each mail."""

    async def wait(self, to: str) -> None:
        await asyncio.sleep(0.01)


class Choosy(Trying):
    """Knows only every other address."""

    def twist(self, verb: str, server: Any, to: str = "") -> str:
        is_odd = to.rpartition("@")[0][-1:] in "13579"
        return "550 5.1.1 no such user" if verb == "RCPT" and is_odd else OK


# Whether mails can come twice: only where the server takes a mail and then breaks off.
MODES: dict[str, tuple[Callable[[], Trying], bool]] = {
    "refuses the sender for now": (answering("MAIL", "451 4.3.0 later"), False),
    "refuses every address for now": (answering("RCPT", "450 4.2.0 later"), False),
    "refuses every text for now": (answering("DATA", "451 4.3.0 later"), False),
    "has a full disk": (answering("DATA", "452 4.3.1 insufficient system storage"), False),
    "has a full disk and says so for good": (answering("DATA", "552 storage exceeded"), False),
    "knows every other address": (Choosy, False),
    "greylists": (Greylisting, False),
    "hangs up at the sender": (answering("MAIL", HANG_UP), False),
    "hangs up at the address": (answering("RCPT", HANG_UP), False),
    "hangs up at the text": (answering("DATA", HANG_UP), False),
    "takes mails and hangs up": (Moody, True),
    "hangs": (Hanging, False),
    "is slow": (Slow, False),
}


@pytest.mark.parametrize("mode", MODES)
def test_no_mail_is_lost(database: Database, settings: Settings, monkeypatch: pytest.MonkeyPatch, mode: str) -> None:
    in_groups = list(MODES).index(mode) % 2 == 0  # both ways, each with half of the modes; by night, both with all
    campaign(database, settings, monkeypatch, mode, in_groups, MAILS)


@pytest.mark.nightly
@pytest.mark.parametrize("in_groups", [False, True], ids=["one by one", "in groups"])
@pytest.mark.parametrize("mode", MODES)
def test_no_mail_of_many_is_lost(
    database: Database, settings: Settings, monkeypatch: pytest.MonkeyPatch, mode: str, in_groups: bool
) -> None:
    campaign(database, settings, monkeypatch, mode, in_groups, MANY)


def campaign(
    database: Database, settings: Settings, monkeypatch: pytest.MonkeyPatch, mode: str, in_groups: bool, mails: int
) -> None:
    """Send mails to a server that behaves badly for a while, and then well, and look at what it got."""
    monkeypatch.setattr(smtp, "TIMEOUT", 1 if mode == "hangs" else 20)
    made, may_double = MODES[mode]
    wanted = supporters(mails)
    server = made()
    server.extensions = ("PIPELINING",) if in_groups else ()
    with time_machine.travel("2026-07-08 12:00 +0000", tick=False) as clock, running(server):
        sign(database, *wanted)
        worker = Worker(database, replace(settings, smtp_url=server.url, smtp_connections=3, smtp_rate=0))
        for turn in range(60):
            server.is_bad = turn < 4
            while worker.run_once():
                pass
            clock.shift(timedelta(minutes=20))
            if not {"waiting", "leased"} & set(states(database)):
                break
        worker.close()
    refused = [to for to in wanted if mode == "knows every other address" and to.rpartition("@")[0][-1] in "13579"]
    assert Counter(states(database)) == Counter({"sent": mails - len(refused), "failed": len(refused)})
    copies = Counter(server.tos)
    assert set(copies) == set(wanted) - set(refused)
    assert max(copies.values()) <= 1 + may_double
    assert len({mail["Message-ID"] for mail in server.mails}) == len(copies)
    assert len({mail.as_bytes() for mail in server.mails}) == len(copies)
    assert all(row.to_sealed is None for row in rows(database))


def test_a_refused_address_in_a_group_holds_up_no_other(
    database: Database, settings: Settings, noon: time_machine.Traveller
) -> None:
    """Even where the server asks for the text of a mail whose only address it has refused."""
    server = Choosy(extensions=("PIPELINING",))
    wanted = supporters(9)
    with running(server):
        sign(database, *wanted)
        worker = Worker(database, replace(settings, smtp_url=server.url, smtp_connections=1))
        assert worker.run_once() == 9
        worker.close()
    assert (server.greetings, server.tos) == (1, [to for to in wanted if to[9] not in "13579"])


def test_a_server_that_drips_is_left_after_a_while(
    database: Database, settings: Settings, monkeypatch: pytest.MonkeyPatch, noon: time_machine.Traveller
) -> None:
    monkeypatch.setattr(smtp, "TIMEOUT", 0.3)
    stop = threading.Event()

    class Dripping(MailServer):
        async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
            while not stop.is_set():
                server._writer.write(b"2")
                await asyncio.sleep(0.05)
            return OK

    with running(Dripping()) as server:
        sign(database, *supporters(1))
        worker = Worker(database, replace(settings, smtp_url=server.url))
        worker.run_once()
        stop.set()
        worker.close()
    assert [(row.state, row.error) for row in rows(database)] == [("waiting", "TimeoutError")]
