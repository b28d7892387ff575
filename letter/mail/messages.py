"""The mails' text: pure builders, from what is known of a signature to a finished mail.

A worker builds thousands a minute. So each template is rendered once for every sort of signature, with a slot in place
of each name, link and date; a mail is that mould with its slots filled, and goes out as bytes.
"""

import binascii
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from email.headerregistry import Address
from email.policy import SMTP
from email.utils import format_datetime, parseaddr
from functools import lru_cache
from types import SimpleNamespace

from email_validator import validate_email
from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape
from markupsafe import escape

from letter.config import BadSetting, Settings, shipped
from letter.links import Links
from letter.models import Display, Moderation, State
from letter.names import is_right_to_left
from letter.outbox import Mail
from letter.settling import Facts
from letter.signing import LINK_DAYS
from letter.text import clean

LANGUAGE = "en"
OPEN, SHUT = "\ue000", "\ue001"  # around a slot's name; no name or title can get in here, since they fill the slots
SLOT = re.compile(f"{OPEN}(.*?){SHUT}")
OF_ITS_OWN = ":direction"
PLAIN = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*@[A-Za-z0-9.-]+")
PART = b'--%b\r\nContent-Type: text/%b; charset="utf-8"\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n%b\r\n'


@dataclass(frozen=True)
class Message:
    """What a mail says, without whom it goes to."""

    subject: str
    text: str
    html: str
    language: str = LANGUAGE


@dataclass(frozen=True)
class Sender:
    """Who our mails are from: as a reader sees it, and as servers do."""

    shown: str
    address: str

    @property
    def domain(self) -> str:
        """The part after the @, in ASCII."""
        return self.address.rpartition("@")[2]

    def __str__(self) -> str:
        return self.shown


@lru_cache(maxsize=256)
def _day(minute: datetime) -> str:
    return f"{minute.day} {minute:%B %Y, %H:%M} UTC"


def _direction(line: str) -> str:
    return "rtl" if is_right_to_left(line) else "ltr"


# What goes into each slot.
FILLINGS: dict[str, Callable[[Links, Facts], str]] = {
    "name": lambda links, facts: facts.name,
    "name:direction": lambda links, facts: _direction(facts.name),
    "affiliation": lambda links, facts: facts.affiliation,
    "affiliation:direction": lambda links, facts: _direction(facts.affiliation),
    "title": lambda links, facts: facts.title,
    "title:direction": lambda links, facts: _direction(facts.title),
    "language": lambda links, facts: facts.language,
    "expires": lambda links, facts: _day(facts.expires_at.replace(second=0, microsecond=0)) if facts.expires_at else "",
    "letter": lambda links, facts: links.letter(
        facts.slug, None if facts.language == facts.default_language else facts.language
    ),
    "confirm": lambda links, facts: links.confirm(facts.uid),
    "mine": lambda links, facts: links.mine(facts.uid),
    "not_me": lambda links, facts: links.not_me(facts.uid),
}


class Mould:
    """A rendered template whose slots are still empty."""

    def __init__(self, text: str) -> None:
        self._pieces = SLOT.split(text.strip() + "\n")
        self.slots = self._pieces[1::2]

    def fill(self, values: dict[str, str]) -> str:
        """Return the text with `values` in its slots."""
        pieces = self._pieces.copy()
        pieces[1::2] = [values[slot] for slot in self.slots]
        return "".join(pieces)


@lru_cache(maxsize=1)
def _templates() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(shipped("templates") / "mail"),
        autoescape=select_autoescape(enabled_extensions=("html",), default=False),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["day"] = str
    environment.filters["direction"] = lambda slot: slot.replace(SHUT, OF_ITS_OWN + SHUT)
    return environment


def _slot(name: str) -> str:
    return f"{OPEN}{name}{SHUT}"


def _link(name: str) -> Callable[[str], str]:
    return lambda uid: _slot(name)


@lru_cache(maxsize=1024)
def _moulds(
    kind: Mail, display: Display, state: State, moderation: Moderation, has_affiliation: bool
) -> tuple[Mould, Mould, Mould]:
    """Return subject, text and HTML of one kind of mail about one sort of signature."""
    signature = SimpleNamespace(
        uid="",
        name=_slot("name"),
        affiliation=_slot("affiliation") if has_affiliation else "",
        display=display,
        state=state,
        expires_at=_slot("expires"),
        text=SimpleNamespace(language=_slot("language")),
        letter=SimpleNamespace(moderation=moderation),
    )
    facts = {
        "links": SimpleNamespace(**{name: _link(name) for name in ("confirm", "mine", "not_me")}),
        "signature": signature,
        "title": _slot("title"),
        "letter": _slot("letter"),
        "language": LANGUAGE,
        "days": LINK_DAYS,
        "subject": _slot("subject"),
    }
    files = (f"{kind}/subject.txt", f"{kind}/body.txt", f"{kind}/body.html")
    subject, text, html = (Mould(_templates().get_template(file).render(facts)) for file in files)
    return subject, text, html


def build(links: Links, kind: Mail, facts: Facts) -> Message:
    """Return the mail of one `kind` about a signature."""
    moulds = _moulds(kind, facts.display, facts.state, facts.moderation, bool(facts.affiliation))
    wanted = {slot for mould in moulds for slot in mould.slots} - {"subject"}
    values = {slot: FILLINGS[slot](links, facts) for slot in wanted}
    values["subject"] = _subject(moulds[0].fill(values))
    escaped = {slot: str(escape(value)) for slot, value in values.items()}
    return Message(values["subject"], moulds[1].fill(values), moulds[2].fill(escaped))


@lru_cache(maxsize=256)
def _subject(line: str) -> str:
    # A title may look like an encoded word (RFC 2047), which the email package would decode, line ends included.
    return clean(line).replace("=?", "= ?")


def sender(settings: Settings) -> Sender:
    """Return who our mails are from. Raise BadSetting if LETTER_MAIL_FROM holds no address, or one beyond ASCII."""
    name, address = parseaddr(settings.mail_from)
    try:
        local, _, domain = _in_ascii(address).rpartition("@")
        found = Address(display_name=name, username=local, domain=domain)
        return Sender(str(found), found.addr_spec)
    except ValueError:
        raise BadSetting("LETTER_MAIL_FROM must be an address such as Letter <letter@example.org>.") from None


def _in_ascii(address: str) -> str:
    """Return `address` with its domain as IDNA writes it (RFC 5891). Raise ValueError if it is no address."""
    if not all(address.rpartition("@")):
        raise ValueError("no address")
    if address.isascii():
        return address
    found = validate_email(address, check_deliverability=False, allow_smtputf8=False)
    return found.ascii_email or found.normalized


def as_bytes(message: Message, *, sender: Sender, to: str, message_id: str, date: datetime) -> bytes:
    """Return `message` ready to be sent; the same arguments give the same bytes, so that a second copy shows as one.

    All of it is ASCII, in lines of at most 998 (RFC 5322). Raise ValueError if `to` is no address that can be sent to.
    """
    if not PLAIN.fullmatch(to):
        raise ValueError("no address")
    boundary = b"=_" + message_id.encode("ascii")
    return b"".join(
        (
            _header("From", sender.shown),
            b"To: " + to.encode("ascii") + b"\r\n",
            _header("Subject", message.subject),
            f"Date: {format_datetime(date)}\r\nMessage-ID: <{message_id}@{sender.domain}>\r\n".encode("ascii"),
            b"Auto-Submitted: auto-generated\r\n",  # RFC 3834: no holiday notes in answer
            b'MIME-Version: 1.0\r\nContent-Type: multipart/alternative; boundary="%b"\r\n' % boundary,
            f"Content-Language: {message.language}\r\n\r\n".encode("ascii"),
            PART % (boundary, b"plain", _quoted(message.text)),
            PART % (boundary, b"html", _quoted(message.html)),
            b"--%b--\r\n" % boundary,
        )
    )


@lru_cache(maxsize=256)
def _header(name: str, value: str) -> bytes:
    made: bytes = SMTP.fold_binary(name, SMTP.header_factory(name, value))
    return made


def _quoted(text: str) -> bytes:
    """Return `text` as quoted-printable (RFC 2045) with the line ends of mail."""
    lines = text.replace("\r", " ").encode().replace(b"\n", b"\r\n")
    return binascii.b2a_qp(lines, istext=True)
