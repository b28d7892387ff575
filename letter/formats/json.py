"""JSON for programs: a list of objects, one on a line."""

import json
from collections.abc import Iterable, Iterator

from letter.formats import Row


class JsonWriter:
    """A JSON array (RFC 8259) in UTF-8; what was typed comes back exactly."""

    media_type = "application/json"
    extension = "json"

    def write(self, columns: tuple[str, ...], rows: Iterable[Row]) -> Iterator[bytes]:
        """Yield the file's bytes, a row at a time."""
        lead = "[\n"
        for row in rows:
            yield (lead + json.dumps({column: row[column] for column in columns}, ensure_ascii=False)).encode()
            lead = ",\n"
        yield b"[]\n" if lead == "[\n" else b"\n]\n"
