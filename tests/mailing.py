"""What tests of mails share: a fixed noon, a mail server, a worker beside it, and samples of what a mail is about."""

import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest
import time_machine
from sqlalchemy import select
from sqlalchemy.orm import Session

from letter import clock, outbox, settling, signatures, tokens
from letter.config import Settings
from letter.db import Database
from letter.links import Links
from letter.mail import messages
from letter.mail.messages import Sender
from letter.mail.worker import Worker
from letter.models import Display, Letter, Moderation, Outbox, Post, Signature, State
from letter.outbox import Claim, Mail
from letter.sealing import Keys, unseal
from letter.settling import Due, Facts
from letter.tokens import Purpose
from tests.conftest import KEYS, submission
from tests.mail_server import MailServer, part, running

NOON = datetime(2026, 7, 8, 12, 0, tzinfo=UTC)
DANA, ELI = "dana@example.org", "eli@example.org"
SENDER = Sender("Open letters <letters@letter.example>", "letters@letter.example")
SAMPLE_KEYS = Keys(b"Z29sZGVuLi4uLi4uLi4uLi4uLi4uLi4uLi4uLi4uLi4=", b"", b"")
LINKS = Links(Settings(instance=Path(), keys=SAMPLE_KEYS, base_url="http://letter.example"))
ARABIC: dict[str, Any] = {"title": "افتحوا المكتبة", "name": "ليلى منصور", "affiliation": "معلمة", "language": "ar"}


@pytest.fixture
def noon() -> Iterator[time_machine.Traveller]:
    """The clock stands still at noon until a test moves it."""
    with time_machine.travel(NOON, tick=False) as traveller:
        yield traveller


@pytest.fixture
def server() -> Iterator[MailServer]:
    with running(MailServer()) as server:
        yield server


@pytest.fixture
def worker(database: Database, settings: Settings, server: MailServer) -> Iterator[Worker]:
    """A worker with one connection, so that mails go in order."""
    worker = Worker(database, replace(settings, smtp_url=server.url, smtp_connections=1))
    yield worker
    worker.close()


def link(mail: EmailMessage, purpose: Purpose) -> str:
    """The id that the mail's link for `purpose` names."""
    found = re.search(rf"^http://letter\.example/{purpose}/(\S+)$", part(mail, "plain"), re.MULTILINE)
    assert found
    return tokens.read(KEYS.secret, purpose, found[1])


def settle_all(session: Session, most: int = 50) -> list[Due]:
    """Claim what is due and decide about it, as a worker does; return what is sent."""
    claim = outbox.claim(session, most)
    dues = [(due, unseal(KEYS, due.to_sealed)) for due in settling.load(session, claim)]
    kept = settling.settle(session, KEYS, claim.lease, dues)
    session.expire_all()
    return [due for due, _ in kept]


def settle(session: Session, row: Outbox) -> bool:
    """Decide about one mail, as the worker that holds it does; tell whether it is sent."""
    row.state, row.lease = Post.LEASED, "ours"
    session.flush()
    dues = settling.load(session, Claim("ours", [row.id], clock.now() + outbox.LEASE))
    kept = settling.settle(session, KEYS, "ours", [(due, unseal(KEYS, due.to_sealed)) for due in dues])
    session.expire_all()
    return bool(kept)


def sign(session: Session, letter: Letter, email: str = DANA) -> Outbox:
    """Sign, and return the mail that is due."""
    signature = signatures.sign(session, KEYS, letter, submission(email=email))
    return session.scalars(select(Outbox).where(Outbox.signature_id == signature.id)).one()


def signed(row: Outbox) -> Signature:
    """The signature that a mail is about."""
    assert row.signature is not None
    return row.signature


def sample(**different: Any) -> Facts:
    """A signature that a mail is about."""
    language = different.get("language", "en")
    facts: dict[str, Any] = {
        "signature_id": 1,
        "uid": "the-signatures-uid-000",
        "name": "Dana Ivers",
        "affiliation": "Nurse, St Mary’s",
        "display": Display.PUBLIC,
        "state": State.PENDING,
        "expires_at": NOON + timedelta(days=7),
        "email_key": b"",
        "letter_id": 1,
        "letter_uid": "the-letters-uid",
        "slug": "library",
        "default_language": language,
        "moderation": Moderation.BEFORE,
        "title": "Open the library",
        "language": language,
    }
    return Facts(**{**facts, **different})


def raw(kind: Mail, facts: Facts, to: str = DANA) -> bytes:
    """A mail as it goes over the wire."""
    message = messages.build(LINKS, kind, facts)
    return messages.as_bytes(message, sender=SENDER, to=to, message_id="the-message-id", date=NOON)


def email(kind: Mail, facts: Facts, to: str = DANA) -> EmailMessage:
    """A mail as a reader's program parses it."""
    return message_from_bytes(raw(kind, facts, to), policy=policy.default)
