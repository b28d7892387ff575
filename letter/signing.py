"""How a signature comes in by the form: what can be made ready before the lock is, and few statements under it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import lru_cache
from typing import Any

from sqlalchemy import Executable, Select, Table, bindparam, insert, select
from sqlalchemy.orm import Session

from letter import clock, letters, names, outbox, tokens
from letter.errors import LetterClosed
from letter.models import (
    Display,
    Evidence,
    Kind,
    Letter,
    LetterState,
    LetterText,
    Outbox,
    Signature,
    Source,
    State,
)
from letter.outbox import Mail
from letter.sealing import Keys, email_key, seal

LINK_DAYS = 7  # longer than a mail is retried, so that no link arrives dead
MAIL = "mail_"  # before the names of the mail's values, since both rows have a state and a moment


@dataclass(frozen=True)
class Submission:
    """What somebody typed into the form, checked for shape."""

    name: str
    affiliation: str
    email: str
    display: Display = Display.PUBLIC
    kind: Kind = Kind.PERSON
    wants_updates: bool = False
    language: str = ""


@dataclass(frozen=True)
class Draft:
    """A signature and its mail, ready to be stored."""

    signature: Mapping[str, Any]
    mail: Mapping[str, Any]


def draft(keys: Keys, letter: Letter, submission: Submission) -> Draft:
    """Make a pending signature and the mail that asks to confirm it, whoever the address belongs to.

    Raise LetterClosed if the letter takes none. The same work is done for every address; see `settling.settle`.
    """
    letters.demand_open(letter)
    text = letters.text_in(letter, submission.language)
    signature = {
        **new(letter, text, submission.name, submission.affiliation, submission.kind),
        "display": submission.display,
        "wants_updates": submission.wants_updates,
        "email_key": email_key(keys, letter.uid, submission.email),
        "email_sealed": seal(keys, submission.email),
    }
    signature["expires_at"] = signature["created_at"] + timedelta(days=LINK_DAYS)
    return Draft(signature, outbox.values_for(keys, Mail.CONFIRM, submission.email, signature["created_at"]))


def new(letter: Letter, text: LetterText, name: str, affiliation: str, kind: Kind) -> dict[str, Any]:
    """Return the values of a new signature's row, before anything is known about where it comes from."""
    return {
        "uid": tokens.new_uid(),
        "letter_id": letter.id,
        "text_id": text.id,
        "kind": kind,
        "name": name,
        "affiliation": affiliation,
        "display": Display.PUBLIC,
        "state": State.PENDING,
        "evidence": Evidence.NONE,
        "evidence_note": "",
        "source": Source.WEB,
        "language": text.language,
        "wants_updates": False,
        "flagged": False,
        "bounced": "",
        "sort_key": names.sort_key(name, letter.default_language),
        "fold_key": names.fold(f"{name} {affiliation}"),
        "created_at": clock.now(),
        "version": 1,
    }


def put(session: Session, given: Draft) -> None:
    """Store a draft: one statement on PostgreSQL, two on SQLite. Raise LetterClosed if the letter is not open now."""
    connection = session.connection()
    mail = {MAIL + name: value for name, value in given.mail.items()}
    if connection.dialect.name == "postgresql":
        stored = connection.execute(_both(), {**given.signature, **mail})
    else:
        stored = connection.execute(_signature(), dict(given.signature))
        if stored.rowcount:
            connection.execute(_mail(), {**mail, "signature": stored.lastrowid})
    if not stored.rowcount:
        raise LetterClosed


SIGNATURE: Table = Signature.__table__  # type: ignore[assignment]
OUTBOX: Table = Outbox.__table__  # type: ignore[assignment]
SIGNED = [column.name for column in SIGNATURE.c if column.name not in ("id", "place", "confirmed_at", "decided_at")]
MAILED = ["kind", "message_id", "to_sealed", "state", "priority", "attempts", "due_at", "error", "created_at"]


@lru_cache(maxsize=1)
def _signature() -> Any:
    values = [bindparam(name, type_=SIGNATURE.c[name].type) for name in SIGNED]
    is_open = select(*values).where(Letter.id == bindparam("letter_id"), Letter.state == LetterState.OPEN)
    return insert(SIGNATURE).from_select(SIGNED, is_open, include_defaults=False)


@lru_cache(maxsize=1)
def _mail() -> Executable:
    row = {name: bindparam(MAIL + name, type_=OUTBOX.c[name].type) for name in MAILED}
    return insert(OUTBOX).values(**row, signature_id=bindparam("signature"))


@lru_cache(maxsize=1)
def _both() -> Executable:
    signed = _signature().returning(SIGNATURE.c.id).cte("signed")
    values = [bindparam(MAIL + name, type_=OUTBOX.c[name].type) for name in MAILED]
    row: Select[Any] = select(*values, signed.c.id)
    return insert(OUTBOX).from_select([*MAILED, "signature_id"], row, include_defaults=False)
