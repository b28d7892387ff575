"""The mails that are due: written in the transaction that causes them, claimed with a lease by any worker."""

import random
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from sqlalchemy import ColumnElement, Select, Update, func, literal_column, select, update
from sqlalchemy.orm import Session
from sqlalchemy.sql.dml import ReturningUpdate

from letter import clock, tokens
from letter.columns import once
from letter.models import Outbox, Post, Signature
from letter.sealing import Keys, seal

LEASE = timedelta(minutes=5)
LATE = timedelta(minutes=10)
# Minutes after each temporary refusal; then every six hours until four days are over (RFC 5321, section 4.5.4.1).
PAUSES = (1, 5, 15, 30, 60, 120, 240)
LONGEST_PAUSE = 360
GIVE_UP_AFTER = timedelta(days=4)
# No server for as long as a link lives: the address is not kept for longer.
KEPT_WITHOUT_SERVER = timedelta(days=7)
EVERYWHERE = "instance"
FIRST, LATER = 0, 1  # what somebody waits for at the screen, and the rest


class Mail(StrEnum):
    """The mails that are sent; each has its folder in templates/mail."""

    CONFIRM = "confirm"
    CONFIRMED = "confirmed"
    ALREADY = "already"


@dataclass(frozen=True)
class Claim:
    """Mails that one worker has leased, in the order in which they should go."""

    lease: str
    ids: list[int]
    until: datetime


def queue(session: Session, keys: Keys, kind: Mail, signature: Signature, address: str) -> Outbox:
    """Add a mail about `signature` to `address`. Its text is made when it is sent."""
    row = Outbox(signature=signature, **values_for(kind, seal(keys, address), clock.now()))
    session.add(row)
    return row


def values_for(kind: Mail, to_sealed: bytes, now: datetime) -> dict[str, Any]:
    """Return the columns of a new mail, all but `signature_id`, for those who insert without an object."""
    return {
        "kind": kind,
        "message_id": tokens.new_uid(),
        "priority": FIRST if kind is Mail.CONFIRM else LATER,
        "to_sealed": to_sealed,
        "state": Post.WAITING,
        "attempts": 0,
        "due_at": now,
        "error": "",
        "created_at": now,
    }


def claim(session: Session, most: int) -> Claim:
    """Lease up to `most` mails that are due, confirmations before all others, each kind oldest first.

    Claiming is no attempt: a worker that dies, or finds no server, has not tried.
    """
    now = clock.now()
    session.execute(_freed(now, most))
    found = Claim(tokens.new_uid(), [], now + LEASE)
    for priority in (FIRST, LATER):
        left = most - len(found.ids)
        if left > 0:
            found.ids.extend(sorted(session.scalars(_leased(found, priority, now, left))))
    return found


def _freed(now: datetime, most: int) -> Update:
    """A lease that ran out is nobody's: its mail waits again, in its place among the others."""
    due = _some(Outbox.due_at <= now, state=Post.LEASED).order_by(Outbox.due_at, Outbox.id).limit(most)
    freed = update(Outbox).where(Outbox.id.in_(once(due)))
    return freed.values(state=Post.WAITING, lease=None).execution_options(synchronize_session=False)


def _leased(claim: Claim, priority: int, now: datetime, most: int) -> ReturningUpdate[int]:
    due = _some(Outbox.priority == priority, Outbox.due_at <= now, state=Post.WAITING)
    due = due.order_by(Outbox.due_at, Outbox.id).limit(most)
    leased = update(Outbox).where(Outbox.id.in_(once(due)))
    leased = leased.values(state=Post.LEASED, lease=claim.lease, due_at=claim.until)
    return leased.execution_options(synchronize_session=False).returning(Outbox.id)


def _some(*which: ColumnElement[bool], state: Post) -> Select[int]:
    # The state is part of the statement: a database takes a partial index only for a value that it sees.
    is_so = Outbox.state == literal_column(f"'{state}'")
    return select(Outbox.id).where(is_so, *which).with_for_update(skip_locked=True)


def sent(session: Session, lease: str, ids: Collection[int]) -> None:
    """Record that a server took these mails; their addresses are forgotten."""
    _change(session, lease, ids, **_finished(Post.SENT, ""), sent_at=clock.now())


def drop(session: Session, lease: str, ids: Collection[int], why: str) -> None:
    """Record that these mails are not to be sent; their addresses are forgotten."""
    _change(session, lease, ids, **_finished(Post.DROPPED, why))


def fail(session: Session, lease: str, ids: Collection[int], why: str) -> None:
    """Record that these mails are given up; their addresses are forgotten."""
    _change(session, lease, ids, **_finished(Post.FAILED, why))


def refused(session: Session, lease: str, number: int, attempts: int, created_at: datetime, why: str) -> None:
    """Record that one mail was refused for now: it is tried again after a growing pause, until four days are over.

    `attempts` counts this one too.
    """
    now = clock.now()
    if now - created_at > GIVE_UP_AFTER:
        fail(session, lease, [number], why)
    else:
        again = {"due_at": now + pause(attempts), "attempts": attempts}
        _change(session, lease, [number], state=Post.WAITING, lease=None, error=why, **again)


def bounced(session: Session, message_id: str, code: str) -> int | None:
    """Record that a mail came back; return the id of its signature. None if that mail was not sent, or noted before."""
    sent = (Outbox.message_id == message_id, Outbox.state == Post.SENT)
    changed = update(Outbox).where(*sent).values(state=Post.BOUNCED, error=code).returning(Outbox.signature_id)
    return session.scalar(changed.execution_options(synchronize_session=False))


def put_back(session: Session, lease: str, ids: Iterable[int], until: datetime, why: str) -> None:
    """Give mails back that could not be tried, since the server was not there; a week without one ends them."""
    ids = list(ids)
    old = Outbox.created_at < clock.now() - KEPT_WITHOUT_SERVER
    _change(session, lease, ids, old, **_finished(Post.FAILED, why))
    _change(session, lease, ids, state=Post.WAITING, lease=None, error=why, due_at=until)


def _change(session: Session, held_by: str, ids: Collection[int], *which: ColumnElement[bool], **values: Any) -> None:
    """Change those of the mails that the lease still holds; what was taken away or given on is another's."""
    if ids:
        ours = (Outbox.id.in_(ids), Outbox.state == Post.LEASED, Outbox.lease == held_by, *which)
        session.execute(update(Outbox).where(*ours).values(**values).execution_options(synchronize_session=False))


def _finished(state: Post, why: str) -> dict[str, Any]:
    return {"state": state, "lease": None, "error": why, "to_sealed": None}


def pull_in(session: Session) -> int:
    """Let no mail wait longer than any pause is, as it would after a clock that was ahead was set right."""
    now = clock.now()
    beyond = Outbox.due_at > now + timedelta(minutes=LONGEST_PAUSE * 1.1)
    pulled = 0
    for state, priority, due_at in (
        (Post.WAITING, FIRST, now),
        (Post.WAITING, LATER, now),
        (Post.LEASED, None, now + LEASE),
    ):
        which = (beyond,) if priority is None else (Outbox.priority == priority, beyond)
        off = update(Outbox).where(Outbox.id.in_(_some(*which, state=state).scalar_subquery())).values(due_at=due_at)
        pulled += int(session.execute(off).rowcount)  # type: ignore[attr-defined]
    return pulled


def how_many_late(session: Session) -> int:
    """Return how many mails have been waiting for more than ten minutes."""
    waiting = (Outbox.state.in_((Post.WAITING, Post.LEASED)), Outbox.created_at < clock.now() - LATE)
    return session.scalar(select(func.count()).select_from(Outbox).where(*waiting)) or 0


def pause(attempts: int) -> timedelta:
    """Return how long to wait after that many attempts, with a tenth of chance so that not all come back at once."""
    minutes = PAUSES[attempts - 1] if attempts <= len(PAUSES) else LONGEST_PAUSE
    return timedelta(minutes=minutes * random.uniform(0.9, 1.1))  # noqa: S311 - no secret
