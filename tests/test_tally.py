"""Numbers that are kept by adding up changes always equal what a count would find."""

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from letter import confirmation, letters, listing, moderation, privacy, signatures, tally
from letter.models import Display, Letter, LetterState, Moderation, Signature, State, TallyDelta
from letter.signatures import move
from tests.conftest import KEYS, make_letter, submission


def confirmed(session: Session, letter: Letter, email: str) -> Signature:
    signature = signatures.sign(session, KEYS, letter, submission(email=email))
    confirmation.confirm(session, KEYS, signature)
    return signature


def live_a_little(session: Session, letter: Letter) -> list[Signature]:
    """Every kind of change that a signature can go through."""
    signed = [confirmed(session, letter, f"s{number}@example.org") for number in range(8)]
    for signature in signed[:5]:
        move(signature, State.APPROVED)
    session.flush()
    move(signed[0], State.HELD)
    privacy.withdraw(session, signed[1])
    privacy.erase(session, signed[2])
    privacy.show_to(signed[3], Display.COUNTED)
    privacy.correct(signed[4], "Another Name", "Baker")
    signatures.flag(session, signed[5], "hoax")
    signatures.sign(session, KEYS, letter, submission(email="late@example.org"))
    session.flush()
    return signed


def test_the_numbers_are_the_truth_before_and_after_they_are_added_up(session: Session) -> None:
    letter = make_letter(session, "quick", Moderation.AFTER)
    live_a_little(session, letter)
    wanted = listing.Counts(first=2, confirmed=6, published=5, signed=8)
    assert tally.mend(session) == {}
    assert listing.counts(session, letter) == wanted
    assert tally.fold(session) > 0
    assert session.scalars(select(TallyDelta)).all() == []
    assert listing.counts(session, letter) == wanted
    assert tally.mend(session) == {}


def test_the_desk_counts_by_state(session: Session, letter: Letter) -> None:
    live_a_little(session, letter)
    found = {state: number for state, number in moderation.how_many(session, letter).items() if number}
    assert found == {
        State.APPROVED: 3,
        State.CONFIRMED: 4,
        State.HELD: 1,
        State.WITHDRAWN: 2,
        State.PENDING: 1,
    }


def test_a_version_grows_with_every_change_that_can_be_seen_and_not_by_adding_up(
    session: Session, letter: Letter
) -> None:
    seen = [tally.version(session, letter.id)]

    def grown() -> bool:
        session.flush()
        seen.append(tally.version(session, letter.id))
        return seen[-1] > seen[-2]

    signature = signatures.sign(session, KEYS, letter, submission())
    assert not grown()
    confirmation.confirm(session, KEYS, signature)
    assert grown()
    privacy.correct(signature, "Dana A. Ivers", "Nurse")
    assert grown()
    tally.fold(session)
    assert not grown()
    letters.move(session, letter, LetterState.PAUSED)
    assert grown()
    letters.add_text(session, letter, "de", title="Öffnet", body="Bitte.", sign_off="", addressees="")
    assert grown()


def test_what_is_rolled_back_is_not_counted(session: Session, letter: Letter) -> None:
    before = tally.read(session, letter)
    with pytest.raises(RuntimeError), session.begin_nested():
        confirmed(session, letter, "s@example.org")
        session.flush()
        raise RuntimeError
    assert tally.read(session, letter) == before


def test_a_wrong_number_is_found_and_mended(session: Session, letter: Letter) -> None:
    live_a_little(session, letter)
    tally.fold(session)
    tally.add(session, letter.id, "approved public later mail -", 7)
    assert tally.mend(session) == {f"letter {letter.id}: approved public later mail -": -7}
    assert tally.mend(session) == {}
