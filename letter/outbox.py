"""The mails that are due: written in the transaction that causes them, claimed with a lease by any worker."""

import random
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from sqlalchemy import ColumnElement, Select, Update, func, literal_column, select, update
from sqlalchemy.orm import Session
from sqlalchemy.sql.dml import ReturningUpdate

from letter import clock, limits, tokens
from letter.models import LIVING_STATES, Blocked, Outbox, Post, Signature, State
from letter.sealing import Keys, email_key, seal

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


def queue(session: Session, keys: Keys, kind: Mail, signature: Signature, address: str) -> Outbox:
    """Add a mail about `signature` to `address`. Its text is made when it is sent."""
    row = Outbox(signature=signature, **values_for(keys, kind, address, clock.now()))
    session.add(row)
    return row


def values_for(keys: Keys, kind: Mail, address: str, now: datetime) -> dict[str, Any]:
    """Return the columns of a new mail, all but `signature_id`, for those who insert without an object."""
    return {
        "kind": kind,
        "message_id": tokens.new_uid(),
        "priority": FIRST if kind is Mail.CONFIRM else LATER,
        "to_sealed": seal(keys, address),
        "state": Post.WAITING,
        "attempts": 0,
        "due_at": now,
        "error": "",
        "created_at": now,
    }


def claim(session: Session, most: int) -> list[Outbox]:
    """Lease up to `most` mails that are due, confirmations before all others, each kind oldest first.

    Claiming is no attempt: a worker that dies, or finds no server, has not tried. `settle` counts.
    """
    now = clock.now()
    session.execute(_freed(now, most))
    found: list[Outbox] = []
    for priority in (FIRST, LATER):
        if len(found) < most:
            leased = session.scalars(_leased(priority, now, most - len(found)))
            found += sorted(leased, key=lambda row: row.id)
    return found


def _freed(now: datetime, most: int) -> Update:
    """A lease that ran out is nobody's: its mail waits again, in its place among the others."""
    due = _some(Outbox.due_at <= now, state=Post.LEASED).order_by(Outbox.due_at, Outbox.id).limit(most)
    freed = update(Outbox).where(Outbox.id.in_(due.scalar_subquery()))
    return freed.values(state=Post.WAITING, lease=None).execution_options(synchronize_session="fetch")


def _leased(priority: int, now: datetime, most: int) -> ReturningUpdate[Outbox]:
    due = _some(Outbox.priority == priority, Outbox.due_at <= now, state=Post.WAITING)
    due = due.order_by(Outbox.due_at, Outbox.id).limit(most)
    leased = update(Outbox).where(Outbox.id.in_(due.scalar_subquery()))
    return leased.values(state=Post.LEASED, lease=tokens.new_uid(), due_at=now + LEASE).returning(Outbox)


def _some(*which: ColumnElement[bool], state: Post) -> Select[int]:
    # The state is part of the statement: a database takes a partial index only for a value that it sees.
    is_so = Outbox.state == literal_column(f"'{state}'")
    return select(Outbox.id).where(is_so, *which).with_for_update(skip_locked=True)


def hold(session: Session, row_id: int, lease: str) -> Outbox | None:
    """Return the mail if `lease` still holds it, locked until the commit; None if it was taken away or given on."""
    row = session.get(Outbox, row_id, with_for_update=True)
    return row if row and row.state is Post.LEASED and row.lease == lease else None


def settle(session: Session, keys: Keys, row: Outbox, address: str) -> bool:
    """Count an attempt, renew the lease for it, and return whether the mail is sent at all.

    The form answers the same to every address and does the same work; here, at the first attempt, it shows whether the
    address has signed already, wants no mail, or has had enough of them. A mail that is tried again stays what it was.
    """
    row.attempts += 1
    row.due_at = clock.now() + LEASE
    if row.signature is None or not _is_wanted(row, row.signature):
        return False
    if _is_blocked(session, keys, row.signature, address):
        return False
    if row.kind != Mail.CONFIRM or row.attempts > 1:
        return True
    living = living_of(session, row.signature)
    if living:
        row.kind, row.signature = Mail.ALREADY, living
    return _is_within_limits(session, keys, row.signature, address)


def _is_wanted(row: Outbox, signature: Signature) -> bool:
    if row.kind != Mail.CONFIRM:
        return signature.state in LIVING_STATES
    is_late = signature.expires_at is not None and signature.expires_at <= clock.now()
    return signature.state is State.PENDING and not is_late


def living_of(session: Session, signature: Signature) -> Signature | None:
    """Return the confirmed signature of the same address on the same letter, if there is one."""
    if signature.email_key is None:  # forgotten; first signatories who never had one are somebody else
        return None
    return session.scalars(
        select(Signature).where(
            Signature.letter_id == signature.letter_id,
            Signature.email_key == signature.email_key,
            Signature.state.in_(LIVING_STATES),
        )
    ).first()


def _is_blocked(session: Session, keys: Keys, signature: Signature, address: str) -> bool:
    either = [email_key(keys, EVERYWHERE, address), signature.email_key]
    return session.scalar(select(Blocked.id).where(Blocked.email_key.in_(either))) is not None


def _is_within_limits(session: Session, keys: Keys, signature: Signature, address: str) -> bool:
    today = limits.is_within(session, limits.MAILS_PER_ADDRESS, limits.address(keys, EVERYWHERE, address))
    letter = limits.address(keys, signature.letter.uid, address)
    return today and limits.is_within(session, limits.MAILS_PER_ADDRESS_AND_LETTER, letter)


def sent(row: Outbox) -> None:
    """Record that a server took the mail; the address is forgotten."""
    _finish(row, Post.SENT, "")
    row.sent_at = clock.now()


def drop(row: Outbox, why: str) -> None:
    """Record that the mail is not to be sent; the address is forgotten."""
    _finish(row, Post.DROPPED, why)


def refused(row: Outbox, why: str, *, for_good: bool) -> None:
    """Record a refusal: for good, or to be tried again after a growing pause until four days are over."""
    now = clock.now()
    if for_good or now - row.created_at > GIVE_UP_AFTER:
        _finish(row, Post.FAILED, why)
        return
    row.state, row.lease, row.error = Post.WAITING, None, why
    row.due_at = now + pause(row.attempts)


def put_back(row: Outbox, until: datetime, why: str) -> None:
    """Give a mail back that could not be tried, since the server was not there; a week without one ends it."""
    if clock.now() - row.created_at > KEPT_WITHOUT_SERVER:
        _finish(row, Post.FAILED, why)
        return
    row.state, row.lease, row.error, row.due_at = Post.WAITING, None, why, until


def how_many_late(session: Session) -> int:
    """Return how many mails have been waiting for more than ten minutes."""
    waiting = (Outbox.state.in_((Post.WAITING, Post.LEASED)), Outbox.created_at < clock.now() - LATE)
    return session.scalar(select(func.count()).select_from(Outbox).where(*waiting)) or 0


def pause(attempts: int) -> timedelta:
    """Return how long to wait after that many attempts, with a tenth of chance so that not all come back at once."""
    minutes = PAUSES[attempts - 1] if attempts <= len(PAUSES) else LONGEST_PAUSE
    return timedelta(minutes=minutes * random.uniform(0.9, 1.1))  # noqa: S311 - no secret


def _finish(row: Outbox, state: Post, why: str) -> None:
    row.state, row.lease, row.error, row.to_sealed = state, None, why, None
