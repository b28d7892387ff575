"""The verified list for the recipient."""

import heapq
from collections.abc import Iterator
from operator import itemgetter
from typing import Any

from sqlalchemy import Select
from sqlalchemy.orm import Session

from letter import audit, listing, tally
from letter.errors import BadInput
from letter.formats import Row, Writer
from letter.formats.csv import CsvWriter
from letter.formats.json import JsonWriter
from letter.models import Display, Evidence, Letter, Person, Signature, State

COLUMNS = ("name", "affiliation", "kind", "verified", "approved", "publish")
WRITERS: dict[str, type[Writer]] = {"csv": CsvWriter, "json": JsonWriter}
AT_A_TIME = 1000
Stored = tuple[Any, ...]
VALUES = (
    Signature.sort_key,  # alone says what comes first: a uid may be sorted by other rules in the database than here
    Signature.name,
    Signature.affiliation,
    Signature.kind,
    Signature.evidence,
    Signature.state,
    Signature.display,
)
VERIFIED = {
    Evidence.NONE: "not verified",
    Evidence.MAIL: "confirmed by e-mail",
    Evidence.DOMAIN: "confirmed by e-mail of the organisation",
    Evidence.VOUCHED: "vouched for by the organiser",
    Evidence.PAPER: "signed on paper",
}


def writer(name: str) -> Writer:
    """Return the writer for a format. Raise BadInput for one that is not here."""
    if name not in WRITERS:
        raise BadInput(f"“{name}” is no format that can be exported: choose {' or '.join(WRITERS)}.")
    return WRITERS[name]()


def rows(session: Session, letter: Letter) -> Iterator[Row]:
    """Yield the verified signatories in list order, those for the recipient only among them, a thousand at a time.

    Who wished only to be counted is not among them.
    """
    first, others = listing.exportable(letter)
    yield from map(_row, _stream(session, first))
    yield from map(_row, heapq.merge(*(_stream(session, one) for one in others), key=itemgetter(0)))


def _stream(session: Session, found: Select[Signature]) -> Iterator[Stored]:
    """Yield plain values, which take a third of the time that objects take."""
    return iter(session.execute(found.with_only_columns(*VALUES)).yield_per(AT_A_TIME))


def _row(stored: Stored) -> Row:
    _, name, affiliation, kind, evidence, state, display = stored
    return {
        "name": name,
        "affiliation": affiliation,
        "kind": kind,
        "verified": VERIFIED[evidence],
        "approved": "yes" if state is State.APPROVED else "no, not looked at yet",
        "publish": "yes" if display is Display.PUBLIC else "no, for the recipient only",
    }


def how_many(session: Session, letter: Letter) -> int:
    """Return how many rows an export has now."""
    sorts = tally.read(session, letter).sorts.items()
    return sum(n for sort, n in sorts if listing.is_accepted(letter, sort) and sort.display is not Display.COUNTED)


def note(session: Session, letter: Letter, format_name: str, *, by: Person | None) -> None:
    """Record that the list leaves the house."""
    audit.note(session, "export", letter.uid, by=by, letter=letter, format=format_name, rows=how_many(session, letter))
