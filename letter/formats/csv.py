"""CSV for spreadsheets: UTF-8 with a byte order mark, and no cell that a spreadsheet would run."""

import csv
import io
from collections.abc import Iterable, Iterator

from letter.formats import Row

MARK = "\ufeff"
# OWASP "CSV Injection" and ASVS 5.0 1.2.10, with the full-width forms that spreadsheets fold to the same signs.
TRIGGERS = tuple("=+-@\t\r\n\0＝＋－＠")
FLUSH_AT = 64 * 1024


def safe(cell: str) -> str:
    """Return `cell` so that no spreadsheet takes it for a formula: a leading apostrophe makes it text."""
    return f"'{cell}" if cell.lstrip(" \u00a0").startswith(TRIGGERS) else cell


class CsvWriter:
    """Comma-separated values (RFC 4180), every cell quoted."""

    media_type = "text/csv; charset=utf-8"
    extension = "csv"

    def write(self, columns: tuple[str, ...], rows: Iterable[Row]) -> Iterator[bytes]:
        """Yield the file's bytes in pieces of about 64 KiB."""
        buffer = io.StringIO()
        buffer.write(MARK)
        table = csv.writer(buffer, quoting=csv.QUOTE_ALL, lineterminator="\r\n")
        table.writerow(columns)
        for row in rows:
            table.writerow([safe(row[column].replace("\0", "")) for column in columns])
            if buffer.tell() > FLUSH_AT:
                yield buffer.getvalue().encode()
                buffer.seek(0)
                buffer.truncate()
        yield buffer.getvalue().encode()
