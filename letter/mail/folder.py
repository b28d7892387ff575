"""A folder of .eml files in place of a mail server: for the demonstration, and for programs that fetch them there."""

import os
import re
import tempfile
from datetime import UTC
from email.message import EmailMessage
from email.policy import SMTP
from pathlib import Path

from letter.mail import Unreachable


class Folder:
    """A folder that holds each mail as one file, named by its date and Message-ID."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def send(self, message: EmailMessage, to: str) -> None:
        """Write `message`, readable by this user alone; one that is there already stays as it is. Raise Unreachable."""
        name = _name(message)
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            if not (self._folder / name).exists():
                self._write(name, message.as_bytes(policy=SMTP.clone(utf8=not to.isascii())))
        except OSError as error:
            raise Unreachable(type(error).__name__) from None

    def _write(self, name: str, data: bytes) -> None:
        handle, draft = tempfile.mkstemp(prefix=".", dir=self._folder)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(handle)
            Path(draft).replace(self._folder / name)
        except BaseException:
            Path(draft).unlink(missing_ok=True)
            raise
        _sync(self._folder)


def _name(message: EmailMessage) -> str:
    sent = message["Date"].datetime.astimezone(UTC)
    local_part = str(message["Message-ID"]).strip("<>").rpartition("@")[0]
    return f"{sent:%Y%m%dT%H%M%SZ}-{re.sub(r'[^A-Za-z0-9_-]', '_', local_part)}.eml"


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
