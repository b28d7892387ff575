"""`python -m bench.size`: bytes on disk for each signature, written as life writes them: one by one, then changed."""

import argparse
import os
import tempfile
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, bindparam, insert, text, update

from bench import filling
from bench.serving import Instance
from letter.models import Batch, BatchStep, Outbox, Signature

CHUNK = 5000
FIRST_ID = 1000
PG_SIZES = "SELECT relname, pg_total_relation_size(oid) FROM pg_class WHERE relkind = 'r' AND relname = ANY(:names)"


def live(connection: Connection, number: int, made: Any) -> None:
    """Write signatures and their mails as they come in, then as they are confirmed, mailed and approved."""
    final: Iterator[dict[str, Any]] = made.signatures(number, 0)
    places = iter(range(number))
    while chunk := list(islice(final, CHUNK)):
        new = list(islice(places, CHUNK))
        sealed = b"x" * 184  # what `seal` makes of most addresses
        waiting = {"state": "pending", "email_sealed": sealed, "confirmed_at": None, "decided_at": None, "version": 1}
        connection.execute(insert(Signature), [{**row, **waiting} for row in chunk])
        _mail(connection, made, "confirm", new, sealed)
        keys = ("name", "affiliation", "sort_key", "fold_key", "state", "email_key", "email_sealed", "confirmed_at",
                "decided_at")  # fmt: skip
        change = update(Signature.__table__).where(Signature.id == bindparam("which"))  # type: ignore[arg-type]
        ends = [{"which": row["id"], "version": 2, **{key: row[key] for key in keys}} for row in chunk]
        connection.execute(change, [{**row, "state": "confirmed", "decided_at": None} for row in ends])
        _mail(connection, made, "confirmed", new, sealed)
        connection.execute(change, [{**row, "version": 3} for row in ends])
        _decide(connection, chunk)
        connection.commit()
        if connection.dialect.name == "postgresql":  # as its own cleaner does meanwhile
            with connection.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as cleaner:
                cleaner.exec_driver_sql("VACUUM signature, outbox")


def _mail(connection: Connection, made: Any, kind: str, places: list[int], sealed: bytes) -> None:
    rows = [made._mail(kind, place) for place in places]
    connection.execute(
        insert(Outbox), [{**row, "state": "waiting", "to_sealed": sealed, "sent_at": None} for row in rows]
    )
    for state, kept in (("leased", sealed), ("sent", None)):
        change = update(Outbox.__table__).where(Outbox.message_id == bindparam("which"))  # type: ignore[arg-type]
        connection.execute(change, [{"which": row["message_id"], "state": state, "to_sealed": kept} for row in rows])


def _decide(connection: Connection, chunk: list[dict[str, Any]]) -> None:
    done = {"letter_id": chunk[0]["letter_id"], "action": "approve", "created_at": chunk[0]["created_at"]}
    for place in range(0, len(chunk), 50):
        batch = connection.scalar(insert(Batch).values(**done).returning(Batch.id))
        step = {"batch_id": batch, "before": "confirmed", "after": "approved", "found_version": 2, "version": 3}
        connection.execute(
            insert(BatchStep), [{**step, "signature_id": row["id"]} for row in chunk[place : place + 50]]
        )


def measured(connection: Connection) -> dict[str, int]:
    """Return the bytes of each table with its indexes; on SQLite of the whole file, which does not tell."""
    if connection.dialect.name == "sqlite":
        names = ["page_count", "page_size"]
        pages, size = (connection.exec_driver_sql(f"PRAGMA {name}").scalar_one() for name in names)
        return {"the file": pages * size}
    names = ["signature", "outbox", "batch", "batch_step"]
    return dict(connection.execute(text(PG_SIZES), {"names": names}).all())


def main() -> None:
    """Fill a database that is empty, and print."""
    parser = argparse.ArgumentParser(prog="python -m bench.size", description=__doc__)
    parser.add_argument("signatures", type=int, nargs="?", default=200_000)
    parser.add_argument("--database", default="", help="an empty database; SQLite in a temporary folder if unset")
    said = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=os.environ.get("TMPDIR")) as folder:
        environ = {"LETTER_DATABASE_URL": said.database} if said.database else {}
        instance = Instance(Path(folder) / "instance", environ)
        filling.fill(instance, 0, 0)
        with instance.database() as database:
            made = filling._Maker(instance.settings.keys, 1, "x", 1, FIRST_ID)
            with database.engine.connect() as connection:
                before = measured(connection)
                live(connection, said.signatures, made)
                sizes = {name: size - before[name] for name, size in measured(connection).items()}
    for name, size in {**sizes, "all": sum(sizes.values())}.items():
        print(f"{name:12} {size / said.signatures:8.0f} bytes a signature, of {said.signatures:,}")


if __name__ == "__main__":
    main()
