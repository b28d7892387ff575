"""A folder of .eml files in place of a mail server: for the demonstration, and for programs that fetch them there."""

import os
import re
import tempfile
from collections.abc import Iterator
from datetime import UTC
from pathlib import Path

from letter.mail import Envelope, Refused, Unreachable


class Folder:
    """A folder that holds each mail as one file, named by its date and Message-ID."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def deliver(self, envelopes: Iterator[Envelope]) -> Iterator[tuple[Envelope, Refused | None]]:
        """Write each, readable by this user alone; one that is there already stays as it is. Raise Unreachable."""
        for envelope in envelopes:
            name = _name(envelope)
            try:
                self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
                if not (self._folder / name).exists():
                    self._write(name, envelope.content)
            except OSError as error:
                raise Unreachable(type(error).__name__, envelope) from None
            yield envelope, None

    def open(self) -> None:
        """Nothing is to be opened; a folder that cannot be written is noticed with the first mail."""

    def close(self) -> None:
        """Nothing is kept open."""

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


def _name(envelope: Envelope) -> str:
    local_part = re.sub(r"[^A-Za-z0-9_-]", "_", envelope.message_id)
    return f"{envelope.date.astimezone(UTC):%Y%m%dT%H%M%SZ}-{local_part}.eml"


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
