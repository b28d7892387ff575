"""Signing in, staying in, going out."""

from datetime import timedelta

import pytest
import time_machine
from flask import Flask
from limits import RateLimitItemPerHour
from sqlalchemy.orm import Session

from letter import accounts, clock, limits
from letter.models import Letter, Role
from tests.conftest import PASSWORD, Browser, employ


def later(**more: float) -> time_machine.travel:
    return time_machine.travel(clock.now() + timedelta(**more), tick=False)


@pytest.fixture
def knocking(app: Flask, session: Session, letter: Letter) -> Browser:
    employ(session, "ada@example.org", Role.ORGANISER, letter)
    return Browser(app.test_client())


def test_the_right_password_opens_the_desk(knocking: Browser) -> None:
    answer = knocking.sign_in("ADA@example.org")
    assert (answer.status_code, answer.location) == (303, "/staff/")
    assert "library" in knocking.get("/staff/").text


@pytest.mark.parametrize(
    ("email", "password"), [("ada@example.org", "wrong password"), ("nobody@example.org", PASSWORD), ("x", "y")]
)
def test_wrong_and_unknown_get_the_same_answer(knocking: Browser, email: str, password: str) -> None:
    answer = knocking.sign_in(email, password)
    assert answer.status_code == 422 and "do not fit together" in answer.text
    assert knocking.get("/staff/").status_code == 303


def test_ten_attempts_are_enough_even_with_the_right_password(knocking: Browser) -> None:
    for _ in range(10):
        assert knocking.sign_in("ada@example.org", "wrong password").status_code == 422
    assert knocking.sign_in("ada@example.org").status_code == 429
    with later(minutes=16):
        assert knocking.sign_in("ada@example.org").status_code == 303


def test_a_hundred_attempts_from_anywhere_are_enough_for_an_hour(
    knocking: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "SIGN_INS_PER_PERSON", RateLimitItemPerHour(5, namespace="test"))
    for number in range(6):
        networks = {"REMOTE_ADDR": f"192.0.{number}.1"}
        data = {"email": "ada@example.org", "password": "wrong", **knocking.hidden("/staff/sign-in")}
        answer = knocking.client.post("/staff/sign-in", data=data, environ_base=networks)
    assert answer.status_code == 429


def test_the_cookie_cannot_be_read_by_scripts_and_stays_on_this_site(knocking: Browser) -> None:
    cookie = knocking.sign_in("ada@example.org").headers["Set-Cookie"]
    assert "HttpOnly" in cookie and "SameSite=Lax" in cookie and "Path=/" in cookie


def test_a_captured_cookie_is_worth_nothing_after_signing_out(ada: Browser, app: Flask) -> None:
    captured = ada.client.get_cookie("letter")
    assert captured is not None
    ada.post("/staff/sign-out", page="/staff/")
    thief = app.test_client()
    thief.set_cookie("letter", captured.value, domain="localhost")
    assert thief.get("/staff/").status_code == 303


def test_an_idle_session_ends_after_half_an_hour_and_a_used_one_does_not(ada: Browser) -> None:
    for minutes in (25, 50, 75):
        with later(minutes=minutes):
            assert ada.get("/staff/").status_code == 200
    with later(minutes=75 + 31):
        assert ada.get("/staff/").status_code == 303


def test_a_used_session_ends_after_twelve_hours(ada: Browser) -> None:
    for minutes in range(0, 12 * 60, 25):
        with later(minutes=minutes):
            assert ada.get("/staff/").status_code == 200
    with later(hours=12, minutes=1):
        assert ada.get("/staff/").status_code == 303


def test_an_invitation_sets_a_password_once(app: Flask, session: Session, letter: Letter) -> None:
    secret = accounts.invite(session, accounts.add(session, "ben@example.org", Role.MODERATOR, letter))
    session.commit()
    browser, path = Browser(app.test_client()), f"/staff/invitation/{secret}"
    weak = browser.post(path, {"password": "short"}, page=path)
    assert weak.status_code == 422 and "12 to 200" in weak.text
    stamp = browser.hidden(path)
    assert browser.client.post(path, data={"password": PASSWORD, **stamp}).location == "/staff/"
    assert browser.client.post(path, data={"password": PASSWORD, **stamp}).status_code == 404
    assert Browser(app.test_client()).sign_in("ben@example.org").status_code == 303


def test_two_browsers_do_not_see_each_others_pages(ada: Browser, ben: Browser, cleo: Browser) -> None:
    for _ in range(10):
        assert "ada@example.org" in ada.get("/staff/").text
        assert "/staff/elsewhere" not in ben.get("/staff/").text
        assert "/staff/library" not in cleo.get("/staff/").text


def test_a_form_of_one_session_is_refused_in_another(ada: Browser, ben: Browser) -> None:
    stolen = ben.hidden("/staff/library/queue")
    assert ada.client.post("/staff/library/settings", data={"state": "closed", **stolen}).status_code == 400
