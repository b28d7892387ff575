"""What is said on an SMTP connection to hand mails over (RFC 5321), in groups where the server takes them (RFC 2920).

In a group, a mail's text travels with the next mail's envelope, so that each mail costs one wait for the server.
"""

import re
import smtplib
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import suppress

from letter.mail import Envelope, Refused, Unreachable

Reply = tuple[int, bytes]
NOT_SIGNED_IN = (530, 534, 535, 538)  # RFC 4954, section 6: this is about us, not about the mail
ENHANCED = re.compile(rb"[245]\.\d{1,3}\.\d{1,3}\b")  # RFC 3463
ABOUT_RATE = re.compile(rb"\brate\b|rate.?limit|throttl|too (?:many|fast|much)|4\.4\.5\b|4\.7\.28\b", re.IGNORECASE)
# A mailbox or a disk that is full now (RFC 3463, X.2.2 and X.3.1; RFC 5321, 4.2.3: 552) may have room tomorrow.
FULL = (b"5.2.2", b"5.3.1")
LONGEST_LINE, MOST_LINES = 64 * 1024, 100


class Dialogue:
    """A connection that is ready for mails."""

    def __init__(self, smtp: smtplib.SMTP, timeout: float) -> None:
        """`timeout` is how many seconds each answer may take, however slowly it drips in."""
        if smtp.sock is None:
            raise smtplib.SMTPServerDisconnected("no connection")
        self._socket: socket.socket = smtp.sock
        self._timeout = timeout
        self._in_groups = smtp.has_extn("pipelining")
        self._unread = b""

    def deliver(self, envelopes: Iterator[Envelope]) -> Iterator[tuple[Envelope, Refused | None]]:
        """Hand over one mail after the other, and give what became of each. Raise Unreachable."""
        is_clean, now = True, next(envelopes, None)
        is_announced = False
        while now is not None:
            following, refusal = None, None
            try:
                if not is_announced:
                    self._begin(now, is_clean)
                self._expect_go(now)
                is_clean = True
                following = next(envelopes, None) if self._in_groups else None
                is_announced = following is not None
                self._write(_stuffed(now.content) + (_envelope(following) if following else b""))
                demand(self._reply())
            except Refused as error:
                refusal = error
                if not is_announced or following is None:
                    is_clean, is_announced = False, False
            except Unreachable as error:
                raise Unreachable(str(error), now) from None
            except (OSError, UnicodeError) as error:
                raise Unreachable(why(error), now) from None
            yield now, refusal
            now = following or next(envelopes, None)

    def _begin(self, envelope: Envelope, is_clean: bool) -> None:
        if not is_clean:
            self._write(b"RSET\r\n")
            demand(self._reply(), is_about_us=True)
        if self._in_groups:
            self._write(_envelope(envelope))

    def _expect_go(self, envelope: Envelope) -> None:
        """Read the answers to an envelope up to the server's word to go on. Raise Refused or Unreachable."""
        sender, recipient, data = (self._answer(line) for line in _commands(envelope))
        demand(sender(), is_about_us=True)
        try:
            demand(recipient())
        except Refused:
            with suppress(OSError):  # a server that hangs up now has said no all the same
                if self._in_groups and data()[0] == 354:  # RFC 2920, section 3.1: end the text that nobody gets
                    self._write(b".\r\n")
                    self._reply()
            raise
        code, said = data()
        if code != 354:
            demand((code, said) if code >= 400 else (421, b""))

    def _answer(self, line: bytes) -> Callable[[], Reply]:
        def ask() -> Reply:
            if not self._in_groups:
                self._write(line)
            return self._reply()

        return ask

    def _write(self, data: bytes) -> None:
        self._socket.settimeout(self._timeout)
        self._socket.sendall(data)

    def _reply(self) -> Reply:
        deadline = time.monotonic() + self._timeout
        lines: list[bytes] = []
        while len(lines) < MOST_LINES:
            line = self._line(deadline)
            lines.append(line[4:])
            if not line[:3].isdigit():
                break
            if line[3:4] != b"-":
                return int(line[:3]), b"\n".join(lines)
        raise Unreachable("no SMTP")

    def _line(self, deadline: float) -> bytes:
        while b"\n" not in self._unread:
            self._socket.settimeout(max(deadline - time.monotonic(), 0.001))
            data = self._socket.recv(LONGEST_LINE)
            if not data:
                raise smtplib.SMTPServerDisconnected("hung up")
            self._unread += data
            if len(self._unread) > LONGEST_LINE:
                raise Unreachable("no SMTP")
        line, _, self._unread = self._unread.partition(b"\n")
        return line.rstrip(b"\r")


def _commands(envelope: Envelope) -> tuple[bytes, bytes, bytes]:
    addresses = envelope.sender.encode("ascii"), envelope.to.encode("ascii")
    return b"MAIL FROM:<%b>\r\n" % addresses[0], b"RCPT TO:<%b>\r\n" % addresses[1], b"DATA\r\n"


def _envelope(envelope: Envelope) -> bytes:
    return b"".join(_commands(envelope))


def _stuffed(content: bytes) -> bytes:
    """Return the text as it travels: a dot more before each leading one, and a dot alone at its end."""
    return content.replace(b"\r\n.", b"\r\n..") + b".\r\n"


def demand(reply: Reply, *, is_about_us: bool = False) -> None:
    """Raise Refused for a no to this mail, and Unreachable for one to all of ours, unless the server said yes."""
    code, said = reply
    if 200 <= code < 300:
        return
    if is_about_us or code == 421 or code in NOT_SIGNED_IN or not 400 <= code < 600:
        raise Unreachable(_words(reply))
    found = ENHANCED.match(said)
    is_full = found[0] in FULL if found else code == 552
    is_about_rate = code < 500 and ABOUT_RATE.search(said) is not None
    raise Refused(_words(reply), for_good=code >= 500 and not is_full, is_about_rate=is_about_rate)


def _words(reply: Reply) -> str:
    enhanced = ENHANCED.match(reply[1])
    return f"{reply[0]} {enhanced[0].decode()}" if enhanced else str(reply[0])


def why(error: Exception) -> str:
    """Return why there is no server to talk to, in codes and kinds of errors."""
    if isinstance(error, smtplib.SMTPResponseException):
        said = error.smtp_error
        return _words((error.smtp_code, said if isinstance(said, bytes) else said.encode()))
    return "no such host" if isinstance(error, socket.gaierror) else type(error).__name__
