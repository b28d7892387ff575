"""What the database itself can do: transactions of two inserts, each durable, by one connection in a loop."""

import secrets
import time
from typing import Any

from sqlalchemy import Connection, text

from letter.db import Database
from letter.models import Outbox, Signature


def commits(database: Database, seconds: float) -> float:
    """Return how many signatures with their mails are written in a second by the driver alone."""
    with database.reading() as session:
        (sign, signature), (queue, mail) = (
            _insert(session.connection(), table, "?" if database.is_sqlite else "%s")
            for table in (Signature.__table__, Outbox.__table__)
        )
    connection = database.engine.raw_connection()
    driver: Any = connection.driver_connection
    if not database.is_sqlite:
        driver.autocommit = True  # so that BEGIN and COMMIT are ours
    try:
        cursor = driver.cursor()
        number, begun = 0, time.monotonic()
        while time.monotonic() < begun + seconds:
            cursor.execute("BEGIN IMMEDIATE" if database.is_sqlite else "BEGIN")
            signature.update(uid=secrets.token_urlsafe(16), email_key=secrets.token_bytes(32))
            mail["signature_id"] = cursor.execute(sign, list(signature.values())).fetchone()[0]
            mail["message_id"] = secrets.token_urlsafe(16)
            cursor.execute(queue, list(mail.values())).fetchone()
            cursor.execute("COMMIT")
            number += 1
        return number / (time.monotonic() - begun)
    finally:
        connection.invalidate()


def _insert(looking: Connection, table: Any, mark: str) -> tuple[str, dict[str, Any]]:
    """Return the statement that writes a row like the last one of `table`, and that row without its id."""
    row = dict(looking.execute(text(f"SELECT * FROM {table.name} ORDER BY id DESC LIMIT 1")).mappings().one())
    row.pop("id")
    statement = f"INSERT INTO {table.name} ({', '.join(row)}) VALUES ({', '.join([mark] * len(row))}) RETURNING id"
    return statement, row
