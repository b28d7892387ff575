"""Where mails come back to: a Maildir folder, or a folder on an IMAP server (RFC 3501)."""

import imaplib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol
from urllib.parse import unquote, urlsplit

from letter.config import BadSetting, Settings
from letter.mail.bounces import LONGEST

MOST = 500  # mails in one round
TIMEOUT = 30  # seconds for each step
SEEN = ":2,S"
BAD_URL = "LETTER_BOUNCES must be like maildir:///folder or imaps://user:password@host/folder."


class Mailbox(Protocol):
    """Mails that wait to be read."""

    def unread(self) -> Iterator[tuple[str, bytes]]:
        """Give each mail with what it is called here; up to `MOST`, and of each the first `LONGEST` bytes."""

    def remove(self, name: str) -> None:
        """Delete a mail: it was read, and it holds an address."""

    def keep(self, name: str) -> None:
        """Leave a mail for people to read, and do not give it again."""


class Maildir:
    """A folder in which each mail is a file."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def unread(self) -> Iterator[tuple[str, bytes]]:
        """Give what is new, and what was seen by no one."""
        found = [*(self._folder / "new").iterdir(), *(self._folder / "cur").iterdir()]
        fresh = [file for file in found if "S" not in file.name.partition(":2,")[2] and file.is_file()]
        for file in sorted(fresh, key=lambda file: file.name)[:MOST]:
            with suppress(FileNotFoundError), file.open("rb") as opened:
                yield str(file.relative_to(self._folder)), opened.read(LONGEST)

    def remove(self, name: str) -> None:
        """Delete the file."""
        (self._folder / name).unlink(missing_ok=True)

    def keep(self, name: str) -> None:
        """Move the file to where read mails are."""
        file = self._folder / name
        with suppress(FileNotFoundError):
            file.rename(self._folder / "cur" / (file.name.partition(":2,")[0] + SEEN))


@dataclass(frozen=True)
class Account:
    """A folder on a mail server."""

    host: str
    port: int
    user: str
    password: str = field(repr=False)
    folder: str = "INBOX"


class Imap:
    """An open folder on a mail server."""

    def __init__(self, server: imaplib.IMAP4) -> None:
        self._server = server

    def unread(self) -> Iterator[tuple[str, bytes]]:
        """Give what is unseen."""
        _, (found, *_) = self._server.uid("SEARCH", "UNSEEN")
        for number in (found or b"").split()[:MOST]:
            _, parts = self._server.uid("FETCH", number.decode(), f"(BODY.PEEK[]<0.{LONGEST}>)")
            for part in parts:
                if isinstance(part, tuple):
                    yield number.decode(), part[1]

    def remove(self, name: str) -> None:
        """Mark the mail as deleted; it is gone when the folder is closed."""
        self._server.uid("STORE", name, "+FLAGS", r"(\Deleted)")

    def keep(self, name: str) -> None:
        """Mark the mail as seen."""
        self._server.uid("STORE", name, "+FLAGS", r"(\Seen)")


@contextmanager
def opened(settings: Settings) -> Iterator[Mailbox]:
    """Give the mailbox that LETTER_BOUNCES names. Raise OSError or imaplib.IMAP4.error if it cannot be read."""
    place = read(settings)
    if isinstance(place, Path):
        yield Maildir(place)
        return
    with imaplib.IMAP4_SSL(place.host, place.port, timeout=TIMEOUT) as server:
        server.login(place.user, place.password)
        answer, _ = server.select(f'"{place.folder}"')
        if answer != "OK":
            raise imaplib.IMAP4.error("no such folder")
        yield Imap(server)
        server.close()


def read(settings: Settings) -> Path | Account:
    """Return the place that LETTER_BOUNCES names. Raise BadSetting, without repeating the password in it."""
    try:
        parts = urlsplit(settings.bounces)
        path = unquote(parts.path)
        if parts.scheme == "maildir" and not parts.netloc and Path(path).is_absolute():
            return Path(path)
        if parts.scheme == "imaps" and parts.hostname and parts.username and parts.password and '"' not in path:
            user, password = unquote(parts.username), unquote(parts.password)
            return Account(parts.hostname, parts.port or 993, user, password, path.strip("/") or "INBOX")
    except ValueError:
        pass
    raise BadSetting(BAD_URL)
