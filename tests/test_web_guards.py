"""Closed by default: every route, every method, every kind of person."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta

import pytest
import time_machine
from flask import Flask
from sqlalchemy.orm import Session
from werkzeug.routing import Rule

from letter import accounts, clock, confirmation, signatures
from letter.db import Database
from letter.links import PATHS
from letter.models import Base, Letter, Role
from letter.tokens import Purpose
from letter.web import guards
from letter.web.request import SAFE
from tests.conftest import KEYS, Browser, employ, submission, token

OPEN = {
    "static", "machine.alive", "machine.ready", "machine.robots", "letters.index", "letters.show", "letters.sign",
    "letters.thanks", "listing.names", "facts.about", "facts.count", "facts.badge", "facts.feed",
    "confirmation.ask", "confirmation.confirm", "confirmation.again",
    "privacy.mine", "privacy.correct", "privacy.display", "privacy.updates", "privacy.withdraw", "privacy.erase",
    "privacy.data", "privacy.ask_not_me", "privacy.not_me", "accounts.sign_in", "accounts.enter", "accounts.invitation",
    "accounts.accept",
}  # fmt: skip
ROLES = {
    "letters.preview": Role.VIEWER,
    "accounts.home": "staff",
    "accounts.sign_out": "staff",
    "moderation.queue": Role.MODERATOR,
    "moderation.decide": Role.MODERATOR,
    "moderation.undo": Role.MODERATOR,
    "moderation.everything": Role.MODERATOR,
    "exporting.show": Role.ORGANISER,
    "exporting.download": Role.ORGANISER,
    "settings.show": Role.ORGANISER,
    "settings.change": Role.ORGANISER,
}
FORMS = {
    "letters.sign": {"name": "Dana", "email": "d@example.org", "display": "public", "kind": "person", "language": "en"},
    "accounts.enter": {"email": "ada@example.org", "password": "x"},
    "moderation.decide": {"one": "approve:1:1"},
    "exporting.download": {"format": "csv"},
    "settings.change": {"state": "closed"},
}


@dataclass
class Walk:
    """Every route with real values in its address, and a digest of all that is stored."""

    app: Flask
    database: Database
    values: dict[str, str]

    def paths(self, method: str) -> Iterator[tuple[Rule, str]]:
        for rule in self.app.url_map.iter_rules():
            if method in (rule.methods or ()):
                values = {name: self.value(rule, name) for name in rule.arguments}
                yield rule, self.app.url_map.bind("letter.example").build(rule.endpoint, values)

    def value(self, rule: Rule, name: str) -> str:
        if name == "token":
            return self.values["mine" if "/mine" in rule.rule else "not-me" if "/not-me" in rule.rule else "confirm"]
        return {"slug": "library", "language": "en", "filename": "letter.css", **self.values}[name]

    def digest(self) -> str:
        with self.database.reading() as session:
            rows = [tuple(row) for table in Base.metadata.sorted_tables for row in session.execute(table.select())]
        main = self.database.file
        kept = (main, main.with_name(f"{main.name}-wal")) if main else ()
        files = [file.read_bytes() for file in kept if file.exists()]
        return hashlib.sha256(repr((rows, files)).encode()).hexdigest()


@pytest.fixture
def walk(app: Flask, database: Database, session: Session, letter: Letter) -> Walk:
    pending = signatures.sign(session, KEYS, letter, submission())
    signed = signatures.sign(session, KEYS, letter, submission(email="signed@example.org"))
    confirmation.confirm(session, KEYS, signed)
    secret = accounts.invite(session, accounts.add(session, "new@example.org", Role.VIEWER, letter))
    session.commit()
    tokens = {str(purpose): token(pending, purpose) for purpose in Purpose}
    tokens["mine"] = token(signed, Purpose.MINE)
    return Walk(app, database, {**tokens, "secret": secret})


def test_every_view_is_opened_by_name_or_needs_a_role_from_this_table(app: Flask) -> None:
    with app.app_context():
        endpoints = {rule.endpoint for rule in app.url_map.iter_rules()}
        found = {endpoint: guards.opened(endpoint) for endpoint in endpoints}
    assert found == {**dict.fromkeys(OPEN, "all"), **ROLES}


def test_a_view_that_nobody_opened_is_closed(app: Flask) -> None:
    app.add_url_rule("/forgotten", "forgotten", lambda: "secret")
    assert app.test_client().get("/forgotten").status_code == 403


def test_get_and_head_leave_what_is_stored_as_it_was(walk: Walk, app: Flask, ada: Browser) -> None:
    before = walk.digest()
    for client in (app.test_client(), ada.client):
        for method in ("GET", "HEAD", "OPTIONS"):
            for rule, path in walk.paths("GET"):
                with client.open(path, method=method) as answer:
                    assert answer.status_code < 500, (method, rule.rule)
    assert walk.digest() == before


def test_every_post_without_its_anti_forgery_value_is_refused(walk: Walk, app: Flask, ada: Browser) -> None:
    walked = 0
    for client in (app.test_client(), ada.client):
        for rule, path in walk.paths("POST"):
            before = walk.digest()
            for wrong in ({}, {"stamp": "", "csrf_token": ""}, {"stamp": "x.y.z", "csrf_token": "x.y.z"}):
                answer = client.post(path, data={**FORMS.get(rule.endpoint, {}), **wrong})
                assert answer.status_code in (400, 401, 422), (rule.rule, answer.status_code)
                assert walk.digest() == before, rule.rule
                walked += 1
    assert walked >= 2 * 3 * 15


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Origin": "https://evil.example"},
        {"Origin": "http://letter.example.evil.example"},
    ],
)
def test_a_form_sent_from_another_site_is_refused(walk: Walk, ada: Browser, headers: dict[str, str]) -> None:
    pages = {"accounts.sign_out": "/staff/", "moderation.decide": "/staff/library/settings"}
    for rule, path in walk.paths("POST"):
        page = pages.get(rule.endpoint, "/staff/library/settings" if path.startswith("/staff") else "/library")
        page = "/staff/sign-in" if rule.endpoint in ("accounts.enter", "accounts.accept") else page
        before = walk.digest()
        answer = ada.post(path, FORMS.get(rule.endpoint, {}), page=page, headers=headers)
        assert answer.status_code in (400, 422), (rule.rule, answer.status_code)
        assert walk.digest() == before, rule.rule


def test_a_stamp_is_good_for_seven_days(supporter: Browser, letter: Letter) -> None:
    stamp = supporter.hidden("/library")
    data = {**FORMS["letters.sign"], **stamp}
    with time_machine.travel(clock.now() + timedelta(days=6, hours=22), tick=False):
        assert supporter.client.post("/library/sign", data=data).status_code == 303
    with time_machine.travel(clock.now() + timedelta(days=7, hours=2), tick=False):
        answer = supporter.client.post("/library/sign", data=data)
    assert answer.status_code == 422 and 'value="Dana"' in answer.text


PEOPLE = {None: 0, Role.VIEWER: 1, Role.MODERATOR: 2, Role.ORGANISER: 3}


@pytest.mark.parametrize("role", list(PEOPLE), ids=str)
@pytest.mark.parametrize("slug", ["library", "elsewhere", "nowhere"])
def test_a_role_opens_its_pages_for_its_letter_and_nothing_else(
    walk: Walk, app: Flask, session: Session, letter: Letter, cleo: Browser, role: Role | None, slug: str
) -> None:
    """Cleo works at "elsewhere"; here she is given `role` at "library", or none at all (a signed-out stranger)."""
    if role:
        employ(session, "eve@example.org", role, letter)
    client = Browser(app.test_client())
    if role:
        client.sign_in("eve@example.org")
    walk.values["slug"] = slug
    for method in ("GET", "POST"):
        for rule, path in walk.paths(method):
            needed = ROLES.get(rule.endpoint)
            if not isinstance(needed, Role):
                continue
            before = walk.digest()
            page = "/staff/" if role else "/staff/sign-in"
            answer = client.get(path) if method == "GET" else client.post(path, FORMS.get(rule.endpoint, {}), page=page)
            allowed = role is not None and slug == "library" and PEOPLE[role] >= PEOPLE[needed]
            if allowed:
                assert answer.status_code in (200, 303, 409, 422), (rule.rule, answer.status_code)
                continue
            wanted = (303 if method == "GET" else 401) if role is None else 403 if slug == "library" else 404
            assert answer.status_code == wanted, (rule.rule, answer.status_code)
            assert walk.digest() == before, rule.rule


def test_links_in_mails_lead_where_pages_are(app: Flask) -> None:
    """The paths of `links` and those of the pages are the same ones."""
    rules = {rule.rule.replace("slug:", "").replace("language:", "") for rule in app.url_map.iter_rules()}
    assert set(PATHS.values()) <= rules


def test_methods_that_a_page_does_not_have_get_a_clear_page(walk: Walk, app: Flask) -> None:
    for rule in app.url_map.iter_rules():
        for method in ("PUT", "DELETE", "PATCH", "TRACE"):
            path = next(path for one, path in walk.paths(next(iter(rule.methods & {"GET", "POST"}))) if one is rule)
            assert app.test_client().open(path, method=method).status_code in (405, 404), (method, path)


def test_the_guard_treats_head_like_get() -> None:
    assert set(SAFE) == {"GET", "HEAD", "OPTIONS"}
