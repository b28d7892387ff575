"""What a request says of itself is not believed: not its host, not its scheme, not where it comes from."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from flask import Flask
from limits import RateLimitItemPerMinute
from sqlalchemy.orm import Session
from werkzeug.test import TestResponse

from letter import accounts, limits
from letter.app import create_app
from letter.config import Settings
from letter.db import Database
from letter.models import Letter, Role
from tests.conftest import Browser, at_the_desk, employ
from tests.reading import addresses, cookie_of, paths

EVIL = "evil.example"
FORGED: dict[str, dict[str, str]] = {
    "another host": {"Host": EVIL},
    "another port": {"Host": f"{EVIL}:8080"},
    "our host with another port": {"Host": "letter.example:1337"},
    "a host with a name in front": {"Host": f"letter.example@{EVIL}"},
    "a host with a path": {"Host": f"{EVIL}/letter.example"},
    "a host with an empty part": {"Host": "evil..example"},
    "a host that is too long": {"Host": "evil" * 100 + ".example"},
    "no host": {"Host": ""},
    "half an address": {"Host": "[::1"},
    "a host that is no text": {"Host": "\xff\xfe.evil.example"},
    "a forwarded host": {"X-Forwarded-Host": EVIL, "X-Forwarded-Port": "1337", "X-Forwarded-Server": EVIL},
    "a forwarded scheme": {"X-Forwarded-Proto": "javascript", "X-Forwarded-Scheme": "ftp", "Front-End-Https": "on"},
    "a forwarded prefix": {"X-Forwarded-Prefix": f"//{EVIL}", "X-Script-Name": f"//{EVIL}", "X-Original-URL": EVIL},
    "the standard's own header": {"Forwarded": f"for=6.6.6.6;host={EVIL};proto=https"},
    "everything at once": {"Host": EVIL, "X-Forwarded-Host": EVIL, "X-Forwarded-For": EVIL, "X-Host": EVIL,
                           "Referer": f"http://{EVIL}/", "Origin": "null"},
}  # fmt: skip
MARKS = ("evil", ":1337", "javascript:", "ftp:")  # four digits alone also stand in a stamp now and then


@pytest.fixture(params=[0, 1], ids=lambda hops: f"{hops} proxies")
def proxied(request: pytest.FixtureRequest, settings: Settings, database: Database) -> Flask:
    app = create_app(replace(settings, proxies=request.param), database)
    app.testing = False
    return app


def pages(app: Flask, browser: Browser, values: dict[str, str], headers: dict[str, str]) -> Iterator[TestResponse]:
    """What every page says, and where every form and every crooked address leads, to staff with these headers."""
    stamps = {**browser.hidden("/library"), **browser.hidden("/staff/")}
    headers = {**headers, "Cookie": cookie_of(browser)}
    browser = Browser(app.test_client(use_cookies=False))
    form = {"name": "Cleo", "email": "cleo@example.org", "display": "public", "kind": "person", "language": "en"}
    last = ("/withdraw", "/erase", "/sign-out")
    for path, methods in sorted(paths(app, values).items(), key=lambda item: item[0].endswith(last)):
        if "GET" in methods:
            yield browser.get(path, headers=headers)
        if "POST" in methods:
            yield browser.client.post(path, data={**form, **stamps, "one": "approve:1:1"}, headers=headers)
    for crooked in ("/staff", "/library//signatures", "//library", f"//{EVIL}/%2f..", "/staff//", "/nowhere"):
        yield browser.client.get("/", headers=headers, environ_overrides={"PATH_INFO": crooked.replace(EVIL, "x")})


@pytest.mark.parametrize("headers", FORGED.values(), ids=FORGED)
def test_no_page_and_no_redirect_repeats_a_forged_host(
    proxied: Flask, session: Session, letter: Letter, settings: Settings, headers: dict[str, str]
) -> None:
    values = addresses(session, letter)
    employ(session, "ada@example.org", Role.ORGANISER, letter)
    redirects = staff = 0
    for answer in pages(proxied, at_the_desk(proxied, "ada@example.org"), values, headers):
        with answer:
            assert answer.status_code < 500, answer.request.path
            said = answer.text.lower() + repr(sorted(answer.headers)).lower()
            assert not [mark for mark in MARKS if mark in said], answer.request.path
            staff += answer.status_code == 200 and answer.request.path.startswith("/staff/library")
            if answer.location:
                redirects += 1
                own = answer.location.removeprefix(settings.base_url)
                assert own.startswith("/") and not own.startswith("//"), answer.location
    assert redirects >= 8 and staff >= 4


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three sign-ins from a network, none of which takes time."""
    monkeypatch.setattr(limits, "SIGN_INS_PER_NETWORK", RateLimitItemPerMinute(3, 15, namespace="sign-in-network"))
    monkeypatch.setattr(accounts, "is_right", lambda *_: False)


def attempts(app: Flask, forwarded: str, **more: Any) -> list[int]:
    """What five people are told who try to sign in; `forwarded` names them by their number."""
    browser = Browser(app.test_client())
    stamp = browser.hidden("/staff/sign-in")
    answers = [
        browser.client.post(
            "/staff/sign-in",
            data={"email": f"s{number}@example.org", "password": "x", **stamp},
            headers={"X-Forwarded-For": forwarded.replace("{}", str(number)), "X-Real-IP": f"198.51.{number}.1"},
            **more,
        )
        for number in range(5)
    ]
    return [answer.status_code for answer in answers]


TAKEN, STOPPED = [422] * 5, [422] * 3 + [429] * 2


@pytest.mark.parametrize(
    ("hops", "forwarded", "wanted"),
    [
        (0, "198.51.{}.1", STOPPED),
        (0, "6.6.6.6, 198.51.{}.1", STOPPED),
        (1, "198.51.{}.1", TAKEN),
        (1, "198.51.{}.1, 6.6.6.6", STOPPED),
        (1, "198.51.{}.1,198.51.{}.2,6.6.6.6", STOPPED),
        (1, "6.6.6.6, 198.51.{}.1", TAKEN),
        (1, "2001:db8:{}::1", TAKEN),
        (1, "2001:db8::{}", STOPPED),
        (1, "198.51.100.{}", STOPPED),
        (1, "not an address {}", STOPPED),
        (1, "", STOPPED),
        (2, "198.51.{}.1, 10.0.0.1", TAKEN),
        (2, "198.51.{}.1, 6.6.6.6, 10.0.0.1", STOPPED),
    ],
)
def test_where_somebody_is_comes_from_our_own_proxies_alone(
    few: None, settings: Settings, database: Database, hops: int, forwarded: str, wanted: list[int]
) -> None:
    app = create_app(replace(settings, proxies=hops), database)
    assert attempts(app, forwarded) == wanted


@pytest.fixture
def secure(settings: Settings, database: Database) -> Flask:
    app = create_app(replace(settings, base_url="https://letter.example"), database)
    app.testing = False
    return app


def cookies(app: Flask) -> list[str]:
    """The cookies that signing in and out sets, and what every page in between says of TLS."""
    browser = at_the_desk(app, "ada@example.org")
    came = browser.sign_in("ada@example.org")
    left = browser.post("/staff/sign-out", page="/staff/")
    return [*came.headers.getlist("Set-Cookie"), *left.headers.getlist("Set-Cookie")]


def parts(cookie: str) -> set[str]:
    return set(cookie.split("; ")[1:])


def test_with_https_the_cookie_is_bound_to_tls_and_to_the_host(secure: Flask, session: Session, letter: Letter) -> None:
    employ(session, "ada@example.org", Role.ORGANISER, letter)
    came, left = cookies(secure)
    assert came.startswith("__Host-letter=") and parts(came) == {"Secure", "HttpOnly", "Path=/", "SameSite=Lax"}
    assert left.startswith("__Host-letter=;") and parts(left) > {"Secure", "Path=/", "Max-Age=0"}
    assert not [part for part in parts(left) if part.startswith("Domain")]


def test_without_https_the_cookie_is_one_that_browsers_take(app: Flask, session: Session, letter: Letter) -> None:
    employ(session, "ada@example.org", Role.ORGANISER, letter)
    came, left = cookies(app)
    assert came.startswith("letter=") and parts(came) == {"HttpOnly", "Path=/", "SameSite=Lax"}
    assert left.startswith("letter=;") and "Secure" not in parts(left)


def test_with_https_every_answer_asks_for_tls_for_two_years(secure: Flask, session: Session, letter: Letter) -> None:
    values = addresses(session, letter)
    for path, methods in paths(secure, values).items():
        for method in methods | {"PUT"}:
            with secure.test_client().open(path, method=method) as answer:
                assert answer.headers.getlist("Strict-Transport-Security") == ["max-age=63072000; includeSubDomains"]
