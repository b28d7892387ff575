"""A real mail server on loopback that does as it is told, and what tests do with the outbox."""

import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any

from aiosmtpd.controller import Controller
from sqlalchemy import select
from sqlalchemy.orm import Session

from letter import letters, signatures
from letter.db import Database
from letter.models import Outbox, Signature
from tests.conftest import KEYS, submission

HANG_UP = "hang up"
OK = "250 2.0.0 taken"


@dataclass
class MailServer:
    """Answers for an address at RCPT, or for whatever comes at DATA; what it took, and for whom."""

    host: str = "127.0.0.1"
    port: int = 0
    at_rcpt: dict[str, str] = field(default_factory=dict)
    at_data: Callable[[str], str] = lambda to: OK
    extensions: tuple[str, ...] = ()
    greetings: int = 0
    froms: list[str] = field(default_factory=list)
    tos: list[str] = field(default_factory=list)
    mails: list[EmailMessage] = field(default_factory=list)
    was_encrypted: bool = False
    has_login: bool = False

    @property
    def url(self) -> str:
        return f"smtp://{self.host}:{self.port}"

    async def handle_EHLO(self, server: Any, session: Any, envelope: Any, host: str, lines: list[str]) -> list[str]:
        self.greetings += 1
        session.host_name = host
        return [lines[0], *(f"250-{name}" for name in self.extensions), *lines[1:]]

    async def handle_RCPT(self, server: Any, session: Any, envelope: Any, address: str, options: list[str]) -> str:
        answer = self.at_rcpt.get(address, OK)
        if answer == OK:
            envelope.rcpt_tos.append(address)
        return _say(server, answer)

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        (to,) = envelope.rcpt_tos
        answer = self.at_data(to)
        if answer.startswith("250") or answer == f"250 and {HANG_UP}":
            self.take(to, envelope)
        self.was_encrypted = session.ssl is not None
        return _say(server, answer)

    def take(self, to: str, envelope: Any) -> None:
        self.froms.append(envelope.mail_from)
        self.tos.append(to)
        self.mails.append(message_from_bytes(envelope.content, policy=policy.default))


def _say(server: Any, answer: str) -> str:
    if HANG_UP in answer:
        server.transport.abort()
    return answer


@contextmanager
def running(server: MailServer, **options: Any) -> Iterator[MailServer]:
    """Run `server`, on the port it had before if it had one."""
    options.setdefault("enable_SMTPUTF8", False)
    server.port = server.port or free_port(server.host)
    controller = Controller(server, hostname=server.host.strip("[]"), port=server.port, **options)
    controller.start()
    server.greetings = 0
    try:
        yield server
    finally:
        controller.stop()


def free_port(host: str = "127.0.0.1") -> int:
    """A port that nobody listens on."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.create_server((host.strip("[]"), 0), family=family) as listening:
        return int(listening.getsockname()[1])


def part(mail: EmailMessage, kind: str) -> str:
    """The text of a mail's `plain` or `html` part."""
    body = mail.get_body((kind,))
    assert body is not None
    return str(body.get_content()).replace("\r\n", "\n")


def sign(database: Database, *emails: str) -> None:
    """Sign the letter of the fixture once with each address, under a name made of it."""
    with database.writing() as session:
        letter = letters.by_slug(session, "library")
        for email in emails:
            signatures.sign(session, KEYS, letter, submission(email.partition("@")[0].title(), email))
        session.commit()


def change(database: Database, act: Callable[[Session, Signature], object]) -> None:
    """Let something be done to Dana's first signature."""
    with database.writing() as session:
        act(session, session.scalars(select(Signature).where(Signature.name == "Dana").limit(1)).one())
        session.commit()


def rows(database: Database) -> list[Outbox]:
    with database.reading() as session:
        return list(session.scalars(select(Outbox).order_by(Outbox.id)))


def states(database: Database) -> list[str]:
    return [row.state.value for row in rows(database)]


def supporters(count: int) -> list[str]:
    return [f"supporter{n}@example.org" for n in range(count)]
