"""The link in the mail and the button behind it."""

from datetime import timedelta

import pytest
import time_machine
from sqlalchemy.orm import Session

from letter import clock, signatures
from letter.models import Letter, Signature, State
from tests.conftest import KEYS, Browser, mails, submission, token


@pytest.fixture
def pending(session: Session, letter: Letter) -> Signature:
    signature = signatures.sign(session, KEYS, letter, submission("Dana <i>Ivers</i>"))
    session.commit()
    return signature


def state(session: Session, signature: Signature) -> State:
    session.refresh(signature)
    found = signature.state
    session.rollback()
    return found


def test_opening_the_link_shows_what_will_be_signed_and_confirms_nothing(
    supporter: Browser, session: Session, pending: Signature
) -> None:
    path = f"/confirm/{token(pending)}"
    for _ in range(20):
        answer = supporter.get(path)
        supporter.client.head(path)
    assert answer.status_code == 200
    assert (
        "Dana &lt;i&gt;Ivers&lt;/i&gt;" in answer.text and "Nurse" in answer.text and "Open the library" in answer.text
    )
    assert "<script" not in answer.text
    assert state(session, pending) is State.PENDING


def test_the_button_confirms_and_a_second_press_is_a_success(
    supporter: Browser, session: Session, pending: Signature
) -> None:
    path = f"/confirm/{token(pending)}"
    stamp = supporter.hidden(path)
    first, second = (supporter.client.post(path, data=stamp) for _ in range(2))
    assert (first.status_code, second.status_code) == (200, 200)
    assert "/mine/" in first.text and "/mine/" not in second.text
    assert second.text == supporter.get(path).text
    assert state(session, pending) is State.CONFIRMED
    assert [kind for kind, _ in mails(session)] == ["confirm", "confirmed"]


def test_an_expired_link_offers_a_new_one_and_mails_it(
    supporter: Browser, session: Session, pending: Signature
) -> None:
    path = f"/confirm/{token(pending)}"
    with time_machine.travel(clock.now() + timedelta(days=8), tick=False):
        answer = supporter.get(path)
        assert answer.status_code == 410 and f"{path}/again" in answer.text
        assert supporter.post(path, page="/library").status_code == 410
        renewed = supporter.post(f"{path}/again", page=path)
    assert (renewed.status_code, renewed.location) == (303, "/library/thanks")
    assert [kind for kind, _ in mails(session)] == ["confirm", "confirm"]
    assert state(session, pending) is State.PENDING


def test_the_second_signature_of_an_address_is_told_that_the_first_stands(
    supporter: Browser, session: Session, letter: Letter, pending: Signature
) -> None:
    second = signatures.sign(session, KEYS, letter, submission("Dana Again"))
    session.commit()
    supporter.post(f"/confirm/{token(pending)}", page=f"/confirm/{token(pending)}")
    answer = supporter.post(f"/confirm/{token(second)}", page=f"/confirm/{token(second)}")
    assert answer.status_code == 200 and "Dana Again" not in answer.text
    assert state(session, second) is State.PENDING
    assert [kind for kind, _ in mails(session)] == ["confirm", "confirm", "confirmed"]


def test_nobody_changes_what_an_earlier_link_confirms(supporter: Browser, session: Session, pending: Signature) -> None:
    supporter.sign(name="Somebody Else", email="dana@example.org")
    supporter.post(f"/confirm/{token(pending)}", page=f"/confirm/{token(pending)}")
    session.refresh(pending)
    assert (pending.name, pending.state) == ("Dana <i>Ivers</i>", State.CONFIRMED)


@pytest.mark.parametrize("path", ["/confirm/x", "/confirm/x.y", "/mine/x.y", "/not-me/x.y", "/confirm/" + "x" * 3000])
def test_a_link_that_is_not_ours_gets_a_clear_page(supporter: Browser, letter: Letter, path: str) -> None:
    answer = supporter.get(path)
    assert answer.status_code == 404 and "not complete" in answer.text
