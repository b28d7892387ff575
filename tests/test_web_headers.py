"""Headers: valid, and once each, on every answer of every route; personal pages are kept nowhere, public ones are."""

import re
from collections.abc import Iterator
from datetime import timedelta

import pytest
import time_machine
from flask import Flask
from sqlalchemy.orm import Session
from werkzeug.test import TestResponse

from letter import clock
from letter.models import Letter
from tests.conftest import Browser, make_letter
from tests.reading import FORM, Reading, addresses, cookie_of, paths

DIRECTIVES = {
    "default-src", "script-src", "style-src", "img-src", "font-src", "connect-src", "media-src", "object-src",
    "frame-src", "worker-src", "manifest-src", "form-action", "base-uri", "frame-ancestors",
}  # fmt: skip
FEATURES = {"camera", "geolocation", "microphone", "payment", "usb", "accelerometer", "gyroscope", "fullscreen"}
EXACT = {
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
SHORT = "public, max-age=1, stale-while-revalidate=4, stale-if-error=3600"
FOR_OTHERS = {"Cross-Origin-Resource-Policy": "cross-origin"}
CACHING = {"no-store", "no-cache", SHORT, "public, max-age=31536000, immutable"}
EMBEDDED = ("/library.json", "/library/count.json", "/library/badge.svg", "/library/feed.atom")
PERSONAL = ("/staff", "/mine", "/confirm", "/not-me")
READY = ["/", "/library", "/library/en", "/library/signatures", "/library/thanks", "/robots.txt", *EMBEDDED]
PUBLIC = [*READY, "/library/signatures?q=zelda", "/healthz", "/readyz", "/static/letter.css", "/static/letter.css?v=1"]

CROOKED = ["/nowhere", "/nowhere/en", "/library/xx", "/library//signatures", "/static/nothing.css?v=1", "/static/",
           "/%00", "/staff", "/staff/x", "/staff/nowhere/queue", "/mine/x", "/confirm/x", "/not-me/x"]  # fmt: skip


def demand_safe(answer: TestResponse, label: object) -> None:
    """Fail unless each header is there once, with a value that browsers understand and that allows nothing foreign."""
    headers = answer.headers
    for name in (*EXACT, "Content-Security-Policy", "Permissions-Policy", "Cache-Control", "Content-Type"):
        assert len(headers.getlist(name)) == 1, (label, name)
    is_for_other_sites = headers["Cross-Origin-Resource-Policy"] == "cross-origin"
    assert {name: headers[name] for name in EXACT} == {**EXACT, **(FOR_OTHERS if is_for_other_sites else {})}, label
    assert headers.get("Access-Control-Allow-Origin") == ("*" if is_for_other_sites else None), label
    demand_strict(headers["Content-Security-Policy"])
    features = [re.fullmatch(r"([a-z-]+)=\(\)", part) for part in headers["Permissions-Policy"].split(", ")]
    assert all(found and found[1] in FEATURES for found in features), label
    assert headers["Cache-Control"] in CACHING, label
    assert not {"Server", "X-Powered-By", "Link", "Refresh"} & set(headers.keys()), label


def demand_strict(policy: str) -> None:
    directives = dict(part.split(" ", 1) for part in policy.split("; "))
    assert len(directives) == policy.count(";") + 1 and directives.keys() <= DIRECTIVES
    assert set(directives.values()) <= {"'none'", "'self'"}
    for name in ("default-src", "base-uri", "frame-ancestors"):  # the last two do not fall back to the first
        assert directives[name] == "'none'"
    assert directives["form-action"] == "'self'"


@pytest.fixture
def values(session: Session, letter: Letter) -> dict[str, str]:
    return addresses(session, letter)


def answers(app: Flask, browser: Browser, values: dict[str, str]) -> Iterator[tuple[tuple[str, str], TestResponse]]:
    """What every route says to every way of asking, right and wrong."""
    stamps = {**browser.hidden("/library"), **browser.hidden("/staff/")}
    too_much = {"data": b"x" * 70_000, "content_type": FORM}
    everything = paths(app, values)
    for path in sorted(everything, key=lambda path: path.endswith(("/withdraw", "/erase", "/sign-out"))):
        for method in ("GET", "HEAD", "OPTIONS", "POST", "PUT", "DELETE", "BREW"):
            yield (method, path), browser.client.open(path, method=method)
        yield ("POST, with its stamp", path), browser.client.post(path, data=stamps)
        yield ("POST, too large", path), browser.client.post(path, **too_much)
        yield ("GET of a part", path), browser.client.get(path, headers={"Range": "bytes=999999999-"})
    for path in CROOKED:
        yield ("GET", path), browser.client.get(path)
        yield ("POST", path), browser.client.post(path, data=stamps)


@pytest.mark.parametrize("who", ["ada", "supporter"])
def test_every_answer_carries_the_headers(
    app: Flask, values: dict[str, str], who: str, request: pytest.FixtureRequest
) -> None:
    statuses = set()
    for (method, path), answer in answers(app, request.getfixturevalue(who), values):
        with answer:
            demand_safe(answer, (method, path))
            statuses.add(answer.status_code)
            personal = path.startswith(PERSONAL) or answer.status_code >= 400 or method.startswith("POST")
            assert (answer.headers["Cache-Control"] == "no-store") is personal, (method, path)
            assert (answer.headers.get("X-Robots-Tag") == "noindex") is personal, (method, path)
            if answer.status_code == 200:
                assert ("Access-Control-Allow-Origin" in answer.headers) is (path in EMBEDDED), (method, path)
            assert "Strict-Transport-Security" not in answer.headers
    assert statuses >= {200, 303, 308, 400, 404, 405, 413, 416, 422}
    assert not {status for status in statuses if status >= 500}


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_our_own_faults_carry_the_headers_too(app: Flask, supporter: Browser, letter: Letter, method: str) -> None:
    def break_down() -> str:
        raise RuntimeError("secret")

    break_down.opened = "all"  # type: ignore[attr-defined]
    break_down.checks_stamp = True  # type: ignore[attr-defined]
    app.add_url_rule("/broken", "broken", break_down, methods=["GET", "POST"])
    answer = supporter.client.open("/broken", method=method)
    demand_safe(answer, method)
    assert (answer.status_code, answer.headers["Cache-Control"]) == (500, "no-store")
    assert "secret" not in answer.text and "Traceback" not in answer.text and "RuntimeError" not in answer.text


@pytest.mark.parametrize(
    "slug", ["staff-of-the-library", "mine-workers", "confirmation", "not-me-too", "demonstration"]
)
def test_a_letter_whose_address_begins_like_a_personal_page_is_public(
    supporter: Browser, session: Session, slug: str
) -> None:
    make_letter(session, slug)
    session.commit()
    headers = supporter.get(f"/{slug}").headers
    assert headers["Cache-Control"] == SHORT and "X-Robots-Tag" not in headers


@pytest.mark.parametrize("path", READY)
def test_copies_of_a_page_with_names_live_for_seconds(supporter: Browser, letter: Letter, path: str) -> None:
    assert supporter.get(path).headers["Cache-Control"] == SHORT


@pytest.mark.parametrize("path", PUBLIC)
def test_a_public_page_is_the_same_for_everybody_and_leaves_no_cookie(
    app: Flask, supporter: Browser, ada: Browser, letter: Letter, path: str
) -> None:
    odd = {
        "Cookie": cookie_of(ada),
        "Host": "other.example",
        "Accept-Language": "fr, ar;q=0.9",
        "User-Agent": "Other/1.0",
        "X-Forwarded-For": "198.51.100.7",
        "X-Forwarded-Proto": "https",
        "X-Requested-With": "XMLHttpRequest",
        "Referer": "http://other.example/",
        "DNT": "1",
    }
    with time_machine.travel(
        clock.now() + timedelta(minutes=2), tick=False
    ):  # a staff page would stamp the cookie anew
        with supporter.get(path) as one, app.test_client(use_cookies=False).get(path, headers=odd) as other:
            assert (one.status_code, one.data) == (200, other.data)
            assert list(one.headers) == list(other.headers)
            assert "Set-Cookie" not in one.headers and "Vary" not in one.headers
        assert "Set-Cookie" in ada.get("/staff/").headers


def test_no_answer_to_a_stranger_sets_a_cookie(app: Flask, supporter: Browser, values: dict[str, str]) -> None:
    for label, answer in answers(app, supporter, values):
        with answer:
            assert "Set-Cookie" not in answer.headers, label


def test_static_files_are_kept_for_a_year_under_an_address_that_changes_with_them(
    supporter: Browser, ada: Browser, letter: Letter
) -> None:
    pages = [supporter.get("/library").text, supporter.get("/nowhere").text, ada.get("/staff/").text]
    links = [link.attributes["href"] for page in pages for link in Reading(page).all("link")]
    files = {href for href in links if href.startswith("/static/")}
    assert len(files) >= 3
    for href in files:
        assert re.fullmatch(r"/static/[a-z.]+\?v=[0-9a-f]{12}", href)
        with supporter.get(href) as answer:
            assert answer.headers["Cache-Control"] == "public, max-age=31536000, immutable"
            tag = answer.headers["ETag"]
        with supporter.get(href, headers={"If-None-Match": tag}) as again:
            assert (again.status_code, again.data) == (304, b"")
            assert again.headers["X-Content-Type-Options"] == "nosniff"
        with supporter.get(href.partition("?")[0]) as answer:
            assert answer.headers["Cache-Control"] == "no-cache"
    assert supporter.get("/static/nothing.css?v=1").headers["Cache-Control"] == "no-store"
