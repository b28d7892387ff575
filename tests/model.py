"""What must come of it when people sign, change their minds and decide: a model without a database."""

import itertools
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from letter.errors import AlreadySigned, BadInput, LinkExpired, LinkInvalid, MoveRefused, Overtaken, Refusal
from letter.models import Display, Moderation, State
from letter.moderation import Action

S = State
LIVING = (S.CONFIRMED, S.APPROVED, S.HELD, S.REJECTED)
WAITING = (S.PENDING, S.EXPIRED)
BECOMES = {Action.APPROVE: S.APPROVED, Action.HOLD: S.HELD, Action.REJECT: S.REJECTED}
WEEK = timedelta(days=7)
marks = itertools.count(1)


@dataclass
class Row:
    """A signature. `mark` changes with every change; an undone decision gives the mark before it back."""

    email: str | None  # None once nothing of the person is left
    name: str
    display: Display
    expires_at: datetime
    state: State = S.PENDING
    was_confirmed: bool = False
    is_flagged: bool = False
    mark: int = field(default_factory=lambda: next(marks))

    def become(self, state: State) -> None:
        self.state, self.mark = state, next(marks)


@dataclass
class Step:
    row: Row
    before: State
    found: int
    left: int


class Model:
    """A letter's signatures by id, and what each moderator can undo."""

    def __init__(self, moderation: Moderation) -> None:
        self.moderation = moderation
        self.rows: dict[int, Row] = {}
        self.batches: dict[str, list[list[Step]]] = {}
        self.staff_changes = 0

    def confirm(self, row: Row, now: datetime) -> type[Refusal] | None:
        if row.state in LIVING:
            return None
        if row.state is S.WITHDRAWN:
            return LinkInvalid
        if row.state is S.EXPIRED or row.expires_at <= now:
            return LinkExpired
        if any(other.email == row.email and other.state in LIVING for other in self.rows.values()):
            return AlreadySigned
        row.become(S.CONFIRMED)
        row.was_confirmed = True
        return None

    def expire(self, now: datetime) -> None:
        for row in self.rows.values():
            if row.state is S.PENDING and row.expires_at <= now:
                row.become(S.EXPIRED)
            if row.state is S.EXPIRED and row.expires_at <= now - WEEK:
                row.email, row.name = None, ""

    def correct(self, row: Row, name: str) -> type[Refusal] | None:
        if row.state not in LIVING:
            return LinkInvalid
        if row.name != name:
            row.name = name
            row.become({S.APPROVED: S.CONFIRMED, S.REJECTED: S.HELD}.get(row.state, row.state))
        return None

    def show(self, row: Row, display: Display) -> type[Refusal] | None:
        if row.state not in LIVING:
            return LinkInvalid
        is_new = display is Display.PUBLIC and row.display is not Display.PUBLIC
        if row.display is not display:
            row.display = display
            row.become(S.CONFIRMED if is_new and row.state is S.APPROVED else row.state)
        return None

    def withdraw(self, row: Row) -> None:
        if row.state is not S.WITHDRAWN:
            row.become(S.WITHDRAWN)
        for other in self.rows.values():
            is_same = other.email is not None and other.email == row.email
            if other is not row and other.state in WAITING and is_same:
                other.become(S.EXPIRED)
                other.email, other.name = None, ""

    def erase(self, row: Row) -> None:
        self.withdraw(row)
        row.email, row.name = None, ""

    def not_me(self, row: Row) -> type[Refusal] | None:
        if row.email is None:
            return LinkInvalid
        self.withdraw(row)
        return None

    def decide(self, fresh: list[Row], action: Action, by: str) -> type[Refusal] | None:
        """`fresh` are the chosen entries that did not change since they were shown."""
        to = BECOMES[action]
        fresh = [row for row in fresh if row.state not in (S.PENDING, to)]
        if not fresh:
            return Overtaken
        if any(row.state in (S.WITHDRAWN, S.EXPIRED) for row in fresh):
            return MoveRefused
        steps = [Step(row, row.state, row.mark, 0) for row in fresh]
        for step in steps:
            step.row.become(to)
            step.left = step.row.mark
        self.batches.setdefault(by, []).append(steps)
        self.staff_changes += len(steps)
        return None

    def undo(self, by: str) -> type[Refusal] | None:
        if not self.batches.get(by):
            return BadInput
        for step in self.batches[by].pop():
            if step.row.mark == step.left:
                step.row.state, step.row.mark = step.before, step.found
                self.staff_changes += 1
        return None

    def published(self) -> list[str]:
        return sorted(row.name for row in self.rows.values() if self._is_published(row))

    def _is_published(self, row: Row) -> bool:
        unseen = self.moderation is Moderation.AFTER and row.state is S.CONFIRMED and not row.is_flagged
        return (row.state is S.APPROVED or unseen) and row.display is Display.PUBLIC

    def standing(self) -> int:
        return sum(row.state in (S.CONFIRMED, S.HELD, S.APPROVED) for row in self.rows.values())
