"""Forms filled in wrongly: the page comes back with everything typed and a message at the field; nothing is stored."""

import pytest
from flask import Flask
from sqlalchemy.orm import Session

from letter.db import Database
from letter.models import Display, Letter, Signature
from letter.text import clean
from tests.conftest import Browser
from tests.reading import Reading, addresses, form, paths, stored

TYPED = {
    "name": "Dana Ivers",
    "affiliation": "Nurse & midwife",
    "email": "dana@example.org",
    "display": "counted",
    "kind": "organisation",
    "updates": "y",
    "language": "en",
}
WRONG = {
    "no name": ("name", ""),
    "a name of spaces": ("name", " \t\u3000 "),
    "a name that is too long": ("name", "x" * 121),
    "a name that is very long": ("name", "x" * 20_000),
    "a name of digits": ("name", "12345"),
    "a name of emoji": ("name", "😀🏳️‍🌈"),
    "a name of marks": ("name", "\u0301\u0302"),
    "a name under a pile of marks": ("name", "Z" + "\u0335\u0336\u0337\u0338\u0321\u0322" * 5 + "algo"),
    "a name that cannot be seen": ("name", "\u200b\u2060\ufeff\u00ad\u3164"),
    "a name of control characters": ("name", "\x00\x07\x1b\x7f"),
    "a name of overrides": ("name", "\u202e\u2066\u200f"),
    "a name with a link": ("name", "Dana https://evil.example"),
    "an affiliation that is too long": ("affiliation", "x" * 201),
    "an affiliation of emoji": ("affiliation", "🎉🎉"),
    "no address": ("email", ""),
    "an address that is too long": ("email", "d" * 60 + "@" + "example." * 30 + "org"),
    "an address without a domain": ("email", "dana@"),
    "two addresses": ("email", "dana@example.org, ben@example.org"),
    "an address with a line end": ("email", "dana@example.org\r\nBcc: ben@example.org"),
    "an address with markup": ("email", "<dana@example.org>"),
    "an address with a broken domain": ("email", "dana@-..example"),
    "an unknown display": ("display", "everybody"),
    "an unknown kind": ("kind", "robot"),
    "an empty display": ("display", ""),
    "an empty kind": ("kind", ""),
}


@pytest.fixture
def values(session: Session, letter: Letter) -> dict[str, str]:
    return addresses(session, letter)


@pytest.mark.parametrize(("field", "value"), WRONG.values(), ids=WRONG)
def test_what_is_wrong_is_said_at_its_field_and_everything_typed_stays(
    supporter: Browser, database: Database, letter: Letter, field: str, value: str
) -> None:
    before = stored(database)
    answer = supporter.sign(**{**TYPED, field: value})
    page = Reading(answer.text)
    assert answer.status_code == 422 and stored(database) == before
    assert page.message(field)
    for other in ("name", "affiliation", "email", "display", "kind", "updates", "language"):
        if other != field:
            assert (page.value(other), page.message(other)) == (TYPED[other], "")
    if field in ("name", "affiliation", "email"):
        assert page.value(field) == clean(value)


@pytest.mark.parametrize("language", ["xx", "EN-GB", "", "\x00", "../en", "e" * 5000])
def test_a_language_that_the_letter_does_not_have_loses_nothing_that_was_typed(
    supporter: Browser, database: Database, letter: Letter, language: str
) -> None:
    before = stored(database)
    answer = supporter.sign(**{**TYPED, "language": language})
    if not language:  # none was named: it is the letter's own
        assert answer.status_code == 303
        return
    page = Reading(answer.text)
    assert answer.status_code == 422 and stored(database) == before
    assert {name: page.value(name) for name in TYPED} == TYPED
    assert "in that language" in page.all("div", id="summary")[0].text


@pytest.mark.parametrize("missing", ["name", "email", "stamp"])
def test_a_field_that_was_not_sent_at_all_is_asked_for(
    supporter: Browser, database: Database, letter: Letter, missing: str
) -> None:
    before = stored(database)
    fields = {**TYPED, **supporter.hidden("/library")}
    del fields[missing]
    answer = supporter.client.post("/library/sign", data=fields)
    assert answer.status_code == 422 and stored(database) == before


def test_an_organisation_cannot_sign_where_people_are_asked(
    supporter: Browser, session: Session, database: Database, letter: Letter
) -> None:
    letter.organisations_welcome = False
    session.commit()
    before = stored(database)
    assert supporter.sign(kind="organisation").status_code == 422 and stored(database) == before
    assert supporter.sign(kind="person").status_code == 303


@pytest.mark.parametrize(("field", "value"), [one for one in WRONG.values() if one[0] in ("name", "affiliation")])
def test_a_correction_is_held_to_the_same_rules(
    supporter: Browser, database: Database, values: dict[str, str], field: str, value: str
) -> None:
    mine = f"/mine/{values['mine']}"
    before = stored(database)
    answer = supporter.post(f"{mine}/correct", {"name": "Stan", "affiliation": "Baker", field: value}, page=mine)
    page = Reading(answer.text)
    assert answer.status_code == 422 and stored(database) == before
    assert page.message(field)
    other = {"name": "affiliation", "affiliation": "name"}[field]
    assert (page.value(other), page.message(other)) == ({"name": "Stan", "affiliation": "Baker"}[other], "")


@pytest.mark.parametrize("display", ["", "everybody", "PUBLIC", "public\x00", "1"])
def test_an_unknown_display_is_not_said_to_be_saved(
    supporter: Browser, session: Session, database: Database, values: dict[str, str], display: str
) -> None:
    mine = f"/mine/{values['mine']}"
    before = stored(database)
    answer = supporter.post(f"{mine}/display", {"display": display}, page=mine)
    assert answer.status_code == 422 and stored(database) == before
    assert Reading(answer.text).message("display") and "Saved" not in answer.text
    assert {one.display for one in session.query(Signature)} == {Display.PUBLIC}


@pytest.mark.parametrize(
    ("email", "password"),
    [("", ""), ("ada@example.org", ""), ("", "x"), ("\x00", "x"), ("a" * 30_000, "b" * 30_000), ("ada@", "\x00\ud7ff")],
)
def test_signing_in_with_nonsense_shows_the_form_again_without_the_password(
    app: Flask, session: Session, letter: Letter, database: Database, email: str, password: str
) -> None:
    before = stored(database)
    answer = Browser(app.test_client()).sign_in(email, password)
    page = Reading(answer.text)
    assert answer.status_code == 422 and stored(database) == before
    assert page.value("email") == email.strip("\x00") and page.value("password") == ""
    assert bool(page.message("email")) is (email == "") and bool(page.message("password")) is (password == "")


@pytest.mark.parametrize("password", ["", "short", "x" * 201, "aaaaaaaaaaaa", "\x00" * 50])
def test_a_first_password_that_is_too_weak_leaves_the_invitation_open(
    supporter: Browser, database: Database, values: dict[str, str], password: str
) -> None:
    path = f"/staff/invitation/{values['secret']}"
    before = stored(database)
    answer = supporter.post(path, {"password": password}, page=path)
    assert answer.status_code == 422 and stored(database) == before
    assert Reading(answer.text).message("password")
    assert supporter.get(path).status_code == 200


BYTES = {
    "NUL": b"\x00",
    "broken UTF-8": b"Dana \xff\xfe\xc0\xaf Ivers",
    "half a character": b"Dana \xe2\x82",
    "a surrogate": b"\xed\xa0\x80\xed\xb0\x80",
    "beyond Unicode": b"\xf4\x90\x80\x80",
    "escape codes": b"\x1b[31m\x9b0m",
    "line ends": b"Dana\r\nSet-Cookie: a=b\r\n\r\n<p>",
    "directions": "\u202eDana\u2067 Ivers\u202c".encode(),
    "signs for what was lost": "Dana\ufffd Ivers\ufffd".encode(),
    "nothing to be seen": "\u200b\u2060\ufeff".encode(),
    "a marked pile": ("a" + "\u0301" * 500).encode(),
    "three thousand": b"x" * 3_000,
    "a huge number": b"9" * 3_000,
}
EVERY_FIELD = (
    "name", "affiliation", "email", "display", "kind", "updates", "language", "password", "one", "action", "entry",
    "reason", "lane", "batch", "format", "state", "moderation",
)  # fmt: skip


@pytest.mark.parametrize("wrong", BYTES.values(), ids=BYTES)
def test_no_form_breaks_on_odd_bytes_and_no_page_shows_what_cannot_be_seen(
    app: Flask, ada: Browser, supporter: Browser, database: Database, values: dict[str, str], wrong: bytes
) -> None:
    stamps = {**ada.hidden("/library"), **ada.hidden("/staff/")}
    addressed = [
        path for path, methods in paths(app, values).items() if "POST" in methods and path != "/staff/sign-out"
    ]
    for path in sorted(addressed, key=lambda path: path.endswith(("/withdraw", "/erase"))):
        before = stored(database)
        client = ada.client if path.startswith("/staff/library") else supporter.client
        answer = client.post(path, **form({**dict.fromkeys(EVERY_FIELD, wrong), **stamps}))
        assert answer.status_code in (200, 303, 404, 409, 410, 422), path
        assert "Traceback" not in answer.text
        assert not set("\x00\x07\x1b\x9b\u200b\u2060\u202e\u2067\ufeff\ufffd") & set(answer.text), path
        if answer.status_code >= 400:
            assert stored(database) == before, path
