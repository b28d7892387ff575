"""How a signature comes in by the form: what can be made ready before the lock is, and few statements under it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import lru_cache
from typing import Any

from sqlalchemy import Connection, Executable, Select, Table, bindparam, insert, select
from sqlalchemy.orm import Session

from letter import bulk, clock, letters, names, outbox, tokens
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
    sealed = seal(keys, submission.email)
    signature = {
        **new(letter, text, submission.name, submission.affiliation, submission.kind),
        "display": submission.display,
        "wants_updates": submission.wants_updates,
        "email_key": email_key(keys, letter.uid, submission.email),
        "email_sealed": sealed,
    }
    signature["expires_at"] = signature["created_at"] + timedelta(days=LINK_DAYS)
    return Draft(signature, outbox.values_for(Mail.CONFIRM, sealed, signature["created_at"]))


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


def put(session: Session, given: list[Draft]) -> list[None]:
    """Store drafts: each by one statement on PostgreSQL, all by two on SQLite.

    Raise LetterClosed if a letter is not open now; the caller then rolls back.
    """
    connection = session.connection()
    if connection.dialect.name == "postgresql":
        for one in given:
            mail = {MAIL + name: value for name, value in one.mail.items()}
            if not connection.execute(_both(), {**one.signature, **mail}).rowcount:
                raise LetterClosed
    else:
        _put_all(connection, given)
    return [None] * len(given)


def _put_all(connection: Connection, given: list[Draft]) -> None:
    """Under the lock nobody else takes an id, so it can be given, and the mail's row be made with it."""
    wanted = {one.signature["letter_id"] for one in given}
    is_open = select(Letter.id).where(Letter.id.in_(wanted), Letter.state == LetterState.OPEN)
    if wanted - set(connection.scalars(is_open)):
        raise LetterClosed
    numbered = list(zip(bulk.new_ids(connection, SIGNATURE, len(given)), given, strict=True))
    bulk.add(connection, SIGNATURE, [{**one.signature, "id": number} for number, one in numbered])
    bulk.add(connection, OUTBOX, [{**one.mail, "signature_id": number} for number, one in numbered])


SIGNATURE: Table = Signature.__table__  # type: ignore[assignment]
OUTBOX: Table = Outbox.__table__  # type: ignore[assignment]
SIGNED = [column.name for column in SIGNATURE.c if column.name not in ("id", "place", "confirmed_at", "decided_at")]
MAILED = ["kind", "message_id", "to_sealed", "state", "priority", "attempts", "due_at", "error", "created_at"]


@lru_cache(maxsize=1)
def _both() -> Executable:
    """PostgreSQL's statement, which adds nothing where the letter is not open."""
    of_signature = [bindparam(name, type_=SIGNATURE.c[name].type) for name in SIGNED]
    is_open = select(*of_signature).where(Letter.id == bindparam("letter_id"), Letter.state == LetterState.OPEN)
    signed = insert(SIGNATURE).from_select(SIGNED, is_open, include_defaults=False).returning(SIGNATURE.c.id)
    added = signed.cte("signed")
    of_mail = [bindparam(MAIL + name, type_=OUTBOX.c[name].type) for name in MAILED]
    row: Select[Any] = select(*of_mail, added.c.id)
    return insert(OUTBOX).from_select([*MAILED, "signature_id"], row, include_defaults=False)
