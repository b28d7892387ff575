"""Double opt-in."""

from datetime import timedelta

import pytest
import time_machine
from sqlalchemy.orm import Session

from letter import clock, confirmation, letters, signatures
from letter.errors import AlreadySigned, LetterClosed, LinkExpired, LinkInvalid
from letter.models import Evidence, Letter, LetterState, Signature, State
from letter.tokens import Purpose
from tests.conftest import KEYS, mails, submission, token


@pytest.fixture
def pending(session: Session, letter: Letter) -> Signature:
    return signatures.sign(session, KEYS, letter, submission())


def in_days(days: float) -> time_machine.travel:
    return time_machine.travel(clock.now() + timedelta(days=days), tick=True)


def test_confirming_makes_the_signature_wait_for_a_moderator(session: Session, pending: Signature) -> None:
    confirmation.confirm(session, KEYS, pending)
    assert (pending.state, pending.evidence) == (State.CONFIRMED, Evidence.MAIL)
    assert mails(session) == [("confirm", "dana@example.org"), ("confirmed", "dana@example.org")]


def test_the_address_is_dropped_once_it_is_confirmed(session: Session, pending: Signature) -> None:
    confirmation.confirm(session, KEYS, pending)
    assert pending.email_sealed is None and pending.email_key is not None


def test_the_address_stays_sealed_for_who_wants_updates(session: Session, letter: Letter) -> None:
    keen = signatures.sign(session, KEYS, letter, submission(wants_updates=True))
    confirmation.confirm(session, KEYS, keen)
    assert keen.email_sealed is not None and b"dana" not in keen.email_sealed


def test_a_second_click_changes_nothing(session: Session, pending: Signature) -> None:
    confirmation.confirm(session, KEYS, pending)
    version = pending.version
    confirmation.confirm(session, KEYS, pending)
    assert pending.version == version and len(mails(session)) == 2


def test_a_link_works_for_seven_days_and_not_longer(session: Session, pending: Signature) -> None:
    with in_days(6.99):
        confirmation.demand_fresh(pending)
    with in_days(7.01), pytest.raises(LinkExpired):
        confirmation.confirm(session, KEYS, pending)


def test_an_expired_link_offers_a_new_row_with_a_new_link(session: Session, pending: Signature) -> None:
    with in_days(8):
        confirmation.expire(session)
        session.refresh(pending)
        assert pending.state is State.EXPIRED
        confirmation.renew(session, KEYS, pending)
        with pytest.raises(LinkExpired):
            confirmation.confirm(session, KEYS, pending)
    assert mails(session) == [("confirm", "dana@example.org")] * 2


def test_a_week_after_expiry_nothing_of_the_person_is_left(session: Session, pending: Signature) -> None:
    with in_days(15):
        confirmation.expire(session)
        confirmation.expire(session)
        session.refresh(pending)
        assert (pending.name, pending.affiliation, pending.fold_key, pending.email_key) == ("", "", "", None)
        with pytest.raises(LinkExpired):
            confirmation.renew(session, KEYS, pending)


def test_the_first_of_two_submissions_that_is_confirmed_stands(session: Session, letter: Letter) -> None:
    forged = signatures.sign(session, KEYS, letter, submission("Forged Name"))
    own = signatures.sign(session, KEYS, letter, submission("Dana Ivers"))
    confirmation.confirm(session, KEYS, own)
    with pytest.raises(AlreadySigned):
        confirmation.confirm(session, KEYS, forged)
    assert (own.state, forged.state) == (State.CONFIRMED, State.PENDING)


def test_once_one_is_confirmed_the_address_is_sealed_in_no_other(session: Session, letter: Letter) -> None:
    first, second = (signatures.sign(session, KEYS, letter, submission(name)) for name in ("One", "Two"))
    confirmation.confirm(session, KEYS, first)
    session.refresh(second)
    assert (first.email_sealed, second.email_sealed) == (None, None)


def test_a_link_that_has_not_expired_sends_no_new_one(session: Session, pending: Signature) -> None:
    with pytest.raises(LinkExpired):
        confirmation.renew(session, KEYS, pending)
    assert len(mails(session)) == 1


def test_a_closed_letter_still_takes_the_confirmation_of_a_signature(session: Session, pending: Signature) -> None:
    letters.move(session, pending.letter, LetterState.CLOSED)
    confirmation.confirm(session, KEYS, pending)
    assert pending.state is State.CONFIRMED


def test_a_delivered_letter_takes_none(session: Session, pending: Signature) -> None:
    pending.letter.state = LetterState.DELIVERED
    with pytest.raises(LetterClosed):
        confirmation.confirm(session, KEYS, pending)


def test_a_withdrawn_signature_cannot_be_confirmed(session: Session, pending: Signature) -> None:
    signatures.move(pending, State.WITHDRAWN)
    with pytest.raises(LinkInvalid, match="withdrawn"):
        confirmation.confirm(session, KEYS, pending)


@pytest.mark.parametrize("purpose", [Purpose.MINE, Purpose.NOT_ME, Purpose.INVITE])
def test_a_link_for_another_purpose_confirms_nothing(session: Session, pending: Signature, purpose: Purpose) -> None:
    with pytest.raises(LinkInvalid):
        confirmation.find(session, KEYS, token(pending, purpose))
