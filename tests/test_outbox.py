"""What becomes of a mail that was handed over, refused, dropped, or not tried."""

from datetime import timedelta

import pytest
import time_machine
from sqlalchemy.orm import Session

from letter import clock, outbox, signing
from letter.models import Letter, Outbox, Post
from letter.sealing import unseal
from tests.conftest import KEYS
from tests.mailing import DANA, NOON, sign

pytestmark = pytest.mark.usefixtures("noon")
OURS = "our lease"


def leased(session: Session, letter: Letter) -> Outbox:
    """A mail that we have leased."""
    row = sign(session, letter)
    row.state, row.lease = Post.LEASED, OURS
    session.flush()
    return row


def test_the_address_is_sealed_while_the_mail_is_due_and_gone_afterwards(session: Session, letter: Letter) -> None:
    row = leased(session, letter)
    assert row.to_sealed and unseal(KEYS, row.to_sealed) == DANA
    assert DANA.encode() not in row.to_sealed
    outbox.sent(session, OURS, [row.id])
    session.refresh(row)
    assert (row.state, row.lease, row.to_sealed, row.sent_at) == (Post.SENT, None, None, NOON)


def test_the_address_is_gone_after_a_final_refusal_or_a_drop(session: Session, letter: Letter) -> None:
    failed, dropped = leased(session, letter), leased(session, letter)
    outbox.fail(session, OURS, [failed.id], "550 5.1.1")
    outbox.drop(session, OURS, [dropped.id], "not wanted")
    session.expire_all()
    assert (failed.state, failed.to_sealed, failed.error) == (Post.FAILED, None, "550 5.1.1")
    assert (dropped.state, dropped.to_sealed, dropped.sent_at) == (Post.DROPPED, None, None)


def test_what_another_holds_is_not_changed(session: Session, letter: Letter) -> None:
    row = leased(session, letter)
    outbox.sent(session, "another lease", [row.id])
    outbox.put_back(session, "another lease", [row.id], NOON, "")
    outbox.refused(session, "another lease", row.id, 1, NOON, "450")
    session.refresh(row)
    assert (row.state, row.lease) == (Post.LEASED, OURS)


def test_pauses_grow_to_six_hours_and_end_after_four_days(
    session: Session, letter: Letter, noon: time_machine.Traveller
) -> None:
    row, pauses = leased(session, letter), []
    while row.state is not Post.FAILED:
        outbox.refused(session, OURS, row.id, row.attempts + 1, row.created_at, "450 4.7.1")
        session.refresh(row)
        if row.state is Post.WAITING:
            pauses.append((row.due_at - clock.now()) / timedelta(minutes=1))
            noon.move_to(max(row.due_at, clock.now()))
            row.state, row.lease = Post.LEASED, OURS
            session.flush()
    for pause, minutes in zip(pauses, [*outbox.PAUSES, outbox.LONGEST_PAUSE], strict=False):
        assert 0.9 * minutes <= pause <= 1.1 * minutes
    assert timedelta(days=4) < clock.now() - NOON < timedelta(days=signing.LINK_DAYS)
    assert row.to_sealed is None


def test_waiting_for_a_server_is_no_attempt_and_ends_with_the_link(
    session: Session, letter: Letter, noon: time_machine.Traveller
) -> None:
    row = leased(session, letter)
    noon.shift(timedelta(days=signing.LINK_DAYS))
    outbox.put_back(session, OURS, [row.id], clock.now(), "ConnectionRefusedError")
    session.refresh(row)
    assert (row.state, row.attempts, row.lease) == (Post.WAITING, 0, None)
    noon.shift(timedelta(seconds=1))
    row.state, row.lease = Post.LEASED, OURS
    session.flush()
    outbox.put_back(session, OURS, [row.id], clock.now(), "ConnectionRefusedError")
    session.refresh(row)
    assert (row.state, row.to_sealed) == (Post.FAILED, None)
