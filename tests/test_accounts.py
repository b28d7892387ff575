"""Staff: invitations, passwords, sessions, roles."""

from datetime import timedelta

import pytest
import time_machine
from sqlalchemy.orm import Session

from letter import accounts, clock
from letter.errors import BadInput, Forbidden, LinkInvalid, NotFound
from letter.models import Letter, Person, Role
from tests.conftest import PASSWORD, PASSWORD_HASH, make_letter


@pytest.fixture
def ada(session: Session, letter: Letter) -> Person:
    return accounts.add(session, "Ada@Example.org", Role.ORGANISER, letter)


def later(**more: float) -> time_machine.travel:
    return time_machine.travel(clock.now() + timedelta(**more), tick=True)


def test_an_address_is_one_person_whatever_its_case(session: Session, ada: Person, letter: Letter) -> None:
    assert accounts.add(session, "ada@EXAMPLE.org", Role.MODERATOR, letter) is ada
    assert accounts.role_for(session, ada, letter) is Role.MODERATOR


def test_what_is_no_address_is_refused(session: Session) -> None:
    with pytest.raises(BadInput, match="no e-mail address"):
        accounts.add(session, "ada", Role.MODERATOR, None)


def test_an_invitation_works_once(session: Session, ada: Person) -> None:
    secret = accounts.invite(session, ada)
    assert accounts.invited(session, secret) is ada
    accounts.set_password(session, ada, PASSWORD_HASH)
    with pytest.raises(LinkInvalid):
        accounts.invited(session, secret)


def test_an_invitation_lasts_three_days(session: Session, ada: Person) -> None:
    secret = accounts.invite(session, ada)
    with later(days=2, hours=23):
        accounts.invited(session, secret)
    with later(days=3, minutes=1), pytest.raises(LinkInvalid):
        accounts.invited(session, secret)


def test_a_new_invitation_ends_the_earlier_one(session: Session, ada: Person) -> None:
    first, second = accounts.invite(session, ada), accounts.invite(session, ada)
    with pytest.raises(LinkInvalid):
        accounts.invited(session, first)
    assert accounts.invited(session, second) is ada


@pytest.mark.parametrize("password", ["", "short", "eleven char", "aaaaaaaaaaaaaaaa", "x" * 201])
def test_a_password_that_is_easily_guessed_is_refused(password: str) -> None:
    with pytest.raises(BadInput):
        accounts.hash_password(password)


def test_only_the_right_password_of_somebody_who_exists_is_right() -> None:
    assert accounts.is_right(PASSWORD_HASH, PASSWORD)
    assert not accounts.is_right(PASSWORD_HASH, PASSWORD + " ")
    assert not accounts.is_right(None, PASSWORD)
    assert not accounts.is_right("no hash at all", PASSWORD)


def test_a_session_lasts_twelve_hours(session: Session, ada: Person) -> None:
    key = accounts.sign_in(session, ada)
    with later(hours=11, minutes=59):
        assert accounts.session_of(session, key) is not None
    with later(hours=12, minutes=1):
        assert accounts.session_of(session, key) is None


def test_only_a_hash_of_the_session_key_is_stored(session: Session, ada: Person) -> None:
    key = accounts.sign_in(session, ada)
    found = accounts.session_of(session, key)
    assert found is not None and key not in found.key_hash


@pytest.mark.parametrize("event", ["sign-out", "new password", "disabled"])
def test_a_session_ends_at_once_when_it_should(session: Session, ada: Person, event: str) -> None:
    key = accounts.sign_in(session, ada)
    found = accounts.session_of(session, key)
    assert found is not None
    if event == "sign-out":
        accounts.sign_out(session, found)
    elif event == "new password":
        accounts.set_password(session, ada, PASSWORD_HASH)
    else:
        accounts.disable(session, ada)
    session.flush()
    assert accounts.session_of(session, key) is None


def test_a_disabled_person_cannot_come_in(session: Session, ada: Person) -> None:
    accounts.disable(session, ada)
    with pytest.raises(Forbidden):
        accounts.sign_in(session, ada)
    accounts.enable(session, ada)
    accounts.sign_in(session, ada)


def test_a_role_is_for_one_letter(session: Session, ada: Person, letter: Letter) -> None:
    other = make_letter(session, "other")
    accounts.demand(session, ada, letter, Role.ORGANISER)
    with pytest.raises(NotFound):
        accounts.demand(session, ada, other, Role.VIEWER)


def test_a_role_without_a_letter_is_for_every_letter_also_later_ones(session: Session) -> None:
    ben = accounts.add(session, "ben@example.org", Role.MODERATOR, None)
    later_one = make_letter(session, "later")
    accounts.demand(session, ben, later_one, Role.MODERATOR)
    with pytest.raises(Forbidden):
        accounts.demand(session, ben, later_one, Role.ORGANISER)


def test_the_stronger_of_two_roles_counts(session: Session, letter: Letter) -> None:
    ben = accounts.add(session, "ben@example.org", Role.VIEWER, None)
    accounts.add(session, "ben@example.org", Role.ORGANISER, letter)
    assert accounts.letters_of(session, ben) == [(letter, Role.ORGANISER)]


def test_who_does_not_exist_is_hashed_with_the_same_effort() -> None:
    assert not accounts.HASHER.check_needs_rehash(accounts.NOBODY)
