"""Signatures: how they come in, and the one table of how they change."""

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from functools import lru_cache
from operator import itemgetter
from typing import Any

from sqlalchemy import ColumnElement, Select, Table, func, select, update
from sqlalchemy.orm import Session, joinedload

from letter import audit, bulk, clock, letters, names, signing, tally
from letter.errors import MoveRefused
from letter.importing import Entry
from letter.models import (
    Batch,
    BatchStep,
    Display,
    Evidence,
    Flag,
    Kind,
    Letter,
    LetterText,
    Person,
    Signature,
    Source,
    State,
)
from letter.sealing import Keys
from letter.signing import SIGNATURE, Submission

MOVES: dict[State, set[State]] = {
    State.PENDING: {State.CONFIRMED, State.EXPIRED, State.WITHDRAWN},
    State.CONFIRMED: {State.APPROVED, State.HELD, State.REJECTED, State.WITHDRAWN},
    State.HELD: {State.CONFIRMED, State.APPROVED, State.REJECTED, State.WITHDRAWN},
    State.APPROVED: {State.CONFIRMED, State.HELD, State.REJECTED, State.WITHDRAWN},
    State.REJECTED: {State.CONFIRMED, State.APPROVED, State.HELD, State.WITHDRAWN},
    State.EXPIRED: {State.WITHDRAWN},
    State.WITHDRAWN: set(),
}
BLANK = {"name": "", "affiliation": "", "fold_key": "", "sort_key": b"", "email_key": None, "email_sealed": None}
STEPS: Table = BatchStep.__table__  # type: ignore[assignment]
STEP = ("batch_id", "signature_id", "before", "after", "found_version", "version")
NOT_VOUCHED = ("email_key", "email_sealed", "expires_at", "confirmed_at")
VOUCHED = [column.name for column in SIGNATURE.c if column.name not in NOT_VOUCHED]
DECIDED = (State.APPROVED, State.HELD, State.REJECTED)


def sign(session: Session, keys: Keys, letter: Letter, submission: Submission) -> Signature:
    """Add a pending signature and the mail that asks to confirm it; return the row. Raise LetterClosed."""
    made = signing.draft(keys, letter, submission)
    session.flush()
    signing.put(session, [made])
    return session.scalars(select(Signature).where(Signature.uid == made.signature["uid"])).one()


def vouch(session: Session, letter: Letter, entries: Iterable[Entry], note: str, *, by: Person | None = None) -> int:
    """Add first signatories whom the organiser vouches for, at the end of the list, as one batch; return how many.

    They are approved, have no address, and keep the order given. `note` says on what ground. Who stands on the list
    already, to the letter, is passed over, so that a list can be read in twice.
    """
    batch = Batch(letter_id=letter.id, person_id=by.id if by else None, action="import", created_at=clock.now())
    session.add(batch)
    last = session.scalar(select(func.max(Signature.place)).where(Signature.letter_id == letter.id)) or 0
    there = _first_ones(session, letter)
    fresh = [entry for entry in entries if (entry.name, entry.affiliation) not in there]
    session.flush()
    _put_vouched(session, batch, letter, fresh, note, last + 1)
    audit.note(session, "import", letter.uid, by=by, letter=letter, rows=len(fresh))
    return len(fresh)


def _put_vouched(
    session: Session, batch: Batch, letter: Letter, entries: list[Entry], note: str, first_place: int
) -> None:
    connection, text = session.connection(), letters.text_in(letter)
    ids = bulk.new_ids(connection, SIGNATURE, len(entries))
    signed = (
        {**_vouched(letter, text, entry, note), "id": number, "place": place}
        for place, (number, entry) in enumerate(zip(ids, entries, strict=True), first_place)
    )
    bulk.put(connection, SIGNATURE, [SIGNATURE.c[name] for name in VOUCHED], map(itemgetter(*VOUCHED), signed))
    steps = ((batch.id, number, None, State.APPROVED, 0, 1) for number in ids)
    bulk.put(connection, STEPS, [STEPS.c[name] for name in STEP], steps)
    sort = tally.Sort(State.APPROVED, Display.PUBLIC, is_first=True, is_confirmed=False, is_flagged=False)
    tally.add(session, letter.id, str(sort), len(entries))  # past the ORM nothing is counted by itself


def _first_ones(session: Session, letter: Letter) -> set[tuple[str, str]]:
    found = select(Signature.name, Signature.affiliation).where(
        Signature.letter_id == letter.id, Signature.place.is_not(None)
    )
    return {(name, affiliation) for name, affiliation in session.execute(found)}


def _vouched(letter: Letter, text: LetterText, entry: Entry, note: str) -> dict[str, Any]:
    values = signing.new(letter, text, entry.name, entry.affiliation, Kind(entry.kind))
    said = {"evidence": Evidence.VOUCHED, "evidence_note": note, "source": Source.IMPORT}
    return {**values, **said, "state": State.APPROVED, "decided_at": values["created_at"]}


def rename(signature: Signature, name: str, affiliation: str) -> None:
    """Set name and affiliation, with the keys by which they are sorted and found."""
    signature.name, signature.affiliation = name, affiliation
    signature.sort_key = names.sort_key(name, signature.letter.default_language)
    signature.fold_key = names.fold(f"{name} {affiliation}")


def flag(session: Session, signature: Signature, kind: str, detail: str = "") -> Flag:
    """Note a reason to look twice at a signature; until somebody resolved it, it is not published unseen."""
    found = Flag(signature_id=signature.id, kind=kind, detail=detail, created_at=clock.now())
    session.add(found)
    signature.flagged = True
    return found


def move(signature: Signature, to: State) -> None:
    """Change a signature's state: the only place that does. Raise MoveRefused for a move that is not in the table."""
    if to not in MOVES[signature.state]:
        raise MoveRefused(f"A signature that is {signature.state} cannot become {to}.")
    signature.state = to
    now = clock.now()
    if to in DECIDED:
        signature.decided_at = now
    elif to is State.CONFIRMED:
        signature.confirmed_at, signature.decided_at = signature.confirmed_at or now, None


def expire(session: Session, most: int) -> int:
    """Move up to `most` pending signatures whose links are too old to expired; return how many."""
    late = _some(most, Signature.state == State.PENDING, Signature.expires_at <= clock.now())
    return _bulk(session, late, state=State.EXPIRED)


def blank_expired(session: Session, before: datetime, most: int) -> int:
    """Leave nothing of up to `most` people whose links expired before a moment; return how many rows were blanked."""
    old = _some(most, Signature.state == State.EXPIRED, Signature.expires_at <= before)
    return _bulk(session, old, expires_at=None, **BLANK)


def _some(most: int, *which: ColumnElement[bool]) -> ColumnElement[bool]:
    return Signature.id.in_(select(Signature.id).where(*which).limit(most).scalar_subquery())


def drop_sealed_siblings(session: Session, confirmed: Sequence[Signature]) -> None:
    """Forget the address in the unconfirmed signatures beside confirmed ones: no mail to it is due for them."""
    free = select(Signature.id).where(*_siblings(confirmed)).with_for_update(skip_locked=True)  # or two could wait
    _bulk(session, Signature.id.in_(free.scalar_subquery()), email_sealed=None)  # for each other on PostgreSQL


def blank_siblings(session: Session, signature: Signature) -> None:
    """Leave nothing of the unconfirmed signatures of the same address on the same letter; their links end."""
    _bulk(session, *_siblings([signature]), state=State.EXPIRED, **BLANK)


def _siblings(of: Sequence[Signature]) -> tuple[ColumnElement[bool], ...]:
    """An address has another key on each letter, so the key says which letter; asked for the letter as well, SQLite
    would take an index of letter and state, and read everybody who has not confirmed yet.
    """
    return (
        Signature.email_key.in_([one.email_key for one in of]),
        Signature.id.not_in([one.id for one in of]),
        Signature.state.in_((State.PENDING, State.EXPIRED)),
    )


def _bulk(session: Session, *which: ColumnElement[bool], **values: object) -> int:
    changed = update(Signature).where(*which).values(version=Signature.version + 1, **values)
    return int(session.execute(changed).rowcount)  # type: ignore[attr-defined]


def by_uid(session: Session, uid: str) -> Signature | None:
    """Return the signature that a link names, with its letter and its text; the body is only read when asked for."""
    return session.scalars(_with_letter().where(Signature.uid == uid)).first()


def to_change(session: Session, uids: Collection[str]) -> dict[str, Signature]:
    """Return signatures by their uids, in order that they be changed.

    Others who want that wait until this transaction ends, and see what came of it; all take them in one order.
    """
    found = _with_letter().where(Signature.uid.in_(uids)).order_by(Signature.id).with_for_update(of=Signature)
    return {one.uid: one for one in session.scalars(found)}


@lru_cache(maxsize=1)
def _with_letter() -> Select[Signature]:
    return select(Signature).options(joinedload(Signature.letter), joinedload(Signature.text).defer(LetterText.body))


def note_bounce(session: Session, signature_id: int, code: str, *, is_dead: bool = True) -> None:
    """Note that a mail to a signature's address came back, with the code that says why; of a dead one, forget it."""
    known: dict[str, object] = {"bounced": code, **({"email_sealed": None} if is_dead else {})}
    noted = update(Signature).where(Signature.id == signature_id).values(**known)
    session.execute(noted.execution_options(synchronize_session=False))
