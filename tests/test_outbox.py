from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from sqlalchemy import select
from sqlalchemy.orm import Session

from letter import clock, confirmation, outbox, privacy, signatures, signing
from letter.models import Letter, Outbox, Post, Signature, State
from letter.outbox import Mail
from letter.sealing import unseal
from tests.conftest import KEYS, submission

NOON = datetime(2026, 7, 8, 12, 0, tzinfo=UTC)
DANA = "dana@example.org"


@pytest.fixture(autouse=True)
def at_noon() -> Iterator[time_machine.Traveller]:
    with time_machine.travel(NOON, tick=False) as traveller:
        yield traveller


def sign(session: Session, letter: Letter, email: str = DANA) -> Outbox:
    """Sign, and return the mail that is due."""
    signature = signatures.sign(session, KEYS, letter, submission(email=email))
    return session.scalars(select(Outbox).where(Outbox.signature == signature)).one()


def signed(row: Outbox) -> Signature:
    assert row.signature is not None
    return row.signature


def settle(session: Session, row: Outbox, email: str = DANA) -> bool:
    return outbox.settle(session, KEYS, row, email)


# What a first mail becomes


def test_a_new_address_is_asked_to_confirm(session: Session, letter: Letter) -> None:
    row = sign(session, letter)
    assert settle(session, row)
    assert row.kind == Mail.CONFIRM


def test_an_address_that_has_signed_gets_the_link_to_what_stands(session: Session, letter: Letter) -> None:
    standing = signed(sign(session, letter))
    confirmation.confirm(session, KEYS, standing)
    row = sign(session, letter)
    assert settle(session, row)
    assert (row.kind, row.signature) == (Mail.ALREADY, standing)


def test_what_stands_under_another_address_is_nobodys_business(session: Session, letter: Letter) -> None:
    confirmation.confirm(session, KEYS, signed(sign(session, letter, "eli@example.org")))
    row = sign(session, letter)
    assert settle(session, row)
    assert row.kind == Mail.CONFIRM


def test_a_forgotten_address_is_not_that_of_the_first_signatories(session: Session, letter: Letter) -> None:
    forgotten = signed(sign(session, letter))
    forgotten.email_key = None
    session.flush()
    assert outbox.living_of(session, forgotten) is None


def test_a_blocked_address_gets_no_mail_about_any_letter(session: Session, letter: Letter) -> None:
    first = sign(session, letter)
    again = sign(session, letter)
    privacy.not_me(session, KEYS, signed(first))
    assert not settle(session, again)
    assert not settle(session, sign(session, letter))


def test_the_fourth_mail_of_a_day_is_not_sent(
    session: Session, letter: Letter, at_noon: time_machine.Traveller
) -> None:
    assert [settle(session, sign(session, letter)) for _ in range(4)] == [True, True, True, False]
    assert settle(session, sign(session, letter, "eli@example.org"), "eli@example.org")
    at_noon.shift(timedelta(days=1))
    assert settle(session, sign(session, letter))


def test_other_spellings_of_an_address_share_its_limit(session: Session, letter: Letter) -> None:
    spellings = [DANA, "Dana@Example.org", "DANA@EXAMPLE.ORG", "ｄana@example.org"]
    assert [settle(session, sign(session, letter, one), one) for one in spellings] == [True, True, True, False]


def test_no_letter_mails_an_address_more_than_five_times(
    session: Session, letter: Letter, at_noon: time_machine.Traveller
) -> None:
    outcomes = []
    for _ in range(6):
        outcomes.append(settle(session, sign(session, letter)))
        at_noon.shift(timedelta(days=1))
    assert outcomes == [True] * 5 + [False]


def test_a_mail_that_is_tried_again_is_not_counted_again(session: Session, letter: Letter) -> None:
    row = sign(session, letter)
    assert all(settle(session, row) for _ in range(20))
    assert row.attempts == 20
    assert settle(session, sign(session, letter))


def test_a_mail_that_nobody_tried_is_decided_when_somebody_does(
    session: Session, letter: Letter, at_noon: time_machine.Traveller
) -> None:
    confirmation.confirm(session, KEYS, signed(sign(session, letter)))
    row = sign(session, letter)
    for _ in range(3):  # workers that died between claiming and trying
        outbox.claim(session, 50)
        at_noon.shift(outbox.LEASE)
    assert settle(session, row)
    assert row.kind == Mail.ALREADY


def test_trying_renews_the_lease(session: Session, letter: Letter, at_noon: time_machine.Traveller) -> None:
    row = sign(session, letter)
    outbox.claim(session, 50)
    at_noon.shift(timedelta(minutes=4))
    settle(session, row)
    assert row.due_at == clock.now() + outbox.LEASE


def test_a_link_that_is_dead_is_not_sent(session: Session, letter: Letter, at_noon: time_machine.Traveller) -> None:
    late, marked = sign(session, letter), sign(session, letter, "eli@example.org")
    at_noon.shift(timedelta(days=signing.LINK_DAYS))
    assert not settle(session, late)
    confirmation.expire(session)
    session.expire_all()
    assert not settle(session, marked, "eli@example.org")


def test_a_link_that_was_pressed_is_not_sent_again(session: Session, letter: Letter) -> None:
    row = sign(session, letter)
    assert settle(session, row)
    confirmation.confirm(session, KEYS, signed(row))
    assert not settle(session, row)


@pytest.mark.parametrize("kind", [Mail.CONFIRMED, Mail.ALREADY])
@pytest.mark.parametrize("state", list(State))
def test_only_a_signature_that_stands_is_written_about(
    session: Session, letter: Letter, kind: Mail, state: State
) -> None:
    row = sign(session, letter)
    row.kind, signed(row).state = kind, state
    stands = state in (State.CONFIRMED, State.APPROVED, State.HELD, State.REJECTED)
    assert settle(session, row) is stands


# What becomes of a mail


def test_the_address_is_sealed_while_the_mail_is_due_and_gone_afterwards(session: Session, letter: Letter) -> None:
    row = sign(session, letter)
    assert row.to_sealed and unseal(KEYS, row.to_sealed) == DANA
    assert DANA.encode() not in row.to_sealed
    outbox.sent(row)
    assert (row.state, row.to_sealed, row.sent_at) == (Post.SENT, None, NOON)


def test_the_address_is_gone_after_a_final_refusal_or_a_drop(session: Session, letter: Letter) -> None:
    refused, dropped = sign(session, letter), sign(session, letter)
    outbox.refused(refused, "550 5.1.1", for_good=True)
    outbox.drop(dropped, "not wanted")
    assert (refused.state, refused.to_sealed, refused.error) == (Post.FAILED, None, "550 5.1.1")
    assert (dropped.state, dropped.to_sealed, dropped.sent_at) == (Post.DROPPED, None, None)


def test_pauses_grow_to_six_hours_and_end_after_four_days(
    session: Session, letter: Letter, at_noon: time_machine.Traveller
) -> None:
    row, pauses = sign(session, letter), []
    while row.state is not Post.FAILED:
        settle(session, row)
        outbox.refused(row, "450 4.7.1", for_good=False)
        pauses.append((row.due_at - clock.now()) / timedelta(minutes=1))
        at_noon.move_to(max(row.due_at, clock.now()))
    for pause, minutes in zip(pauses, [*outbox.PAUSES, outbox.LONGEST_PAUSE], strict=False):
        assert 0.9 * minutes <= pause <= 1.1 * minutes
    assert timedelta(days=4) < clock.now() - NOON < timedelta(days=signing.LINK_DAYS)
    assert row.to_sealed is None


def test_waiting_for_a_server_is_no_attempt_and_ends_with_the_link(
    session: Session, letter: Letter, at_noon: time_machine.Traveller
) -> None:
    row = sign(session, letter)
    at_noon.shift(timedelta(days=signing.LINK_DAYS))
    outbox.put_back(row, clock.now(), "ConnectionRefusedError")
    assert (row.state, row.attempts, row.lease) == (Post.WAITING, 0, None)
    at_noon.shift(timedelta(seconds=1))
    outbox.put_back(row, clock.now(), "ConnectionRefusedError")
    assert (row.state, row.to_sealed) == (Post.FAILED, None)
