"""Databases with as many signatures as asked for, written straight into the tables and kept between runs.

What the figures need is there: signatures of every state with names in several scripts, their mails, pending ones that
can still be confirmed, and numbers that are true.
"""

import secrets
import shutil
import subprocess
import tomllib
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta
from itertools import islice, product
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Table, func, select, text
from sqlalchemy.orm import Session

from bench.serving import SLUG, Instance
from letter import accounts, clock, names, revision, tally, tokens
from letter.config import PACKAGE
from letter.db import Database
from letter.models import Letter, Outbox, Role, Signature
from letter.sealing import Keys, email_key, seal

ORGANISER, PASSWORD = "ada@example.org", "a long enough password"
BODY = PACKAGE / "demo" / "letter.txt"
PEOPLE = tomllib.loads((Path(__file__).resolve().parent / "people.toml").read_text("utf-8"))
STATES = ("approved",) * 70 + ("confirmed",) * 22 + ("held",) * 2 + ("rejected",) * 3 + ("withdrawn",) * 3
DISPLAYS = ("public",) * 8 + ("recipients", "counted")
CHUNK = 20_000
Row = dict[str, Any]


def filled(cache: Path, to: Path, signatures: int, pending: int, environ: Mapping[str, str]) -> Instance:
    """Return an instance on SQLite in the new folder `to` with so many signatures, and `pending` more to confirm."""
    kept = cache / f"sqlite-{revision.newest()}-{signatures}-{pending}"
    if not (kept / "ready").exists():
        shutil.rmtree(kept, ignore_errors=True)
        fill(Instance(kept, environ), signatures, pending)
        (kept / "ready").touch()
    subprocess.run(["cp", "-r", "--", str(kept), str(to)], check=True)
    return Instance(to, environ)


def fill(instance: Instance, signatures: int, pending: int) -> None:
    """Make an instance with a letter, an organiser and so many signatures."""
    instance.run("init")
    instance.run("new", SLUG, str(BODY), "--title", "Open the library", "--signatories-after", "Sincerely yours,",
                 "--open", "--yes")  # fmt: skip
    with instance.database() as database:
        with database.writing() as session:
            made = _prepare(session, instance.settings.keys)
        _bulk(database, Signature.__table__, made.signatures(signatures, pending))
        _bulk(database, Outbox.__table__, made.mails(signatures, pending))
        with database.writing() as session:
            _count(session)
        database.tidy()


def _prepare(session: Session, keys: Keys) -> "_Maker":
    """Add an organiser, and return the maker of signatures for the letter that is there."""
    person = accounts.add(session, ORGANISER, Role.ORGANISER, None)
    accounts.set_password(session, person, accounts.hash_password(PASSWORD))
    letter = session.scalars(select(Letter)).one()
    start = int(session.scalar(select(func.max(Signature.id))) or 0) + 1
    made = _Maker(keys, letter.id, letter.uid, letter.texts[0].id, start)
    session.commit()
    return made


def _count(session: Session) -> None:
    """Make the numbers true."""
    tally.mend(session)
    session.commit()
    while tally.fold(session):
        session.commit()
    session.commit()


class _Maker:
    """Makes rows: the same people over and over, each with an address of their own."""

    def __init__(self, keys: Keys, letter_id: int, uid: str, text_id: int, start: int) -> None:
        self._keys, self._uid, self._start = keys, uid, start
        self._fixed = {"letter_id": letter_id, "text_id": text_id}
        self._now = clock.now()
        self._people = [self._person(*parts) for parts in product(*PEOPLE.values())]

    def _person(self, first: str, last: str, affiliation: str) -> Row:
        name = f"{first} {last}"
        keys = {"sort_key": names.sort_key(name, "en"), "fold_key": names.fold(f"{name} {affiliation}")}
        return {"name": name, "affiliation": affiliation, **keys}

    def signatures(self, number: int, pending: int) -> Iterator[Row]:
        """Yield rows: settled ones first, then those that wait to be confirmed."""
        for place in range(number):
            yield self._settled(place)
        for place in range(number, number + pending):
            yield self._pending(place)

    def _common(self, place: int, created_at: datetime) -> Row:
        return {
            **self._fixed,
            **self._people[place * 7919 % len(self._people)],
            "id": self._start + place,
            "uid": tokens.new_uid(),
            "kind": "organisation" if place % 50 == 0 else "person",
            "display": DISPLAYS[place // 7 % 10],
            "evidence_note": "",
            "source": "web",
            "place": None,
            "language": "en",
            "wants_updates": False,
            "flagged": False,
            "bounced": "",
            "created_at": created_at,
        }

    def _settled(self, place: int) -> Row:
        state = STATES[place * 31 % 100]
        at = self._now - timedelta(days=10) + timedelta(milliseconds=place % 500_000_000)
        gone = {"name": "", "affiliation": "", "sort_key": b"", "fold_key": ""} if state == "withdrawn" else {}
        return {
            **self._common(place, at),
            **gone,
            "state": state,
            "evidence": "mail",
            "email_key": None if gone else secrets.token_bytes(32),
            "email_sealed": None,
            "expires_at": at + timedelta(days=7),
            "confirmed_at": at,
            "decided_at": None if state == "confirmed" else at,
            "version": 2,
        }

    def _pending(self, place: int) -> Row:
        address = f"waiting.{place}@mail{place % 40}.example"
        return {
            **self._common(place, self._now),
            "state": "pending",
            "evidence": "none",
            "email_key": email_key(self._keys, self._uid, address),
            "email_sealed": seal(self._keys, address),
            "expires_at": self._now + timedelta(days=3650),  # the filled database is kept for longer than a week
            "confirmed_at": None,
            "decided_at": None,
            "version": 1,
        }

    def mails(self, number: int, pending: int) -> Iterator[Row]:
        """Yield the mails of all these, sent long ago: one each to confirm, a second one where that was done."""
        for place in range(number + pending):
            yield self._mail("confirm", place)
        for place in range(number):
            yield self._mail("confirmed", place)

    def _mail(self, kind: str, place: int) -> Row:
        return {
            "kind": kind,
            "signature_id": self._start + place,
            "message_id": tokens.new_uid(),
            "to_sealed": None,
            "state": "sent",
            "priority": int(kind != "confirm"),
            "attempts": 1,
            "due_at": self._now,
            "lease": None,
            "error": "",
            "created_at": self._now,
            "sent_at": self._now,
        }


def _bulk(database: Database, table: Any, rows: Iterator[Row]) -> None:
    """Write rows while the table has no index, and make the indexes afterwards."""
    with database.engine.connect() as connection:
        indexes = sorted(table.indexes, key=lambda index: str(index.name))
        for index in indexes:
            index.drop(connection)
        if database.is_sqlite:
            connection.exec_driver_sql("PRAGMA cache_size=-1000000")
        write = _plain(connection, table)
        while chunk := list(islice(rows, CHUNK)):
            write(chunk)
        if not database.is_sqlite:
            last = f"SELECT setval(pg_get_serial_sequence('{table.name}', 'id'), (SELECT max(id) FROM {table.name}))"
            connection.execute(text(last))
        for index in indexes:
            index.create(connection)
        if not database.is_sqlite:
            connection.commit()
            connection.execution_options(isolation_level="AUTOCOMMIT").exec_driver_sql(f"VACUUM ANALYZE {table.name}")
        connection.commit()


def _plain(connection: Connection, table: Table) -> Callable[[list[Row]], None]:
    """Return what writes rows through the driver itself, which is several times as fast."""
    known = {column.name for column in table.columns}
    cursor = connection.connection.cursor()

    def write(rows: list[Row]) -> None:
        columns = [name for name in rows[0] if name in known]
        quoted = ", ".join(columns)
        if connection.dialect.name == "postgresql":
            with cursor.copy(f"COPY {table.name} ({quoted}) FROM STDIN") as copy:
                for row in rows:
                    copy.write_row([row[name] for name in columns])
        else:
            marks = ", ".join("?" * len(columns))
            plain = [[_sqlite(row[name]) for name in columns] for row in rows]
            cursor.executemany(f"INSERT INTO {table.name} ({quoted}) VALUES ({marks})", plain)

    return write


def _sqlite(value: Any) -> Any:
    return value.isoformat(" ", "microseconds")[:26] if isinstance(value, datetime) else value
