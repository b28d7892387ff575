"""The chain of who did what."""

import pytest
from sqlalchemy import select, text
from sqlalchemy.orm import Session

from letter import audit
from letter.models import Audit


@pytest.fixture
def chain(session: Session) -> list[Audit]:
    for number in range(10):
        audit.note(session, "test", f"subject-{number}", before=number, after=number + 1)
    return list(session.scalars(select(Audit).order_by(Audit.id)))


def test_an_untouched_chain_is_whole(session: Session, chain: list[Audit]) -> None:
    assert audit.first_broken(session) is None


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE audit SET detail = '{}' WHERE id = 5",
        "UPDATE audit SET actor = 'somebody' WHERE id = 5",
        "UPDATE audit SET at = '2001-01-01 00:00:00.000000' WHERE id = 5",
        "UPDATE audit SET subject = 'other' WHERE id = 5",
        "UPDATE audit SET letter_id = NULL, action = 'x' WHERE id = 5",
        "UPDATE audit SET sha256 = 'ff' WHERE id = 5",
    ],
)
def test_a_changed_row_is_found(session: Session, chain: list[Audit], change: str) -> None:
    session.execute(text(change))
    session.expire_all()
    assert audit.first_broken(session) == chain[4].id


def test_a_removed_row_is_found_at_the_one_after_it(session: Session, chain: list[Audit]) -> None:
    session.execute(text("DELETE FROM audit WHERE id = 5"))
    session.expire_all()
    assert audit.first_broken(session) == chain[5].id


def test_two_rows_that_changed_places_are_found(session: Session, chain: list[Audit]) -> None:
    for old, new in ((5, 100), (6, 5), (100, 6)):
        session.execute(text("UPDATE audit SET id = :new WHERE id = :old"), {"new": new, "old": old})
    session.expire_all()
    assert audit.first_broken(session) == 5
