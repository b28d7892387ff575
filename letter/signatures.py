"""Signatures: how they come in, the one table of how they change, and which are shown."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import ColumnElement, Select, and_, exists, func, or_, select, tuple_, update
from sqlalchemy.orm import Session, contains_eager

from letter import audit, clock, letters, names, tokens
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
    Moderation,
    Person,
    Signature,
    Source,
    State,
)
from letter.outbox import Mail, queue
from letter.sealing import Keys, email_key, seal

LINK_DAYS = 7  # longer than a mail is retried, so that no link arrives dead
PAGE = 200
SEARCH_LENGTH = 80

MOVES: dict[State, set[State]] = {
    State.PENDING: {State.CONFIRMED, State.EXPIRED, State.WITHDRAWN},
    State.CONFIRMED: {State.APPROVED, State.HELD, State.REJECTED, State.WITHDRAWN},
    State.HELD: {State.CONFIRMED, State.APPROVED, State.REJECTED, State.WITHDRAWN},
    State.APPROVED: {State.CONFIRMED, State.HELD, State.REJECTED, State.WITHDRAWN},
    State.REJECTED: {State.CONFIRMED, State.APPROVED, State.HELD, State.WITHDRAWN},
    State.EXPIRED: {State.WITHDRAWN},
    State.WITHDRAWN: set(),
}
DECIDED = (State.APPROVED, State.HELD, State.REJECTED)


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


def sign(session: Session, keys: Keys, letter: Letter, submission: Submission) -> Signature:
    """Add a pending signature and the mail that asks to confirm it, whoever the address belongs to.

    Raise LetterClosed if the letter takes none. The same work is done for every address; see `outbox.settle`.
    """
    letters.demand_open(letter)
    text = letters.text_in(letter, submission.language)
    signature = _new(letter, text, submission.name, submission.affiliation, submission.kind)
    signature.display = submission.display
    signature.wants_updates = submission.wants_updates
    signature.email_key = email_key(keys, letter.uid, submission.email)
    signature.email_sealed = seal(keys, submission.email)
    signature.expires_at = signature.created_at + timedelta(days=LINK_DAYS)
    session.add(signature)
    queue(session, keys, Mail.CONFIRM, signature, submission.email)
    session.flush()
    return signature


def vouch(session: Session, letter: Letter, entries: Iterable[Entry], note: str, *, by: Person | None = None) -> int:
    """Add first signatories whom the organiser vouches for, at the end of the list, as one batch; return how many.

    They are approved, have no address, and keep the order given. `note` says on what ground.
    """
    batch = Batch(letter_id=letter.id, person_id=by.id if by else None, action="import", created_at=clock.now())
    session.add(batch)
    last = session.scalar(select(func.max(Signature.place)).where(Signature.letter_id == letter.id)) or 0
    text = letters.text_in(letter)
    for place, entry in enumerate(entries, last + 1):
        signature = _vouched(letter, text, entry, note)
        signature.place = place
        batch.steps.append(BatchStep(signature=signature, before=None, after=State.APPROVED, version=1))
    session.flush()
    audit.note(session, "import", letter.uid, by=by, letter=letter, rows=len(batch.steps))
    return len(batch.steps)


def _vouched(letter: Letter, text: LetterText, entry: Entry, note: str) -> Signature:
    signature = _new(letter, text, entry.name, entry.affiliation, Kind(entry.kind))
    signature.state, signature.decided_at = State.APPROVED, signature.created_at
    signature.evidence, signature.evidence_note = Evidence.VOUCHED, note
    signature.source = Source.IMPORT
    return signature


def _new(letter: Letter, text: LetterText, name: str, affiliation: str, kind: Kind) -> Signature:
    signature = Signature(
        uid=tokens.new_uid(),
        letter=letter,
        text=text,
        kind=kind,
        display=Display.PUBLIC,
        state=State.PENDING,
        evidence=Evidence.NONE,
        source=Source.WEB,
        language=text.language,
        created_at=clock.now(),
    )
    rename(signature, name, affiliation)
    return signature


def rename(signature: Signature, name: str, affiliation: str) -> None:
    """Set name and affiliation, with the keys by which they are sorted and found."""
    signature.name, signature.affiliation = name, affiliation
    signature.sort_key = names.sort_key(name, signature.letter.default_language)
    signature.fold_key = names.fold(f"{name} {affiliation}")


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


def expire(session: Session) -> int:
    """Move every pending signature whose link is too old to expired, in one statement; return how many."""
    late = update(Signature).where(Signature.state == State.PENDING, Signature.expires_at <= clock.now())
    marked = session.execute(late.values(state=State.EXPIRED, version=Signature.version + 1))
    return int(marked.rowcount)  # type: ignore[attr-defined]


def by_uid(session: Session, uid: str) -> Signature | None:
    """Return the signature that a link names."""
    return session.scalars(select(Signature).where(Signature.uid == uid)).first()


def accepted(letter: Letter) -> ColumnElement[bool]:
    """Return the condition for signatures that count as verified on `letter`: what its moderation asks for."""
    approved = Signature.state == State.APPROVED
    if letter.moderation is Moderation.BEFORE:
        return and_(Signature.letter_id == letter.id, approved)
    open_flag = exists().where(Flag.signature_id == Signature.id, Flag.resolution.is_(None))
    unflagged = and_(Signature.state == State.CONFIRMED, ~open_flag)
    return and_(Signature.letter_id == letter.id, or_(approved, unflagged))


def published(letter: Letter) -> ColumnElement[bool]:
    """Return the condition for names that everybody may read."""
    return and_(accepted(letter), Signature.display == Display.PUBLIC)


@dataclass(frozen=True)
class Counts:
    """How many have confirmed, and how many of their names are published."""

    confirmed: int
    published: int


def counts(session: Session, letter: Letter) -> Counts:
    """Count a letter's signatures as the public is told."""
    confirmed = (State.CONFIRMED, State.HELD, State.APPROVED)
    stands = and_(Signature.letter_id == letter.id, Signature.state.in_(confirmed))
    return Counts(
        confirmed=session.scalar(select(func.count()).select_from(Signature).where(stands)) or 0,
        published=session.scalar(select(func.count()).select_from(Signature).where(published(letter))) or 0,
    )


def first_signatories(session: Session, letter: Letter, search: str = "") -> Sequence[Signature]:
    """Return the published first signatories in the organiser's order."""
    found = _search(select(Signature).where(published(letter), Signature.place.is_not(None)), search)
    return session.scalars(found.order_by(Signature.place)).all()


def others(
    session: Session, letter: Letter, search: str = "", after: Signature | None = None, most: int = PAGE
) -> Sequence[Signature]:
    """Return the next `most` published names after the one given, sorted as the letter's language sorts."""
    found = _search(select(Signature).where(published(letter), Signature.place.is_(None)), search)
    if after is not None:
        found = found.where(tuple_(Signature.sort_key, Signature.id) > (after.sort_key, after.id))
    return session.scalars(found.order_by(Signature.sort_key, Signature.id).limit(most)).all()


def _search(found: Select[Signature], search: str) -> Select[Signature]:
    folded = names.fold(search[:SEARCH_LENGTH])
    return found.where(Signature.fold_key.contains(folded, autoescape=True)) if folded else found


def in_desk(
    session: Session, letter: Letter, state: State | None, search: str, before: int | None, most: int = PAGE
) -> Sequence[Signature]:
    """Return signatures of any state for staff, newest first, those with an id below `before`."""
    found = _search(select(Signature).where(Signature.letter_id == letter.id), search)
    if state:
        found = found.where(Signature.state == state)
    if before:
        found = found.where(Signature.id < before)
    return session.scalars(found.order_by(Signature.id.desc()).limit(most)).all()


def exportable(letter: Letter) -> Select[Signature]:
    """Return the verified names for the recipient: the public ones and those for the recipient only, in list order."""
    return (
        select(Signature)
        .join(Signature.text)
        .options(contains_eager(Signature.text))
        .where(accepted(letter), Signature.display != Display.COUNTED)
        .order_by(Signature.place.is_(None), Signature.place, Signature.sort_key, Signature.id)
    )
