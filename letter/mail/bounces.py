"""What a mail that came back says (RFC 3464): whose it was, by our own token, and why, by its status code (RFC 3463).

Anybody can write to the address to which mails come back. So nothing in a report is believed, and nobody's words are
kept: only the token that we signed says which mail it is about, and only a status code says what became of it.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from email import message_from_bytes
from email.message import Message

from letter import tokens
from letter.errors import LinkInvalid
from letter.mail.providers import OTHER, of
from letter.tokens import Purpose

LONGEST = 256 * 1024  # bytes that are read of a report; what matters stands at its beginning
MOST_PARTS = 50
FOR = ("Delivered-To", "X-Original-To", "Envelope-To", "To")
STATUS = re.compile(r"\b([245]\.\d{1,3}\.\d{1,3})\b")
VAGUE = re.compile(r"[245]\.0\.0")


@dataclass(frozen=True)
class Bounce:
    """A report about one of our mails: its Message-ID, a status code such as 5.1.1, and the mailbox's provider."""

    message_id: str
    status: str
    provider: str


def sender(address: str, secret: bytes, message_id: str) -> str:
    """Return where a mail comes back to if it cannot be delivered: `bounces+TOKEN@host` (a variable return path)."""
    local, _, domain = address.rpartition("@")
    return f"{local}+{tokens.write_short(secret, Purpose.BOUNCE, message_id)}@{domain}"


def read(data: bytes, address: str, secret: bytes) -> Bounce | None:
    """Return what a report says about a mail of ours that failed; None for everything else, however it looks."""
    try:
        report = message_from_bytes(data[:LONGEST])
        message_id = _message_id(report, address, secret)
        return _failure(report, message_id) if message_id else None
    except Exception:  # strangers write these, and the parser has its limits: too deep, too strange
        return None


def is_ours(data: bytes, address: str, secret: bytes) -> bool:
    """Tell whether a mail bears a token of ours, whatever it says: then it may hold the address of a supporter."""
    try:
        return _message_id(message_from_bytes(data[:LONGEST]), address, secret) is not None
    except Exception:  # as above
        return False


def _message_id(report: Message, address: str, secret: bytes) -> str | None:
    local, _, domain = address.rpartition("@")
    ours = re.compile(rf"{re.escape(local)}\+([a-z2-7]{{20,60}})@{re.escape(domain)}", re.IGNORECASE)
    for name in FOR:
        for value in report.get_all(name, []):
            for token in ours.findall(str(value)[:1000]):
                try:
                    return tokens.read_short(secret, Purpose.BOUNCE, token)
                except LinkInvalid:
                    continue
    return None


def _failure(report: Message, message_id: str) -> Bounce | None:
    for recipient in _recipients(report):
        if str(recipient.get("Action", "")).strip().lower() != "failed":
            continue  # delayed, delivered, relayed, expanded: it is still on its way, or there
        kind, _, address = str(recipient.get("Final-Recipient", "")).partition(";")
        known = address.strip() if kind.strip().lower() == "rfc822" else ""
        return Bounce(message_id, _status(recipient), of(known) if known else OTHER)
    return None


def _recipients(report: Message) -> Iterator[Message]:
    """The blocks of a report that stand for one recipient each; the first block is about the mail as a whole."""
    for number, part in enumerate(report.walk()):
        if number > MOST_PARTS:
            return
        if part.get_content_type() in ("message/delivery-status", "message/global-delivery-status"):
            blocks = part.get_payload()
            if isinstance(blocks, list):
                yield from (block for block in blocks if isinstance(block, Message) and "Action" in block)


def _status(recipient: Message) -> str:
    """Return the status code; where it only says "failed", the one that the other server gave, if it gave one."""
    found = STATUS.search(str(recipient.get("Status", ""))[:200])
    status = found[1] if found else "5.0.0"
    if VAGUE.fullmatch(status):
        said = STATUS.search(str(recipient.get("Diagnostic-Code", ""))[:500])
        return said[1] if said else status
    return status
