"""The mails' way out: through a mail server, or into a folder of .eml files."""

import ipaddress
import smtplib
import ssl
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from urllib.parse import SplitResult, parse_qs, unquote, urlsplit

from letter.config import LOOPBACK, BadSetting, Settings
from letter.mail import Envelope, Refused, Transport, Unreachable
from letter.mail.dialogue import Dialogue, why
from letter.mail.folder import Folder

TIMEOUT = 30  # seconds for each step
BAD_URL = "LETTER_SMTP_URL must be like smtp://user:password@host:587, smtps://host or file:///folder{}."


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
        self._dialogue: Dialogue | None = None

    def open(self) -> None:
        """Connect, encrypt and log in, unless that is done and the server still answers. Raise Unreachable."""
        with suppress(OSError):
            if self._smtp and self._smtp.sock and self._smtp.rset()[0] == 250:
                return
        self.hang_up()
        try:
            self._smtp = _dial(self._server)
            _prepare(self._smtp, self._server)
            self._dialogue = Dialogue(self._smtp, TIMEOUT)
        except (OSError, UnicodeError) as error:  # smtplib's own errors are OSErrors
            self.hang_up()
            raise Unreachable(why(error)) from None

    def deliver(self, envelopes: Iterator[Envelope]) -> Iterator[tuple[Envelope, Refused | None]]:
        """Hand the mails over. Raise Unreachable."""
        if self._dialogue is None:
            self.open()
        assert self._dialogue  # noqa: S101 - for the type checker; `open` made it
        try:
            yield from self._dialogue.deliver(envelopes)
        except BaseException:
            self.hang_up()  # its state is not known
            raise

    def hang_up(self) -> None:
        """Close the connection without a word."""
        if self._smtp:
            self._smtp.close()
        self._smtp = self._dialogue = None

    def close(self) -> None:
        """Take leave."""
        with suppress(OSError):
            if self._smtp and self._smtp.sock:
                self._smtp.quit()
        self.hang_up()


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


def transport(settings: Settings) -> Transport:
    """Return the way out that LETTER_SMTP_URL names. Raise BadSetting."""
    way = _read(settings)
    return Folder(way) if isinstance(way, Path) else Smtp(way)
