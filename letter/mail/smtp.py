"""The mails' way out: through a mail server, or into a folder of .eml files."""

import ipaddress
import re
import smtplib
import socket
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from email.message import EmailMessage
from email.policy import SMTP
from enum import StrEnum
from pathlib import Path
from urllib.parse import SplitResult, parse_qs, unquote, urlsplit

from letter.config import LOOPBACK, BadSetting, Settings
from letter.mail import Refused, Transport, Unreachable
from letter.mail.folder import Folder

TIMEOUT = 30  # seconds for each step
BAD_URL = "LETTER_SMTP_URL must be like smtp://user:password@host:587, smtps://host or file:///folder{}."
NOT_SIGNED_IN = (530, 534, 535, 538)  # RFC 4954, section 6: this is about us, not about the mail
ENHANCED = re.compile(rb"[245]\.\d{1,3}\.\d{1,3}\b")  # RFC 3463
Reply = tuple[int, bytes]


class Tls(StrEnum):
    """When a connection is encrypted. Only what is offered goes without a check of the server's certificate."""

    AT_ONCE = "at once"
    REQUIRED = "required"
    OFFERED = "offered"
    NEVER = "none"


@dataclass(frozen=True)
class Server:
    """A mail server and how to talk to it."""

    host: str
    port: int
    tls: Tls
    user: str = ""
    password: str = field(default="", repr=False)
    we_are: str = "localhost"


def check(settings: Settings) -> None:
    """Raise BadSetting if LETTER_SMTP_URL cannot be used. Nothing is connected."""
    _read(settings)


@contextmanager
def open_transport(settings: Settings) -> Iterator[Transport]:
    """Give the transport that LETTER_SMTP_URL names, connected. Raise Unreachable, or BadSetting."""
    way = _read(settings)
    if isinstance(way, Path):
        yield Folder(way)
        return
    transport = Smtp(way)
    try:
        transport.connect()
        yield transport
    finally:
        transport.close()


def _read(settings: Settings) -> Server | Path:
    try:
        parts = urlsplit(settings.smtp_url)
        if parts.scheme == "file":
            return _folder(parts)
        return _server(parts, urlsplit(settings.base_url).hostname or "localhost")
    except (ValueError, KeyError):
        # The setting holds a password, so it is not repeated here.
        raise BadSetting(BAD_URL.format("; tls=required and tls=none are the only options")) from None


def _folder(parts: SplitResult) -> Path:
    folder = Path(unquote(parts.path))
    if parts.netloc or parts.query or parts.fragment or not folder.is_absolute():
        raise ValueError
    return folder


def _server(parts: SplitResult, own_host: str) -> Server:
    options = parse_qs(parts.query, strict_parsing=True) if parts.query else {}
    if not parts.hostname or parts.path.strip("/") or parts.fragment or set(options) - {"tls"}:
        raise ValueError
    tls = _tls(parts, options.get("tls", [""])[-1])
    usual = 465 if tls is Tls.AT_ONCE else 587 if parts.username else 25
    user, password = unquote(parts.username or ""), unquote(parts.password or "")
    return Server(parts.hostname, parts.port or usual, tls, user, password, _greeting(own_host))


def _tls(parts: SplitResult, asked: str) -> Tls:
    if parts.scheme == "smtps":
        return {"": Tls.AT_ONCE, "required": Tls.AT_ONCE}[asked]
    is_secret = bool(parts.username) and parts.hostname not in LOOPBACK
    unsaid = Tls.REQUIRED if is_secret else Tls.OFFERED
    return {"": unsaid, "required": Tls.REQUIRED, "none": Tls.NEVER}[asked]


def _greeting(host: str) -> str:
    """Return how we name ourselves: a host's name, or its number as a literal (RFC 5321, section 4.1.3)."""
    try:
        ip = ipaddress.ip_address(host)
    except ValueError:
        return host.encode("idna").decode()
    return f"[IPv6:{ip}]" if ip.version == 6 else f"[{ip}]"


class Smtp:
    """One connection for many mails, opened again when the server hangs up between two of them."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._smtp: smtplib.SMTP | None = None

    def connect(self) -> smtplib.SMTP:
        """Connect, encrypt and log in. Raise Unreachable."""
        with _breaking(self.hang_up):
            self._smtp = smtp = _dial(self._server)
            _prepare(smtp, self._server)
            return smtp

    def send(self, message: EmailMessage, to: str) -> None:
        """Hand `message` over for `to`. Raise Refused or Unreachable."""
        sender = str(message["From"].addresses[0].addr_spec)
        is_utf8 = not (sender + to).isascii()
        data = message.as_bytes(policy=SMTP.clone(utf8=is_utf8))
        smtp = self._ready()
        if is_utf8 and not smtp.has_extn("smtputf8"):
            raise Refused("no SMTPUTF8", for_good=True)
        with _breaking(self.hang_up):
            _demand(smtp.mail(sender, ("SMTPUTF8", "BODY=8BITMIME") if is_utf8 else ()), is_about_us=not is_utf8)
            _demand(smtp.rcpt(to))
            _demand(_data(smtp, data))

    def _ready(self) -> smtplib.SMTP:
        """Return the connection with no mail begun; a new one if this one is gone."""
        with suppress(OSError):
            if self._smtp and self._smtp.sock and self._smtp.rset()[0] == 250:
                return self._smtp
        self.hang_up()
        return self.connect()

    def hang_up(self) -> None:
        """Close the connection without a word, since its state is not known."""
        if self._smtp:
            self._smtp.close()
        self._smtp = None

    def close(self) -> None:
        """Take leave."""
        with suppress(OSError):
            if self._smtp and self._smtp.sock:
                self._smtp.quit()
        self.hang_up()


@contextmanager
def _breaking(hang_up: Callable[[], None]) -> Iterator[None]:
    try:
        yield
    except Refused:
        raise
    except Unreachable:
        hang_up()
        raise
    except (OSError, UnicodeError) as error:  # smtplib's own errors are OSErrors
        hang_up()
        raise Unreachable(_why(error)) from None


def _why(error: Exception) -> str:
    if isinstance(error, smtplib.SMTPResponseException):
        said = error.smtp_error
        return _words((error.smtp_code, said if isinstance(said, bytes) else said.encode()))
    return "no such host" if isinstance(error, socket.gaierror) else type(error).__name__


def _dial(server: Server) -> smtplib.SMTP:
    if server.tls is Tls.AT_ONCE:
        return smtplib.SMTP_SSL(
            server.host, server.port, server.we_are, timeout=TIMEOUT, context=ssl.create_default_context()
        )
    return smtplib.SMTP(server.host, server.port, server.we_are, timeout=TIMEOUT)


def _prepare(smtp: smtplib.SMTP, server: Server) -> None:
    smtp.ehlo_or_helo_if_needed()
    if server.tls is Tls.REQUIRED or (server.tls is Tls.OFFERED and smtp.has_extn("starttls")):
        smtp.starttls(context=_context(server.tls))
        smtp.ehlo_or_helo_if_needed()
    if server.user:
        smtp.login(server.user, server.password)


def _context(tls: Tls) -> ssl.SSLContext:
    context = ssl.create_default_context()
    if tls is Tls.OFFERED:  # anybody in between could as well not offer it (RFC 7435)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def _data(smtp: smtplib.SMTP, data: bytes) -> Reply:
    try:
        return smtp.data(data)
    except smtplib.SMTPDataError as error:
        said = error.smtp_error
        return error.smtp_code, said if isinstance(said, bytes) else said.encode()


def _demand(reply: Reply, *, is_about_us: bool = False) -> None:
    """Raise Refused for a no to this mail, and Unreachable for one to all of ours, unless the server said yes."""
    code = reply[0]
    if 200 <= code < 300:
        return
    if is_about_us or code == 421 or code in NOT_SIGNED_IN or not 400 <= code < 600:
        raise Unreachable(_words(reply))
    raise Refused(_words(reply), for_good=code >= 500)


def _words(reply: Reply) -> str:
    enhanced = ENHANCED.match(reply[1])
    return f"{reply[0]} {enhanced[0].decode()}" if enhanced else str(reply[0])
