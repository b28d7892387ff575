"""Whether a claimed mail is sent, and what it says."""

from datetime import timedelta

import pytest
import time_machine
from sqlalchemy.orm import Session

from letter import confirmation, outbox, privacy, settling, signing
from letter.models import Letter, Post, State
from letter.outbox import Mail
from letter.sealing import unseal
from tests.conftest import KEYS
from tests.mailing import DANA, settle, settle_all, sign, signed

pytestmark = pytest.mark.usefixtures("noon")


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
    row = sign(session, letter)
    signed(row).email_key = None
    session.flush()
    assert settle(session, row)
    assert row.kind == Mail.CONFIRM


def test_a_blocked_address_gets_no_mail_about_any_letter(session: Session, letter: Letter) -> None:
    first = sign(session, letter)
    again = sign(session, letter)
    privacy.not_me(session, KEYS, signed(first))
    assert not settle(session, again)
    assert not settle(session, sign(session, letter))


def test_the_fourth_mail_of_a_day_is_not_sent(session: Session, letter: Letter, noon: time_machine.Traveller) -> None:
    assert [settle(session, sign(session, letter)) for _ in range(4)] == [True, True, True, False]
    assert settle(session, sign(session, letter, "eli@example.org"))
    noon.shift(timedelta(days=1))
    assert settle(session, sign(session, letter))


def test_other_spellings_of_an_address_share_its_limit(session: Session, letter: Letter) -> None:
    spellings = [DANA, "Dana@Example.org", "DANA@EXAMPLE.ORG", "ｄana@example.org"]
    assert [settle(session, sign(session, letter, one)) for one in spellings] == [True, True, True, False]


def test_no_letter_mails_an_address_more_than_five_times(
    session: Session, letter: Letter, noon: time_machine.Traveller
) -> None:
    outcomes = []
    for _ in range(6):
        outcomes.append(settle(session, sign(session, letter)))
        noon.shift(timedelta(days=1))
    assert outcomes == [True] * 5 + [False]


def test_a_mail_that_is_looked_at_again_is_not_counted_again(session: Session, letter: Letter) -> None:
    row = sign(session, letter)
    assert all(settle(session, row) for _ in range(20))
    assert row.attempts == 1
    assert settle(session, sign(session, letter))


def test_a_whole_batch_is_decided_as_its_mails_would_be_one_by_one(session: Session, letter: Letter) -> None:
    rows = [sign(session, letter, one) for one in (DANA, "eli@example.org", DANA, DANA, "Dana@example.org", DANA)]
    kept = {due.id for due in settle_all(session)}
    assert [row.id in kept for row in rows] == [True, True, True, True, False, False]
    assert [row.state for row in rows] == [Post.LEASED] * 4 + [Post.DROPPED] * 2


def test_a_mail_that_nobody_tried_is_decided_when_somebody_does(
    session: Session, letter: Letter, noon: time_machine.Traveller
) -> None:
    confirmation.confirm(session, KEYS, signed(sign(session, letter)))
    row = sign(session, letter)
    for _ in range(3):  # workers that died between claiming and trying
        outbox.claim(session, 50)
        noon.shift(outbox.LEASE)
    assert settle(session, row)
    assert row.kind == Mail.ALREADY


def test_a_mail_that_was_claimed_by_another_meanwhile_is_left_to_it(session: Session, letter: Letter) -> None:
    ours, lost = sign(session, letter), sign(session, letter, "eli@example.org")
    claim = outbox.claim(session, 50)
    dues = [(due, unseal(KEYS, due.to_sealed)) for due in settling.load(session, claim)]
    lost.lease = "another's"
    session.flush()
    kept = settling.settle(session, KEYS, claim.lease, dues)
    session.expire_all()
    assert [due.id for due, _ in kept] == [ours.id]
    assert (ours.attempts, lost.attempts, lost.lease) == (1, 0, "another's")


def test_a_link_that_is_dead_is_not_sent(session: Session, letter: Letter, noon: time_machine.Traveller) -> None:
    late, marked = sign(session, letter), sign(session, letter)
    noon.shift(timedelta(days=signing.LINK_DAYS))
    assert not settle(session, late)
    confirmation.expire(session)
    session.expire_all()
    assert not settle(session, marked)


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
