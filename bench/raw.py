"""What the database itself can do: transactions of two inserts, each durable, by one connection in a loop."""

import secrets
import time
from typing import Any

from sqlalchemy import text

from letter.db import Database
from letter.models import Outbox, Signature


def commits(database: Database, seconds: float) -> float:
    """Return how many signatures with their mails are written in a second by the driver alone."""
    connection = database.engine.raw_connection()
    try:
        with database.engine.connect() as looking:
            pairs = [_sample(looking, table) for table in (Signature.__table__, Outbox.__table__)]
        cursor: Any = connection.cursor()
        begin = "BEGIN IMMEDIATE" if database.is_sqlite else "BEGIN"
        mark = "?" if database.is_sqlite else "%s"
        (sign, signature), (queue, mail) = ((_insert(name, row, mark), row) for name, row in pairs)
        end, number, begun = time.monotonic() + seconds, 0, time.monotonic()
        while time.monotonic() < end:
            cursor.execute(begin)
            signature.update(uid=secrets.token_urlsafe(16), email_key=secrets.token_bytes(32))
            cursor.execute(sign, list(signature.values()))
            mail.update(signature_id=cursor.fetchone()[0], message_id=secrets.token_urlsafe(16))
            cursor.execute(queue, list(mail.values()))
            cursor.fetchone()
            cursor.execute("COMMIT")
            number += 1
        return number / (time.monotonic() - begun)
    finally:
        connection.close()


def _sample(looking: Any, table: Any) -> tuple[str, dict[str, Any]]:
    """Return the table's name and its last row, but for its id: what a signing writes."""
    found = text(f"SELECT * FROM {table.name} ORDER BY id DESC LIMIT 1")
    row = dict(looking.execute(found).mappings().one())
    row.pop("id")
    return table.name, row


def _insert(name: str, row: dict[str, Any], mark: str) -> str:
    return f"INSERT INTO {name} ({', '.join(row)}) VALUES ({', '.join([mark] * len(row))}) RETURNING id"
