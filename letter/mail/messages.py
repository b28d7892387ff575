"""The mails' text: pure builders, from a signature to a finished message."""

from dataclasses import dataclass
from datetime import datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import parseaddr
from functools import lru_cache

from email_validator import validate_email
from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

from letter.config import BadSetting, Settings, shipped
from letter.links import Links
from letter.models import Signature
from letter.names import is_right_to_left
from letter.outbox import Mail
from letter.signing import LINK_DAYS
from letter.text import clean

LANGUAGE = "en"


@dataclass(frozen=True)
class Message:
    """What a mail says, without whom it goes to."""

    subject: str
    text: str
    html: str
    language: str = LANGUAGE


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
    environment.filters["day"] = _day
    environment.filters["direction"] = _direction
    return environment


def _day(moment: datetime) -> str:
    return f"{moment.day} {moment:%B %Y, %H:%M} UTC"


def _direction(line: str) -> str:
    return "rtl" if is_right_to_left(line) else "ltr"


def build(links: Links, kind: Mail, signature: Signature) -> Message:
    """Return the mail of one `kind` about `signature`."""
    facts = {
        "links": links,
        "signature": signature,
        "title": signature.text.title,
        "letter": _letter_link(links, signature),
        "language": LANGUAGE,
        "days": LINK_DAYS,
    }
    subject = _subject(_templates().get_template(f"{kind}/subject.txt").render(facts))
    text = _templates().get_template(f"{kind}/body.txt").render(facts)
    html = _templates().get_template(f"{kind}/body.html").render(facts, subject=subject)
    return Message(subject, text.strip() + "\n", html.strip() + "\n")


def _letter_link(links: Links, signature: Signature) -> str:
    letter, language = signature.letter, signature.text.language
    return links.letter(letter.slug, None if language == letter.default_language else language)


def _subject(line: str) -> str:
    # A title may look like an encoded word (RFC 2047), which the email package would decode, line ends included.
    return clean(line).replace("=?", "= ?")


def sender(settings: Settings) -> Address:
    """Return who our mails are from. Raise BadSetting if LETTER_MAIL_FROM holds no address, or one beyond ASCII."""
    name, address = parseaddr(settings.mail_from)
    try:
        found = _address(routable(address), name)
        found.addr_spec.encode("ascii")
    except ValueError:
        raise BadSetting("LETTER_MAIL_FROM must be an address such as Letter <letter@example.org>.") from None
    return found


def routable(address: str) -> str:
    """Return `address` in ASCII if only its domain is not (RFC 5891). Raise ValueError if it is no address."""
    if not all(address.rpartition("@")):
        raise ValueError("no address")
    if address.isascii():
        return address
    found = validate_email(address, check_deliverability=False)
    return found.ascii_email or found.normalized


def _address(address: str, name: str = "") -> Address:
    # Not by `addr_spec`: that refuses letters beyond ASCII, which SMTPUTF8 allows.
    local, _, domain = address.rpartition("@")
    return Address(display_name=name, username=local, domain=domain)


def as_email(message: Message, *, sender: Address, to: str, message_id: str, date: datetime) -> EmailMessage:
    """Return `message` ready to be sent; the same arguments give the same bytes, so that a second copy shows as one.

    `to` is routable; one with letters beyond ASCII before the @ makes a mail that needs SMTPUTF8 (RFC 6531).
    """
    email = EmailMessage(policy=SMTP.clone(utf8=not to.isascii()))
    email["From"] = sender
    email["To"] = _address(to)
    email["Subject"] = message.subject
    email["Date"] = date
    email["Message-ID"] = f"<{message_id}@{sender.domain}>"
    email["Auto-Submitted"] = "auto-generated"  # RFC 3834: no holiday notes in answer
    email.set_content(message.text, cte="quoted-printable")
    email.add_alternative(message.html, subtype="html", cte="quoted-printable")
    email.set_boundary(f"=_{message_id}")
    email["Content-Language"] = message.language  # last, or it would go to one of the parts
    return email
