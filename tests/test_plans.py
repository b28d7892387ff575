"""Queries of hot paths find their rows by an index, on both databases, in order and without sorting or counting."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import event, insert, text
from sqlalchemy.orm import Session

from letter import clock, confirmation, exporting, listing, moderation, signatures, signing, tally
from letter.db import Database
from letter.models import Display, Evidence, Kind, Letter, Moderation, Outbox, Post, Signature, State
from tests.conftest import KEYS, make_letter, submission

MANY = 2000


@pytest.fixture
def busy(session: Session) -> Letter:
    """A letter with so many signatures that no database would read them all; moderated after, which asks for more."""
    letter = make_letter(session, "busy", Moderation.AFTER)
    states = [State.PENDING, State.CONFIRMED, State.APPROVED, State.HELD, State.REJECTED]
    base = signing.new(letter, letter.texts[0], "Dana Ivers", "Nurse", Kind.PERSON)
    rows: list[dict[str, Any]] = []
    for number in range(MANY):
        state = states[number % len(states)]
        confirmed = None if state is State.PENDING else clock.now()
        rows.append({
            **base,
            "uid": f"uid{number}",
            "state": state,
            "display": list(Display)[number % 3],
            "evidence": Evidence.MAIL,
            "email_key": number.to_bytes(32, "big"),
            "email_sealed": None,
            "sort_key": number.to_bytes(8, "big"),
            "expires_at": clock.now() + timedelta(days=number // 10),
            "confirmed_at": confirmed,
        })  # fmt: skip
    session.execute(insert(Signature), rows)
    mails = {"kind": "confirm", "to_sealed": None, "state": Post.SENT, "attempts": 1, "error": "", "priority": 0}
    sent = [
        {**mails, "message_id": f"m{number}", "due_at": clock.now(), "created_at": clock.now()}
        for number in range(MANY)
    ]
    session.execute(insert(Outbox), sent)
    tally.mend(session)
    tally.fold(session)
    session.commit()
    if session.get_bind().dialect.name == "postgresql":  # it does so by itself; SQLite never does
        session.execute(text("ANALYZE"))
        session.commit()
    return letter


@pytest.fixture
def plans(session: Session, database: Database) -> Iterator[list[str]]:
    """How the database goes about each statement that is run."""
    found: list[str] = []
    asking = False

    def explain(connection: Any, _cursor: Any, statement: str, given: Any, _context: Any, _many: bool) -> None:
        nonlocal asking
        if asking or not statement.startswith(("SELECT", "UPDATE", "WITH", "INSERT", "DELETE")):
            return
        asking = True
        how = "EXPLAIN QUERY PLAN " if database.is_sqlite else "EXPLAIN "
        rows = connection.exec_driver_sql(how + statement, given).all()
        asking = False
        found.append(statement + "\n" + "\n".join(str(row[-1]) for row in rows))

    event.listen(database.engine, "before_cursor_execute", explain)
    yield found
    event.remove(database.engine, "before_cursor_execute", explain)


HOT: dict[str, Callable[[Session, Letter], object]] = {
    "a page of names": lambda session, letter: listing.others(session, letter, most=50),
    "the page after it": lambda session, letter: listing.others(
        session, letter, after=((900).to_bytes(8, "big"), "uid900"), most=50
    ),
    "the first names": listing.first_signatories,
    "the numbers under a letter": listing.counts,
    "the queue": moderation.waiting,
    "all signatures at the desk": lambda session, letter: listing.in_desk(session, letter, None, "", None),
    "those of one state": lambda session, letter: listing.in_desk(session, letter, State.HELD, "", None),
    "a link": lambda session, letter: signatures.by_uid(session, "uid7"),
    "signing": lambda session, letter: signing.put(session, [signing.draft(KEYS, letter, submission())]),
    "confirming": lambda session, letter: confirmation.confirm(
        session, KEYS, signatures.sign(session, KEYS, letter, submission())
    ),
    "expiry": lambda session, letter: confirmation.expire(session),
}
# Numbers are one row for each sort, and deltas that wait for a second; letters are few.
SMALL = ("tally", "letter", "letter_text", "flag")


@pytest.mark.parametrize("name", HOT)
def test_a_hot_path_reads_no_table_from_end_to_end(session: Session, busy: Letter, plans: list[str], name: str) -> None:
    HOT[name](session, busy)
    assert plans
    for plan in plans:
        for line in plan.splitlines()[1:]:
            assert not _reads_everything(line), plan


@pytest.mark.sqlite
def test_confirming_looks_for_the_same_address_and_not_for_all_who_wait(
    session: Session, busy: Letter, plans: list[str]
) -> None:
    confirmation.confirm(session, KEYS, signatures.sign(session, KEYS, busy, submission()))
    siblings = [plan for plan in plans if plan.startswith("UPDATE") and "signature.email_key IN (" in plan]
    assert siblings
    assert all("(email_key=?)" in plan.splitlines()[-1] for plan in siblings)


@pytest.mark.sqlite  # PostgreSQL may well sort what it hands over whole, within its own memory
def test_an_export_of_everything_sorts_nothing(session: Session, busy: Letter, plans: list[str]) -> None:
    assert len(list(exporting.rows(session, busy))) == 2 + sum(
        listing.is_accepted(busy, sort) and sort.display is not Display.COUNTED and not sort.is_first and number
        for sort, number in tally.read(session, busy).sorts.items()
    )
    assert not any(_reads_everything(line) for plan in plans for line in plan.splitlines()[1:])


def _reads_everything(line: str) -> bool:
    """SQLite says SCAN signature, or USE TEMP B-TREE FOR ORDER BY; PostgreSQL says Seq Scan on signature, or Sort."""
    words = line.split()
    if "TEMP B-TREE FOR ORDER BY" in line or "Sort Key" in line:
        return True
    scanned = words[1] if words[:1] == ["SCAN"] else line.partition("Seq Scan on ")[2].split(" ")[0]
    return scanned in ("signature", "outbox") and "USING INDEX" not in line


def test_a_seeded_sort_would_be_seen(session: Session, busy: Letter, plans: list[str]) -> None:
    session.execute(text("SELECT id FROM signature ORDER BY affiliation, fold_key")).all()
    assert any(_reads_everything(line) for line in plans[0].splitlines()[1:])
