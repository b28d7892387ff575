"""Links that we did not write: 200 changed copies of each open nothing and change nothing."""

import random
import string
from collections.abc import Iterator
from urllib.parse import quote

import pytest
from flask import Flask
from itsdangerous import TimestampSigner, URLSafeSerializer
from sqlalchemy import select
from sqlalchemy.orm import Session

from letter.db import Database
from letter.models import Letter, Signature
from letter.tokens import new_uid
from tests.conftest import KEYS, Browser
from tests.reading import addresses, stored

PAGES = {
    "confirm": "/confirm/{}",
    "mine": "/mine/{}",
    "not-me": "/not-me/{}",
    "secret": "/staff/invitation/{}",
}
POSTS = {
    "confirm": ["/confirm/{}", "/confirm/{}/again"],
    "mine": ["/mine/{}/correct", "/mine/{}/display", "/mine/{}/withdraw", "/mine/{}/erase"],
    "not-me": ["/not-me/{}"],
    "secret": ["/staff/invitation/{}"],
}
FIELDS = {"name": "Cleo", "affiliation": "", "display": "counted", "password": "a long walk by the sea"}
SIGNS = string.ascii_letters + string.digits + "-_.=~:+ %\x00\n\u00e9\u202e\U0001f600"
HOW_MANY = 200


def mutations(token: str, seed: str) -> Iterator[str]:
    """Copies of `token` with signs changed, lost, added, swapped or repeated; never the token itself."""
    chance = random.Random(seed)  # noqa: S311 - the same ones every time
    made = 0
    while made < HOW_MANY:
        at = chance.randrange(len(token))
        other = chance.randrange(len(token))
        sign = chance.choice(SIGNS)
        changed = chance.choice([
            token[:at] + sign + token[at + 1 :],
            token[:at] + token[at + 1 :],
            token[:at] + sign + token[at:],
            token[:at],
            token[at:],
            token[:at] + token[at].swapcase() + token[at + 1 :],
            token[:at] + token[other] + token[at + 1 :],
            token + token[: at + 1],
            sign + token,
            token + sign,
            token[::-1],
            token.replace(".", "", 1),
            token * chance.randrange(2, 500),
        ])  # fmt: skip
        if changed not in ("", token):
            made += 1
            yield changed


@pytest.fixture
def values(session: Session, letter: Letter) -> dict[str, str]:
    return addresses(session, letter)


@pytest.mark.parametrize("link", list(PAGES))
def test_a_changed_link_opens_nothing_and_changes_nothing(
    supporter: Browser, database: Database, values: dict[str, str], link: str
) -> None:
    stamp = supporter.hidden("/library")
    before = stored(database)
    chosen = random.Random(link)  # noqa: S311
    for changed in mutations(values[link], link):
        answer = supporter.get(PAGES[link].format(quote(changed, safe="")))
        assert answer.status_code == 404 and "Traceback" not in answer.text, changed
        assert "Stan Signed" not in answer.text and "Pia Pending" not in answer.text
        path = chosen.choice(POSTS[link]).format(quote(changed, safe=""))
        assert supporter.client.post(path, data={**FIELDS, **stamp}).status_code == 404, changed
    assert stored(database) == before
    assert supporter.get(PAGES[link].format(values[link])).status_code == 200


@pytest.mark.parametrize("link", list(PAGES))
def test_a_link_opens_no_page_of_another_kind(
    supporter: Browser, database: Database, values: dict[str, str], link: str
) -> None:
    stamp = supporter.hidden("/library")
    before = stored(database)
    for other in PAGES.keys() - {link}:
        for path in (PAGES[link], *POSTS[link]):
            full = path.format(values[other])
            assert path not in PAGES.values() or supporter.get(full).status_code == 404, full
            assert path not in POSTS[link] or supporter.client.post(full, data={**FIELDS, **stamp}).status_code == 404
    assert stored(database) == before


def forgeries(uid: str) -> Iterator[str]:
    """What somebody can make who knows how tokens are made, or one of their parts, but not the key of this purpose."""
    for salt in ("letter.confirm", "letter.mine", "letter.not-me"):
        yield str(URLSafeSerializer(b"another key", salt=salt).dumps(uid))
        yield str(URLSafeSerializer(b"", salt=salt).dumps(uid))
    for salt in ("", "itsdangerous", "letter.form", "letter.session", "letter.invite"):
        yield str(URLSafeSerializer(KEYS.secret, salt=salt).dumps(uid))
        yield TimestampSigner(KEYS.secret, salt=salt).sign(uid).decode()
    yield from (uid, f'"{uid}"', f"{uid}.", f".{uid}", "null", "0", "1", "2", "true", "[]", "{}")


@pytest.mark.parametrize("link", ["confirm", "mine", "not-me"])
def test_a_forged_link_opens_nothing(
    supporter: Browser, session: Session, database: Database, values: dict[str, str], link: str
) -> None:
    before = stored(database)
    for uid in (*session.scalars(select(Signature.uid)), new_uid(), "", "1"):
        for forged in forgeries(uid):
            assert supporter.get(PAGES[link].format(quote(forged, safe=""))).status_code == 404, forged
    assert stored(database) == before


@pytest.mark.parametrize(
    "stamp", ["", "x", "letter", "letter.", ".", "..", "letter.x.y", "\x00", "9" * 20_000, "ø.ø.ø"]
)
def test_a_forged_stamp_is_refused_and_a_stamp_of_another_kind_as_well(
    supporter: Browser, database: Database, letter: Letter, stamp: str
) -> None:
    before = stored(database)
    kinds = [TimestampSigner(KEYS.secret, salt=salt).sign("letter").decode() for salt in ("letter.form", "")]
    for value in (stamp, *kinds, supporter.hidden("/library")["stamp"] + "x"):
        answer = supporter.sign(stamp=value)
        assert answer.status_code == 422 and 'value="Dana Ivers"' in answer.text
        assert supporter.client.post("/staff/sign-in", data={"stamp": value}).status_code == 400
    assert stored(database) == before


@pytest.mark.parametrize("cookie", ["", "x", "a.b.c", "\x01", "9" * 5_000, '"', "a=b=c", "letter", "{}", "ø.ø.ø"])
def test_a_forged_cookie_is_no_cookie(app: Flask, database: Database, letter: Letter, cookie: str) -> None:
    before = stored(database)
    signed = TimestampSigner(KEYS.secret, salt="letter.session").sign("nobody").decode()
    for value in (cookie, signed):
        answer = app.test_client(use_cookies=False).get("/staff/", headers={"Cookie": f"letter={value}"})
        assert (answer.status_code, answer.location) == (303, "/staff/sign-in")
    assert stored(database) == before
