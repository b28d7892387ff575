"""What a machine may know of a letter: its texts, its life and its numbers, and never a name."""

import json
from dataclasses import asdict
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import select
from sqlalchemy.orm import Session

from letter import letters, listing
from letter.models import Audit, Letter, LetterState, LetterText


class Step(NamedTuple):
    """A letter was opened, paused, closed, delivered or archived."""

    state: LetterState
    at: datetime


def steps(session: Session, letter: Letter) -> list[Step]:
    """Return the steps of a letter's life, oldest first."""
    found = select(Audit).where(Audit.letter_id == letter.id, Audit.action == "letter.state").order_by(Audit.id)
    return [Step(LetterState(json.loads(row.detail)["after"]), row.at) for row in session.scalars(found)]


def numbers(session: Session, letter: Letter) -> dict[str, Any]:
    """Return how many have signed, and whether others still can."""
    counts = asdict(listing.counts(session, letter))
    return {"slug": letter.slug, "state": letter.state, "open": letters.is_open(letter), "signatures": counts}


def everything(session: Session, letter: Letter) -> dict[str, Any]:
    """Return all public facts: the numbers, when it opened and closes, and every version of its text with a digest.

    `sha256` is `text.digest` of language, title, addressees, body and sign-off, in this order.
    """
    return {
        **numbers(session, letter),
        "opened_at": _moment(letter.opens_at),
        "closes_at": _moment(letter.closes_at),
        "goal": letter.goal,
        "moderation": letter.moderation,
        "language": letter.default_language,
        "texts": [_text(text) for text in letter.texts],
    }


def _text(text: LetterText) -> dict[str, Any]:
    plain = ("language", "version", "title", "addressees", "body", "sign_off", "sha256")
    return {**{name: getattr(text, name) for name in plain}, "created_at": _moment(text.created_at)}


def _moment(moment: datetime | None) -> str | None:
    return moment.isoformat(timespec="seconds") if moment else None
