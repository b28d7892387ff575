"""What an organiser sets."""

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from letter.models import Audit, Letter, LetterState, Moderation
from tests.conftest import Browser

SETTINGS = "/staff/library/settings"


def test_the_organiser_closes_and_opens_the_letter(ada: Browser, session: Session, letter: Letter) -> None:
    for state in ("closed", "open", "paused", "open"):
        assert ada.post(SETTINGS, {"state": state}, page=SETTINGS).status_code == 303
        session.refresh(letter)
        assert letter.state is LetterState(state)
        session.rollback()
    actions = session.scalars(select(Audit.action).order_by(Audit.id)).all()
    assert actions[-4:] == ["letter.state"] * 4


def test_the_organiser_chooses_when_names_appear(ada: Browser, session: Session, letter: Letter) -> None:
    ada.post(SETTINGS, {"moderation": "after"}, page=SETTINGS)
    session.refresh(letter)
    assert letter.moderation is Moderation.AFTER


@pytest.mark.parametrize(
    ("wrong", "status"), [({}, 422), ({"state": "x"}, 422), ({"state": "draft"}, 409), ({"moderation": "never"}, 422)]
)
def test_what_cannot_be_set_is_refused(
    ada: Browser, session: Session, letter: Letter, wrong: dict[str, str], status: int
) -> None:
    assert ada.post(SETTINGS, wrong, page=SETTINGS).status_code == status
    session.refresh(letter)
    assert (letter.state, letter.moderation) == (LetterState.OPEN, Moderation.BEFORE)
