"""Export formats: one file each, all with the same writer."""

from collections.abc import Iterable, Iterator
from typing import Protocol

Row = dict[str, str]


class Writer(Protocol):
    """Turns rows into the bytes of a file, a piece at a time, so that no list is too long for the memory."""

    media_type: str
    extension: str

    def write(self, columns: tuple[str, ...], rows: Iterable[Row]) -> Iterator[bytes]:
        """Yield the file's bytes; each row has every one of `columns`."""
        ...
