"""Requests of an odd shape: too large, of another kind, to addresses that are none, by methods that are none."""

import io
import json
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from sqlalchemy.orm import Session

from letter.db import Database, driver
from letter.models import Letter, Signature
from tests.conftest import Browser
from tests.reading import FORM, addresses, form, paths, stored

MEGABYTES = b"name=" + b"x" * 10_000_000
SIGNED = {"name": "Dana Ivers", "affiliation": "Nurse", "email": "dana@example.org", "display": "public"}


@pytest.fixture
def values(session: Session, letter: Letter) -> dict[str, str]:
    return addresses(session, letter)


@pytest.fixture
def posts(app: Flask, values: dict[str, str]) -> list[str]:
    """Every address that takes a form."""
    return [path for path, methods in paths(app, values).items() if "POST" in methods]


def with_length() -> dict[str, Any]:
    return {"data": MEGABYTES, "content_type": FORM}


def without_length() -> dict[str, Any]:
    chunks = {"CONTENT_LENGTH": "", "HTTP_TRANSFER_ENCODING": "chunked", "wsgi.input_terminated": True}
    return {"input_stream": io.BytesIO(MEGABYTES), "content_type": FORM, "environ_overrides": chunks}


def of_many_parts() -> dict[str, Any]:
    return {"data": {f"field{number}": "x" for number in range(2000)}, "content_type": "multipart/form-data"}


@pytest.mark.parametrize("body", [with_length, without_length, of_many_parts])
def test_ten_megabytes_or_two_thousand_parts_are_too_much_for_every_form(
    posts: list[str], ada: Browser, database: Database, body: Callable[[], dict[str, Any]]
) -> None:
    before = stored(database)
    for path in posts:
        answer = ada.client.post(path, **body())
        assert answer.status_code == 413, path
        assert "too much at once" in answer.text and "Traceback" not in answer.text
    assert stored(database) == before


def test_two_thousand_unknown_fields_are_passed_over(supporter: Browser, database: Database, letter: Letter) -> None:
    more = {f"field{number}": "x" for number in range(2000)}
    assert supporter.sign(**more).status_code == 303
    assert len(stored(database)["signature"]) == 3


def test_a_field_sent_twice_counts_once(supporter: Browser, session: Session, letter: Letter) -> None:
    twice = {"name": ["Dana Ivers", "Ben"], "email": ["dana@example.org", "ben@example.org"]}
    fields = {**SIGNED, **twice, "kind": "person", "language": "en"}
    assert supporter.post("/library/sign", fields, page="/library").status_code == 303
    assert [row.name for row in session.query(Signature)][2:] == ["Dana Ivers"]


OTHER_KINDS = {
    "a number in JSON": ("application/json", "5"),
    "a list in JSON": ("application/json", "[1]"),
    "nothing in JSON": ("application/json", "null"),
    "half a JSON": ("application/json", "{"),
    "deep JSON": ("application/json", "[" * 20_000),
    "the form in JSON": ("application/json", json.dumps({**SIGNED, "kind": "person"})),
    "numbers in JSON": ("application/json", '{"name": 5, "email": {"a": []}}'),
    "text": ("text/plain", "name=Dana"),
    "XML": ("application/xml", "<?xml version='1.0'?><!DOCTYPE a [<!ENTITY b SYSTEM 'file:///etc/passwd'>]><a>&b;</a>"),
    "parts without a boundary": ("multipart/form-data", "name=Dana"),
    "parts that do not end": ("multipart/form-data; boundary=x", '--x\r\nContent-Disposition: form-data; name="name"'),
    "parts that are none": ("multipart/form-data; boundary=x", "\x00\x01"),
    "another character set": (f"{FORM}; charset=utf-16", "name=Dana"),
    "a character set that is none": (f"{FORM}; charset=\x00", "name=Dana"),
    "no kind at all": ("", "name=Dana"),
    "a broken form": (FORM, "%%%&&&===;;;%zz%u1234&name"),
}


@pytest.mark.parametrize(("kind", "body"), OTHER_KINDS.values(), ids=OTHER_KINDS)
def test_what_is_no_form_is_refused_by_every_form(
    posts: list[str], ada: Browser, database: Database, kind: str, body: str
) -> None:
    before = stored(database)
    for path in posts:
        answer = ada.client.post(path, data=body, content_type=kind)
        wanted = (422,) if path.endswith(("/sign", "/correct")) else (400,)
        assert answer.status_code in wanted, path
        assert "Traceback" not in answer.text
    assert stored(database) == before


@pytest.mark.parametrize("field", ["name", "affiliation", "email", "display", "kind", "language", "password"])
def test_a_file_in_place_of_a_line_is_no_line(
    posts: list[str], supporter: Browser, database: Database, values: dict[str, str], field: str
) -> None:
    stamp = supporter.hidden("/library")
    fields = {**SIGNED, "name": "Stan", "kind": "person", "language": "en", "password": "a walk by the sea"}
    for path in ("/library/sign", f"/mine/{values['mine']}/correct", "/staff/sign-in"):
        before = stored(database)
        file = (io.BytesIO(b"Dana \xff\x00" * 1000), "../../name.php", "text/html")
        del fields[field]
        answer = supporter.client.post(path, data={**fields, **stamp, field: file}, content_type="multipart/form-data")
        fields[field] = ""
        assert answer.status_code in (303, 422), path
        assert b"name.php" not in answer.data
        assert answer.status_code == 303 or stored(database) == before
        assert "\ufffd" not in repr(stored(database)) and "name.php" not in repr(stored(database))


@pytest.mark.parametrize("length", ["-5", "abc", "9" * 30, "", "3", "1e3"])
def test_a_length_that_is_not_true_is_no_fault_of_ours(
    posts: list[str], ada: Browser, database: Database, length: str
) -> None:
    before = stored(database)
    for path in posts:
        answer = ada.client.post(path, **form({"name": "Dana"}), environ_overrides={"CONTENT_LENGTH": length})
        assert answer.status_code in (400, 413, 422), path
    assert stored(database) == before


class Sender(io.BytesIO):
    """A body of which a piece is still on its way: at each read it looks whether somebody else could write now."""

    def __init__(self, body: bytes, database: Database) -> None:
        super().__init__(body)
        self.database = database
        self.looks = 0

    def read(self, size: int | None = -1, /) -> bytes:
        connection = driver().connect(str(self.database.file), timeout=0, isolation_level=None)
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("ROLLBACK")
        connection.close()
        self.looks += 1
        return super().read(size)

    def readinto(self, buffer: Any, /) -> int:
        data = self.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)


def test_nobody_has_to_wait_for_somebody_who_sends_slowly(posts: list[str], ada: Browser, database: Database) -> None:
    for path in posts:
        sender = Sender(b"name=Dana&email=dana@example.org", database)
        answer = ada.client.post(path, input_stream=sender, content_type=FORM)
        assert answer.status_code in (400, 422), path
        assert sender.looks


NOWHERE = [
    "/Library", "/library.json5", "/library.", "/.library", "/-library", "/library/", "/library%00", "/library%0d%0aX",
    "/LIBRARY/sign", "/library/en/more", "/library/e", "/library/english-language-x", "/library/xx", "/library/en-",
    "/library/%00", "/library/../staff", "/..%2f..%2fetc/passwd", "/%2e%2e/%2e%2e/etc/passwd", "/%ff%fe",
    "/%ed%a0%80", "/%e2%80%ae", "/%F0%9F%98%80", "/" + "a" * 81, "/" + "a" * 60_000, "/a" * 5_000, "/nowhere",
    "/nowhere/sign", "/nowhere/signatures", "/nowhere/thanks", "/{{7*7}}", "/<script>", "/'%20OR%201=1--",
    "/library;a=b", "/%25%30%30", "/static/", "/static/..", "/static/%00", "/static/..%2f..%2fpyproject.toml",
    "/static/nothing.css", "/static/" + "a" * 5_000, "/static/%ff", "/static/.", "/confirm/",
    "/mine/", "/not-me/", "/staff/nothing", "/staff/invitation/", "/mine/x/data.json", "/mine/x/y", "/favicon.ico",
    "/.git/config", "/.env", "/instance/letter.toml",
]  # fmt: skip


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_an_address_that_is_none_gets_a_clear_page(ada: Browser, values: dict[str, str], method: str) -> None:
    stamps = {**ada.hidden("/library"), **ada.hidden("/staff/")}
    for path in NOWHERE:
        answer = ada.client.open(path, method=method, data=stamps if method == "POST" else None)
        with answer:
            wanted = (404, 405) if method == "POST" or path.endswith("/sign") else (404,)
            assert answer.status_code in wanted, path
            assert "<h1" in answer.text and "Traceback" not in answer.text


QUERIES = [
    "", "after", "after=", "after=%00", "after=%ff%fe", "after=" + "9" * 30, "after[]=1", "after=1&after=2", "q=%00",
    "q=%ff", "q=%25_%5c", "q='%22%3c%3e", "q=" + "x" * 60_000, "q=%E2%80%AE", "q=%F0%9F%98%80", "q=%CC%81%CC%81",
    "q=" + "%EF%B7%BA" * 80, "q=(((((", "q=*", "q=\\", "lane=nowhere", "lane=%00", "choose=%00", "state=nothing",
    "state=%00", "state=APPROVED", "before=", "before=x", "before=0", "before=-1", "before=1.5", "before=1e9",
    "before=9223372036854775807", "before=9223372036854775808", "before=" + "9" * 5_000, "before=%D9%A3", "before=%00",
    "said=%3Cscript%3E", "said=%00", "said=approve&done=x&skipped=y", "said=approve&done=" + "9" * 400, "done=-1",
    "said=approve&done=9&skipped=" + "9" * 5_000, "said=undo&done=1e400&skipped=inf", "said=hold&done=nan", "=", "&&&",
]  # fmt: skip


def test_no_page_breaks_on_what_stands_behind_the_question_mark(
    app: Flask, ada: Browser, database: Database, values: dict[str, str]
) -> None:
    before = stored(database)
    for path, methods in paths(app, values).items():
        for query in QUERIES if "GET" in methods else ():
            with ada.client.get(f"{path}?{query}") as answer:
                assert answer.status_code == 200, (path, query[:40])
    assert stored(database) == before


def test_a_method_that_a_page_does_not_have_is_refused_with_those_that_it_has(
    app: Flask, ada: Browser, database: Database, values: dict[str, str]
) -> None:
    before = stored(database)
    for path, methods in paths(app, values).items():
        for method in {"GET", "POST", "PUT", "DELETE", "PATCH", "TRACE", "CONNECT", "BREW"} - methods:
            answer = ada.client.open(path, method=method)
            allowed = {one.strip() for one in answer.headers["Allow"].split(",")}
            assert (answer.status_code, allowed) == (405, methods), (method, path)
    assert stored(database) == before
