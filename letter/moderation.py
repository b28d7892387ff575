"""What moderators decide: one or many at a time, never over somebody else's newer decision, always undoable."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from sqlalchemy import Select, func, select, update
from sqlalchemy.orm import Session, selectinload

from letter import audit, clock, signatures, tally
from letter.errors import BadInput, NotFound, Overtaken
from letter.models import Batch, BatchStep, Letter, Person, Signature, State

PAGE = 50
MOST_AT_ONCE = 200
MOST_COUNTED = 1000
REASON_LENGTH = 500


class Action(StrEnum):
    """What can be decided about an entry."""

    APPROVE = "approve"
    REJECT = "reject"
    HOLD = "hold"


BECOMES = {Action.APPROVE: State.APPROVED, Action.REJECT: State.REJECTED, Action.HOLD: State.HELD}


@dataclass(frozen=True)
class Choice:
    """An entry as the moderator saw it: its id, and the version on the page."""

    id: int
    version: int


@dataclass(frozen=True)
class Outcome:
    """How many entries were changed, and how many somebody else had changed before."""

    done: int
    skipped: int


def waiting(session: Session, letter: Letter, state: State = State.CONFIRMED, most: int = PAGE) -> Sequence[Signature]:
    """Return the entries that wait for a decision, oldest first; `state` may also be held."""
    found = select(Signature).where(Signature.letter_id == letter.id, Signature.state == state)
    return session.scalars(found.order_by(Signature.confirmed_at, Signature.id).limit(most)).all()


def how_many(session: Session, letter: Letter) -> dict[State, int]:
    """Return the number of signatures in each state; those that nobody confirmed are counted up to `MOST_COUNTED`."""
    found: Counter[State] = Counter()
    for sort, number in tally.read(session, letter).sorts.items():
        found[sort.state] += number
    for state in tally.NOT_COUNTED:
        some = select(Signature.id).where(Signature.letter_id == letter.id, Signature.state == state)
        found[state] = session.scalar(select(func.count()).select_from(some.limit(MOST_COUNTED).subquery())) or 0
    return found


def decide(
    session: Session, letter: Letter, choices: Sequence[Choice], action: Action, *, by: Person, reason: str = ""
) -> Outcome:
    """Decide about the chosen entries, as one batch. Entries that changed since they were shown are left alone.

    Raise Overtaken if that leaves none, BadInput if nothing was chosen, NotFound for an entry of another letter.
    """
    if not choices:
        raise BadInput("Please choose at least one entry first.")
    if len(choices) > MOST_AT_ONCE:
        raise BadInput(f"At most {MOST_AT_ONCE} entries can be decided at once.")
    found = _load(session, letter, choices)
    seen = {choice.id: choice.version for choice in choices}
    fresh = [row for row in found.values() if row.version == seen[row.id]]
    fresh = [row for row in fresh if row.state not in (State.PENDING, BECOMES[action])]
    if not fresh:
        raise Overtaken
    batch = Batch(
        letter_id=letter.id, person_id=by.id, action=action, reason=reason[:REASON_LENGTH], created_at=clock.now()
    )
    session.add(batch)
    for signature in fresh:
        _step(session, batch, signature, BECOMES[action])
        audit.note(session, f"signature.{action}", signature.uid, by=by, letter=letter, **_moved(batch.steps[-1]))
    return Outcome(done=len(fresh), skipped=len(found) - len(fresh))


def _load(session: Session, letter: Letter, choices: Sequence[Choice]) -> dict[int, Signature]:
    ids = {choice.id for choice in choices}
    rows = select(Signature).where(Signature.letter_id == letter.id, Signature.id.in_(ids))
    found = {row.id: row for row in session.scalars(_held(rows))}
    if ids - found.keys():
        raise NotFound("One of these entries does not belong to this letter.")
    return found


def _held(rows: Select[Signature]) -> Select[Signature]:
    """Let others who decide about these entries wait, and take them in one order, so that nobody waits in a circle."""
    return rows.order_by(Signature.id).with_for_update().execution_options(populate_existing=True)


def _step(session: Session, batch: Batch, signature: Signature, to: State) -> None:
    step = BatchStep(signature=signature, before=signature.state, after=to, found_version=signature.version)
    signatures.move(signature, to)
    session.flush()
    step.version = signature.version
    batch.steps.append(step)


def _moved(step: BatchStep) -> dict[str, str]:
    return {"before": str(step.before), "after": str(step.after)}


def _follow(session: Session, step: BatchStep) -> None:
    """Let the step before an undone one know the entry as it is now, so that it can be undone in its turn."""
    earlier = update(BatchStep).where(
        BatchStep.signature_id == step.signature_id, BatchStep.version == step.found_version, BatchStep.id < step.id
    )
    session.execute(earlier.values(version=step.signature.version))


def reasons(session: Session, entries: Sequence[Signature]) -> dict[int, str]:
    """Return why the newest decision about each of the entries was made, where somebody wrote it down."""
    found = (
        select(BatchStep.signature_id, Batch.reason)
        .join(BatchStep.batch)
        .where(BatchStep.signature_id.in_([entry.id for entry in entries]), Batch.undone_at.is_(None))
        .order_by(BatchStep.id)
    )
    return {number: reason for number, reason in session.execute(found) if reason}


def latest(session: Session, letter: Letter, by: Person) -> Batch | None:
    """Return this person's last decision on the letter that can be undone."""
    found = select(Batch).where(
        Batch.letter_id == letter.id,
        Batch.person_id == by.id,
        Batch.action.in_(list(Action)),
        Batch.undone_at.is_(None),
    )
    return session.scalars(
        found.order_by(Batch.id.desc()).limit(1).options(selectinload(Batch.steps).selectinload(BatchStep.signature))
    ).first()


def _is_mine_to_undo(session: Session, batch: Batch) -> bool:
    """Of two who press the button at once, the second waits here and finds it undone."""
    undone_at = session.scalar(select(Batch.undone_at).where(Batch.id == batch.id).with_for_update())
    return undone_at is None


def undo(session: Session, letter: Letter, *, by: Person) -> Outcome:
    """Take this person's last decision back. Entries that somebody changed since then stay as they are.

    Raise BadInput if there is nothing to undo.
    """
    batch = latest(session, letter, by)
    if batch is None or not _is_mine_to_undo(session, batch):
        raise BadInput("There is nothing of yours to undo here.")
    changed = select(BatchStep.signature_id).where(BatchStep.batch_id == batch.id)
    session.scalars(_held(select(Signature).where(Signature.id.in_(changed)))).all()
    batch.undone_at = clock.now()
    done = 0
    for step in batch.steps:
        signature = step.signature
        if signature.version != step.version or step.before is None:
            continue
        signatures.move(signature, State(step.before))
        session.flush()
        _follow(session, step)
        audit.note(session, "signature.undo", signature.uid, by=by, letter=letter, before=step.after, after=step.before)
        done += 1
    session.flush()
    return Outcome(done=done, skipped=len(batch.steps) - done)
