"""Nobody learns from an answer who has signed or who works here: not from its bytes, nor from the work behind it."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import event, select
from sqlalchemy.orm import Session
from werkzeug.test import TestResponse

from letter import accounts, clock, confirmation, privacy, signatures
from letter.db import Database
from letter.models import Letter, Outbox, Role, State
from tests.conftest import KEYS, PASSWORD, Browser, employ, make_letter, submission
from tests.mailing import settle_all

KNOWN, NEW = "dana@example.org", "never@example.org"


@dataclass(frozen=True)
class Seen:
    """All that can be told of an answer, and of the work that went into it."""

    status: str
    headers: list[tuple[str, str]]
    body: bytes
    statements: list[str]


@contextmanager
def listening(database: Database) -> Iterator[list[str]]:
    """The SQL that is sent to the database meanwhile, without its values."""
    heard: list[str] = []

    def hear(_connection: Any, _cursor: Any, statement: str, *_more: Any) -> None:
        heard.append(statement)

    event.listen(database.engine, "before_cursor_execute", hear)
    yield heard
    event.remove(database.engine, "before_cursor_execute", hear)


def seen(answer: TestResponse, statements: list[str]) -> Seen:
    headers = [(name, value) for name, value in answer.headers if name != "Date"]
    return Seen(answer.status, headers, answer.data, list(statements))


def sign(browser: Browser, database: Database, email: str, **fields: str) -> Seen:
    page = browser.hidden("/library")
    data = {"name": "Cleo", "affiliation": "", "display": "public", "kind": "person", "language": "en", "email": email}
    with listening(database) as heard:
        answer = browser.client.post("/library/sign", data={**data, **page, **fields})
    return seen(answer, heard)


def past(session: Session, letter: Letter, history: str) -> None:
    """Give the known address its history on the letter."""
    if history == "blocked everywhere":
        letter = make_letter(session, "elsewhere")
    signature = signatures.sign(session, KEYS, letter, submission(email=KNOWN))
    if history.startswith("blocked"):
        privacy.not_me(session, KEYS, signature)
    elif history == "expired":
        signature.expires_at = clock.now()
        confirmation.expire(session)
    elif history != "pending":
        confirmation.confirm(session, KEYS, signature)
    if history in (State.APPROVED, State.HELD, State.REJECTED, State.WITHDRAWN):
        signatures.move(signature, State(history))
    if history == "erased":
        privacy.erase(session, signature)
    session.commit()


HISTORIES = [*State, "erased", "blocked here", "blocked everywhere"]


@pytest.mark.parametrize("history", HISTORIES, ids=str)
@pytest.mark.parametrize("spelling", [KNOWN, "DANA@Example.org"])
def test_signing_answers_a_known_address_like_a_new_one(
    supporter: Browser, session: Session, database: Database, letter: Letter, history: str, spelling: str
) -> None:
    past(session, letter, history)
    new, known = sign(supporter, database, NEW), sign(supporter, database, spelling)
    assert known == new
    assert new.status.startswith("303") and [one for one in new.statements if "INSERT INTO outbox" in one]


def test_signing_a_second_and_a_tenth_time_is_answered_like_the_first(
    supporter: Browser, database: Database, letter: Letter
) -> None:
    first = sign(supporter, database, NEW)
    assert all(sign(supporter, database, NEW) == first for _ in range(10))


@pytest.mark.parametrize("history", HISTORIES, ids=str)
def test_the_next_page_is_the_same_too(
    supporter: Browser, session: Session, database: Database, letter: Letter, history: str
) -> None:
    past(session, letter, history)
    pages = []
    for email in (NEW, KNOWN):
        answer = supporter.sign(email=email)
        assert answer.location
        pages.append(seen(supporter.get(answer.location), []))
    assert pages[0] == pages[1]


@pytest.mark.parametrize("history", HISTORIES, ids=str)
def test_a_form_with_a_wrong_field_comes_back_the_same(
    supporter: Browser, session: Session, database: Database, letter: Letter, history: str
) -> None:
    past(session, letter, history)
    new = sign(supporter, database, "anna@example.org", name="")
    known = sign(supporter, database, KNOWN, name="")
    assert known.body == new.body.replace(b"anna@example.org", KNOWN.encode())
    assert (known.status, known.headers, known.statements) == (new.status, new.headers, new.statements)


def test_the_mail_alone_is_another_one(
    supporter: Browser, session: Session, database: Database, letter: Letter
) -> None:
    """What differs is done later, by the worker, where nobody can watch."""
    past(session, letter, "confirmed")
    sign(supporter, database, NEW)
    sign(supporter, database, KNOWN)
    session.expire_all()
    rows = session.scalars(select(Outbox).order_by(Outbox.id)).all()[-2:]
    assert {row.kind for row in rows} == {"confirm"}
    settle_all(session)
    assert [row.kind for row in rows] == ["confirm", "already"]


HASHER = accounts.HASHER


class Counting:
    """A password hasher that counts what it is asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str]] = []

    def verify(self, password_hash: str, password: str) -> bool:
        self.asked.append((password_hash, password))
        return HASHER.verify(password_hash, password)


@pytest.fixture
def hasher(monkeypatch: pytest.MonkeyPatch) -> Counting:
    counting = Counting()
    monkeypatch.setattr(accounts, "HASHER", counting)
    return counting


def staff(session: Session, letter: Letter) -> None:
    """Ada has a password, Ben is invited and has none yet, Cleo has left."""
    employ(session, "ada@example.org", Role.ORGANISER, letter)
    accounts.invite(session, accounts.add(session, "ben@example.org", Role.MODERATOR, letter))
    employ(session, "cleo@example.org", Role.ORGANISER, letter)
    accounts.find(session, "cleo@example.org").disabled_at = clock.now()
    session.commit()


@pytest.mark.parametrize("who", ["ada@example.org", "ben@example.org", "cleo@example.org", "ADA@EXAMPLE.ORG"])
@pytest.mark.parametrize("password", ["wrong", "x" * 5_000, "\x00"])
def test_a_wrong_password_is_answered_like_a_person_who_does_not_exist(
    app: Flask, session: Session, database: Database, letter: Letter, hasher: Counting, who: str, password: str
) -> None:
    staff(session, letter)
    answers = []
    for email in ("zoe@example.org", who):
        page = Browser(app.test_client())
        stamp = page.hidden("/staff/sign-in")
        hasher.asked.clear()
        with listening(database) as heard:
            answer = page.client.post("/staff/sign-in", data={"email": email, "password": password, **stamp})
        assert len(hasher.asked) == 1
        told = seen(answer, heard)
        same_length = [(name, value) for name, value in told.headers if name != "Content-Length"]
        answers.append((told.status, same_length, told.body.replace(email.encode(), b"typed"), told.statements))
    assert answers[0] == answers[1] and answers[0][0].startswith("422")


def test_who_has_left_is_told_so_only_with_the_right_password(
    app: Flask, session: Session, letter: Letter, hasher: Counting
) -> None:
    staff(session, letter)
    assert Browser(app.test_client()).sign_in("cleo@example.org", PASSWORD).status_code == 403
    assert Browser(app.test_client()).sign_in("ben@example.org", PASSWORD).status_code == 422
    assert len(hasher.asked) == 2


def test_no_hash_is_worked_out_over_the_limit_for_known_and_unknown_people_alike(
    app: Flask, session: Session, letter: Letter, monkeypatch: pytest.MonkeyPatch
) -> None:
    staff(session, letter)
    asked: list[str | None] = []

    def is_right(password_hash: str | None, _password: str) -> bool:
        asked.append(password_hash)
        return False

    monkeypatch.setattr(accounts, "is_right", is_right)
    for email in ("ada@example.org", "zoe@example.org"):
        browser = Browser(app.test_client())
        statuses = [browser.sign_in(email, "wrong").status_code for _ in range(12)]
        assert statuses == [422] * 10 + [429] * 2
    assert len(asked) == 20
