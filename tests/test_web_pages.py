"""Ready pages of the real application: the same bytes as Flask gives, and never older than a second."""

import gzip
import re
import time
from collections.abc import Callable
from pathlib import Path

import brotli
import pytest
from flask import Flask
from sqlalchemy.orm import Session
from werkzeug.test import Client

from letter import confirmation, letters, listing, pages, signatures
from letter.db import Database
from letter.models import Letter, LetterState, Signature, State
from letter.pages import Front
from tests.conftest import KEYS, make_letter, submission
from tests.reading import addresses
from tests.serving import Server, serving

READY = ("/", "/library", "/library/en", "/library/thanks", "/library/signatures", "/library.json",
         "/library/count.json", "/library/badge.svg", "/library/feed.atom", "/robots.txt")  # fmt: skip


@pytest.fixture
def front(app: Flask, database: Database, letter: Letter) -> Front:
    return pages.in_front(app, database)


@pytest.fixture
def reader(front: Front) -> Client:
    return Client(front)


def approve(session: Session, letter: Letter, name: str) -> Signature:
    signature = signatures.sign(session, KEYS, letter, submission(name, "d@example.org"))
    confirmation.confirm(session, KEYS, signature)
    signatures.move(signature, State.APPROVED)
    session.commit()
    return signature


def look_again(*fronts: Front) -> None:
    """As if a second had passed."""
    for front in fronts:
        front.watch.due = float("-inf")
        for page in front.shelf.pages.values():
            page.try_at = float("-inf")


@pytest.mark.parametrize("path", READY)
def test_every_encoding_of_a_ready_page_is_what_flask_renders(app: Flask, reader: Client, path: str) -> None:
    rendered = app.test_client().get(path)
    for _ in range(2):
        for encoding, decode in (("br", brotli.decompress), ("gzip", gzip.decompress), ("identity", bytes)):
            ready = reader.get(path, headers={"Accept-Encoding": encoding})
            is_packed = "Content-Encoding" in ready.headers
            assert (decode(ready.data) if is_packed else ready.data) == rendered.data
            assert int(ready.headers["Content-Length"]) == len(ready.data)
            own = {"ETag", "Vary", "Content-Encoding", "Content-Length"}
            assert {one for one in ready.headers if one[0] not in own} == {
                one for one in rendered.headers if one[0] not in own
            }


@pytest.mark.parametrize("path", READY)
def test_no_news_is_said_in_a_few_bytes_with_all_headers_that_protect(reader: Client, path: str) -> None:
    page = reader.get(path)
    again = reader.get(path, headers={"If-None-Match": page.headers["ETag"]})
    assert (again.status_code, again.data) == (304, b"")
    without = ("Content-Type", "Content-Length")
    assert [one for one in page.headers if one[0] not in without] == list(again.headers)
    head = reader.head(path)
    assert (head.status_code, head.data, list(head.headers)) == (200, b"", list(page.headers))


def test_an_approved_name_appears_and_a_withdrawn_one_goes(
    front: Front, reader: Client, session: Session, letter: Letter
) -> None:
    tags = {path: reader.get(path).headers["ETag"] for path in READY}
    signature = approve(session, letter, "Dana Ivers")
    look_again(front)
    changed = {path for path in READY if reader.get(path).headers["ETag"] != tags[path]}
    silent = {"/library/thanks", "/library/feed.atom", "/robots.txt"}
    assert changed == set(READY) - silent
    assert "Dana Ivers" in reader.get("/library").text and "Dana Ivers" in reader.get("/library/signatures").text
    signatures.move(signature, State.WITHDRAWN)
    session.commit()
    look_again(front)
    assert not [path for path in READY if "Dana" in reader.get(path).text]


def test_all_processes_see_a_change_of_any_of_them(
    app: Flask, database: Database, session: Session, letter: Letter
) -> None:
    fronts = [pages.in_front(app, database) for _ in range(3)]
    for front in fronts:
        assert "Dana Ivers" not in Client(front).get("/library").text
    approve(session, letter, "Dana Ivers")
    look_again(*fronts)
    assert ["Dana Ivers" in Client(front).get("/library").text for front in fronts] == [True] * 3


def test_a_letter_that_opens_closes_or_is_translated_changes_its_pages(
    front: Front, reader: Client, session: Session, letter: Letter
) -> None:
    assert 'action="/library/sign' in reader.get("/library").text
    assert reader.get("/library/de").status_code == 404
    letters.move(session, letter, LetterState.CLOSED)
    letters.add_text(session, letter, "de", title="Öffnet die Bibliothek", body="Text", sign_off="", addressees="")
    make_letter(session, "bridge").texts[0].title = "Build the bridge"
    session.commit()
    look_again(front)
    assert 'action="/library/sign' not in reader.get("/library").text
    assert reader.get("/library/de").status_code == 200
    assert "Build the bridge" in reader.get("/").text and "Open the library" not in reader.get("/").text
    letter.state = LetterState.DRAFT
    session.commit()
    look_again(front)
    assert {reader.get(path).status_code for path in READY if path.startswith("/library")} == {404}


def test_personal_pages_pass_by_and_are_never_kept_or_compressed(
    front: Front, reader: Client, session: Session, letter: Letter
) -> None:
    values = addresses(session, letter)
    paths = [
        f"/confirm/{values['confirm']}",
        f"/mine/{values['mine']}",
        f"/not-me/{values['not-me']}",
        "/staff/sign-in",
    ]
    for path in paths:
        answer = reader.get(path, headers={"Accept-Encoding": "br, gzip"})
        assert answer.status_code == 200, path
        assert answer.headers["Cache-Control"] == "no-store" and "Content-Encoding" not in answer.headers
    assert front.shelf.pages == {}


def test_only_pages_that_a_page_links_to_are_kept(
    front: Front, reader: Client, session: Session, letter: Letter
) -> None:
    place = listing.cursor(approve(session, letter, "Dana Ivers"))
    key, _, uid = place.partition(".")
    for after in (place, f"{key}A.{uid}", f"{key}=.{uid}", f"QUJD.{uid}", "QUJD.x", key):
        assert reader.get(f"/library/signatures?after={after}").status_code == 200
    for path in ("/library/EN", "/library/eN", "/library?x=1", "/library/signatures?q=dana"):
        assert reader.get(path).status_code == 200
    names = "/library/signatures"
    assert set(front.shelf.pages) == {("/library", ""), (names, ""), (names, f"after={place}")}


@pytest.mark.sqlite
def test_without_the_database_pages_are_read_and_nothing_is_signed(
    front: Front, reader: Client, database: Database, tmp_path: Path
) -> None:
    before = reader.get("/library")
    file = database.file
    assert file
    file.rename(tmp_path / "elsewhere")
    look_again(front)
    for _ in range(3):
        assert reader.get("/library").data == before.data
    assert reader.get("/library/signatures").status_code == 503
    assert reader.post("/library/sign", data={"name": "Dana"}).status_code == 503
    (tmp_path / "elsewhere").rename(file)
    look_again(front)
    assert reader.get("/library/signatures").status_code == 200


def test_style_is_ready_and_compressed_under_the_address_that_pages_name(front: Front, reader: Client) -> None:
    (address,) = re.findall(r'href="(/static/letter\.css\?v=[0-9a-f]{12})"', reader.get("/library").text)
    plain = (Path(__file__).parents[1] / "static" / "letter.css").read_bytes()
    for encoding, decode in (("br", brotli.decompress), ("gzip", gzip.decompress), ("identity", bytes)):
        ready = reader.get(address, headers={"Accept-Encoding": encoding})
        assert decode(ready.data) == plain and ready.mimetype == "text/css"
        assert ready.headers["Cache-Control"] == "public, max-age=31536000, immutable"
        assert len(ready.headers.getlist("ETag")) == 1
        again = reader.get(address, headers={"Accept-Encoding": encoding, "If-None-Match": ready.headers["ETag"]})
        assert (again.status_code, again.data) == (304, b"")
    assert reader.get("/static/letter.css?v=0123456789ab").data == plain
    assert reader.get("/static/nothing.css?v=0123456789ab").status_code == 404
    assert [key for key in front.shelf.pages if key[0] != "/library"] == [tuple(address.split("?"))]


def test_public_pages_and_their_versions_are_read_from_the_replica_and_nothing_else_is(
    reader: Client, database: Database, session: Session, letter: Letter, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[bool] = []
    read = database.reading
    monkeypatch.setattr(database, "reading", lambda *, public=False: (asked.append(public), read(public=public))[1])
    values = addresses(session, letter)
    public = ("/library", "/library/signatures?q=z", "/library/count.json")
    for path in (*public, f"/mine/{values['mine']}", "/staff/library/preview", "/readyz"):
        asked.clear()
        reader.get(path, headers={"Cookie": "letter=x.y.z"})
        assert set(asked) <= {path in public}, path
    asked.clear()
    reader.post("/library/sign", data={"name": "Dana"})
    assert asked and set(asked) == {False}


def soon(happens: Callable[[], bool]) -> float:
    """How many seconds it took."""
    start = time.monotonic()
    while not happens():
        assert time.monotonic() < start + 20, "it did not happen"
        time.sleep(0.02)
    return time.monotonic() - start


def test_two_server_processes_show_a_name_within_seconds_and_outlive_their_database(tmp_path: Path) -> None:
    with serving(tmp_path, "--no-work", "--processes", "2") as server:
        stamp = server.stamp("library")
        name_a_first_signatory(server, tmp_path, "Yara Young")
        assert soon(lambda: all("Yara Young" in server.get("/library")[1] for _ in range(20))) < 10
        if not (tmp_path / "letter.sqlite3").exists():
            return
        (tmp_path / "letter.sqlite3").rename(tmp_path / "elsewhere")
        time.sleep(1.1)
        assert {server.get("/library")[0] for _ in range(40)} == {200}
        assert server.sign("library", stamp, name="Dana Ivers", email="dana@example.org") == 503


def name_a_first_signatory(server: Server, folder: Path, name: str) -> None:
    names = folder / "names.txt"
    names.write_text(f"{name} – Teacher\n", "utf-8")
    server.run("import", "library", str(names), "--yes")
