"""The signer's own page."""

import json

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from letter import confirmation, letters, signatures
from letter.models import Blocked, Display, Letter, LetterState, Signature, State
from letter.tokens import Purpose
from tests.conftest import KEYS, Browser, submission, token


@pytest.fixture
def signed(session: Session, letter: Letter) -> Signature:
    signature = signatures.sign(session, KEYS, letter, submission())
    confirmation.confirm(session, KEYS, signature)
    signatures.move(signature, State.APPROVED)
    session.commit()
    return signature


@pytest.fixture
def mine(signed: Signature) -> str:
    return f"/mine/{token(signed, Purpose.MINE)}"


def test_the_signer_corrects_the_name(supporter: Browser, session: Session, signed: Signature, mine: str) -> None:
    answer = supporter.post(f"{mine}/correct", {"name": "Dana J. Ivers", "affiliation": "Head nurse"}, page=mine)
    assert answer.status_code == 303
    session.refresh(signed)
    assert (signed.name, signed.affiliation, signed.state) == ("Dana J. Ivers", "Head nurse", State.CONFIRMED)
    assert "Dana" not in supporter.get("/library").text


def test_a_wrong_correction_keeps_what_was_typed(
    supporter: Browser, session: Session, signed: Signature, mine: str
) -> None:
    answer = supporter.post(f"{mine}/correct", {"name": "", "affiliation": "Head nurse"}, page=mine)
    assert answer.status_code == 422 and 'value="Head nurse"' in answer.text
    session.refresh(signed)
    assert signed.name == "Dana Ivers"


@pytest.mark.parametrize("display", list(Display))
def test_the_signer_chooses_who_sees_the_name(
    supporter: Browser, session: Session, signed: Signature, mine: str, display: Display
) -> None:
    supporter.post(f"{mine}/display", {"display": display.value}, page=mine)
    session.refresh(signed)
    assert signed.display is display
    session.rollback()
    assert ("Dana Ivers" in supporter.get("/library").text) is (display is Display.PUBLIC)


@pytest.mark.parametrize("way", ["withdraw", "erase"])
@pytest.mark.parametrize("closed", [False, True])
def test_the_signer_can_always_leave(
    supporter: Browser, session: Session, signed: Signature, mine: str, way: str, closed: bool
) -> None:
    stamp = supporter.hidden(mine)
    if closed:
        letters.move(session, signed.letter, LetterState.CLOSED)
        session.commit()
    for _ in range(2):
        assert supporter.client.post(f"{mine}/{way}", data=stamp).status_code == 303
    assert "Dana Ivers" not in supporter.get("/library").text
    assert supporter.get(mine).status_code == 410
    session.refresh(signed)
    assert (signed.state, bool(signed.name)) == (State.WITHDRAWN, way == "withdraw")


def test_who_withdrew_can_still_have_everything_erased(
    supporter: Browser, session: Session, signed: Signature, mine: str
) -> None:
    supporter.post(f"{mine}/withdraw", page=mine)
    assert supporter.post(f"{mine}/erase", page=mine).status_code == 303
    session.refresh(signed)
    assert signed.name == ""


def test_the_data_is_handed_over_as_a_file(supporter: Browser, mine: str) -> None:
    answer = supporter.get(f"{mine}/data.json")
    assert answer.headers["Content-Disposition"].startswith("attachment")
    assert json.loads(answer.text)["name"] == "Dana Ivers"


def test_not_me_asks_first_and_acts_only_on_the_button(supporter: Browser, session: Session, letter: Letter) -> None:
    forged = signatures.sign(session, KEYS, letter, submission("Forged"))
    session.commit()
    path = f"/not-me/{token(forged, Purpose.NOT_ME)}"
    assert supporter.get(path).status_code == 200
    session.refresh(forged)
    assert forged.state is State.PENDING
    session.rollback()
    assert supporter.post(path, page=path).status_code == 200
    session.refresh(forged)
    assert forged.state is State.WITHDRAWN and len(session.scalars(select(Blocked)).all()) == 2


@pytest.mark.parametrize("purpose", [Purpose.CONFIRM, Purpose.NOT_ME, Purpose.INVITE])
def test_a_link_for_another_purpose_does_not_open_the_page(
    supporter: Browser, signed: Signature, purpose: Purpose
) -> None:
    assert supporter.get(f"/mine/{token(signed, purpose)}").status_code == 404
