"""Deciding: one or many, never over somebody else's decision, always undoable."""

from collections.abc import Callable

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from letter import accounts, confirmation, moderation, signatures
from letter.errors import BadInput, NotFound, Overtaken
from letter.models import Audit, Letter, Person, Role, Signature, State
from letter.moderation import Action, Choice, Outcome
from tests.conftest import KEYS, make_letter, submission


@pytest.fixture
def ben(session: Session, letter: Letter) -> Person:
    return accounts.add(session, "ben@example.org", Role.MODERATOR, letter)


@pytest.fixture
def entries(session: Session, letter: Letter) -> list[Signature]:
    return [enter(session, letter, name) for name in ("Anna", "Bela", "Cora")]


def enter(session: Session, letter: Letter, name: str) -> Signature:
    signature = signatures.sign(session, KEYS, letter, submission(name, f"{name}@example.org"))
    confirmation.confirm(session, KEYS, signature)
    session.flush()
    return signature


def seen(*rows: Signature) -> list[Choice]:
    return [Choice(row.id, row.version) for row in rows]


def test_the_queue_shows_what_waits_oldest_first(session: Session, letter: Letter, entries: list[Signature]) -> None:
    signatures.sign(session, KEYS, letter, submission("Unconfirmed", "u@example.org"))
    assert [one.name for one in moderation.waiting(session, letter)] == ["Anna", "Bela", "Cora"]


@pytest.mark.parametrize(
    ("action", "state"),
    [(Action.APPROVE, State.APPROVED), (Action.REJECT, State.REJECTED), (Action.HOLD, State.HELD)],
)
def test_a_decision_moves_the_entry_and_writes_one_audit_row(
    session: Session, letter: Letter, ben: Person, entries: list[Signature], action: Action, state: State
) -> None:
    before = len(session.scalars(select(Audit)).all())
    assert moderation.decide(session, letter, seen(entries[0]), action, by=ben) == Outcome(1, 0)
    assert entries[0].state is state
    row = session.scalars(select(Audit).order_by(Audit.id)).all()[before:]
    assert [(one.action, one.subject, one.actor) for one in row] == [(f"signature.{action}", entries[0].uid, ben.uid)]
    assert "Anna" not in row[0].detail


def test_many_are_decided_at_once_and_undone_as_one(
    session: Session, letter: Letter, ben: Person, entries: list[Signature]
) -> None:
    moderation.decide(session, letter, seen(*entries), Action.REJECT, by=ben, reason="a joke")
    assert moderation.undo(session, letter, by=ben) == Outcome(3, 0)
    assert {one.state for one in entries} == {State.CONFIRMED}
    assert {one.decided_at for one in entries} == {None}
    with pytest.raises(BadInput, match="nothing"):
        moderation.undo(session, letter, by=ben)


def test_an_entry_that_changed_since_it_was_shown_is_left_alone(
    session: Session, letter: Letter, ben: Person, entries: list[Signature]
) -> None:
    stale = seen(*entries)
    moderation.decide(session, letter, seen(entries[0]), Action.HOLD, by=ben)
    assert moderation.decide(session, letter, stale, Action.APPROVE, by=ben) == Outcome(2, 1)
    assert [one.state for one in entries] == [State.HELD, State.APPROVED, State.APPROVED]


def test_when_all_were_decided_by_others_the_moderator_is_told(
    session: Session, letter: Letter, ben: Person, entries: list[Signature]
) -> None:
    stale = seen(entries[0])
    moderation.decide(session, letter, stale, Action.APPROVE, by=ben)
    with pytest.raises(Overtaken):
        moderation.decide(session, letter, stale, Action.REJECT, by=ben)
    assert entries[0].state is State.APPROVED


def test_undo_leaves_alone_what_somebody_changed_since(
    session: Session, letter: Letter, ben: Person, entries: list[Signature]
) -> None:
    ada = accounts.add(session, "ada@example.org", Role.ORGANISER, letter)
    moderation.decide(session, letter, seen(*entries[:2]), Action.APPROVE, by=ben)
    moderation.decide(session, letter, seen(entries[0]), Action.REJECT, by=ada)
    assert moderation.undo(session, letter, by=ben) == Outcome(1, 1)
    assert [one.state for one in entries] == [State.REJECTED, State.CONFIRMED, State.CONFIRMED]


def test_each_decision_can_be_undone_in_its_turn(
    session: Session, letter: Letter, ben: Person, entries: list[Signature]
) -> None:
    anna = entries[0]
    for action in (Action.APPROVE, Action.HOLD, Action.REJECT):
        moderation.decide(session, letter, seen(anna), action, by=ben)
    states = []
    for _ in range(3):
        assert moderation.undo(session, letter, by=ben) == Outcome(1, 0)
        states.append(anna.state)
    assert states == [State.HELD, State.APPROVED, State.CONFIRMED]


def test_the_reason_of_the_newest_decision_is_shown(
    session: Session, letter: Letter, ben: Person, entries: list[Signature]
) -> None:
    moderation.decide(session, letter, seen(*entries[:2]), Action.HOLD, by=ben, reason="is it her?")
    moderation.decide(session, letter, seen(entries[1]), Action.REJECT, by=ben, reason="a joke")
    assert moderation.reasons(session, entries) == {entries[0].id: "is it her?", entries[1].id: "a joke"}


@pytest.mark.parametrize(
    "wrong", [lambda e: [], lambda e: seen(e) * 300], ids=["nothing chosen", "more than can be decided at once"]
)
def test_a_choice_that_makes_no_sense_is_refused(
    session: Session,
    letter: Letter,
    ben: Person,
    entries: list[Signature],
    wrong: Callable[[Signature], list[Choice]],
) -> None:
    with pytest.raises(BadInput):
        moderation.decide(session, letter, wrong(entries[0]), Action.APPROVE, by=ben)


def test_an_entry_of_another_letter_cannot_be_decided_here(
    session: Session, letter: Letter, ben: Person, entries: list[Signature]
) -> None:
    other = enter(session, make_letter(session, "other"), "Otto")
    with pytest.raises(NotFound):
        moderation.decide(session, letter, seen(entries[0], other), Action.APPROVE, by=ben)
    assert (entries[0].state, other.state) == (State.CONFIRMED, State.CONFIRMED)


def test_choosing_one_entry_twice_decides_it_once(
    session: Session, letter: Letter, ben: Person, entries: list[Signature]
) -> None:
    assert moderation.decide(session, letter, seen(entries[0], entries[0]), Action.HOLD, by=ben) == Outcome(1, 0)


def test_an_unconfirmed_signature_cannot_be_decided(session: Session, letter: Letter, ben: Person) -> None:
    pending = signatures.sign(session, KEYS, letter, submission())
    with pytest.raises(Overtaken):
        moderation.decide(session, letter, seen(pending), Action.APPROVE, by=ben)
