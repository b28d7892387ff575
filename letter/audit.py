"""Who did what, when, to which object: rows chained by hash, with no personal data in them."""

import json
from datetime import datetime

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from letter import clock
from letter.models import Audit, Letter, Person
from letter.text import digest

START = "0" * 64
CHAIN_LOCK = 0x6C6574746572  # one writer at a time; SQLite's writers are alone anyway


def note(
    session: Session,
    action: str,
    subject: str,
    *,
    by: Person | None = None,
    letter: Letter | None = None,
    **detail: str | int | None,
) -> Audit:
    """Add one row about `action` on `subject` (an opaque id, never a name), in the caller's transaction.

    `by` is None for the operator at the command line. `detail` holds what was before and after, in plain facts.
    """
    if session.get_bind().dialect.name == "postgresql":
        session.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": CHAIN_LOCK})
    last = session.scalars(select(Audit).order_by(Audit.id.desc()).limit(1)).first()
    row = Audit(
        at=clock.now(),
        actor=by.uid if by else "operator",
        action=action,
        letter_id=letter.id if letter else None,
        subject=subject,
        detail=json.dumps(detail, sort_keys=True),
        previous=last.sha256 if last else START,
    )
    row.sha256 = _hash(row)
    session.add(row)
    session.flush()
    return row


def first_broken(session: Session) -> int | None:
    """Return the id of the first row that does not fit the chain, or None if all do."""
    previous = START
    for row in session.scalars(select(Audit).order_by(Audit.id)).yield_per(1000):
        if row.previous != previous or row.sha256 != _hash(row):
            return row.id
        previous = row.sha256
    return None


def _hash(row: Audit) -> str:
    at: datetime = row.at
    return digest(row.previous, at.isoformat(), row.actor, row.action, str(row.letter_id), row.subject, row.detail)
