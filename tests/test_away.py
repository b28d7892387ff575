"""While the database is away nothing is lost that somebody typed, and nothing is acknowledged that was not stored."""

import re
import time
from collections.abc import Iterator
from html import unescape
from pathlib import Path

import pytest
from flask.testing import FlaskClient
from sqlalchemy import select
from sqlalchemy.orm import Session

from letter import db, signatures
from letter.app import create_app
from letter.config import Settings
from letter.db import Database
from letter.models import Letter, Signature
from tests import postgres
from tests.conftest import KEYS, Browser, submission, token

TYPED = {
    "name": 'Dana "D" <b>Ivers</b> & Söhne',
    "affiliation": "Nurse & <poet>",
    "email": "dana+1@example.org",
    "display": "recipients",
    "kind": "person",
    "updates": "y",
    "language": "en",
}
HIDDEN = re.compile(r'<input type="hidden" name="([^"]*)" value="([^"]*)">')
PATIENCE = 0.3


def fields(page: str) -> list[tuple[str, str]]:
    """What the page sends when its button is pressed."""
    return [(unescape(name), unescape(value)) for name, value in HIDDEN.findall(page)]


@pytest.fixture
def impatient(settings: Settings, database: Database, letter: Letter, session: Session) -> Iterator[FlaskClient]:
    """A supporter of a service that does not wait long for its database."""
    session.rollback()
    own = Database(settings.database_url, patience=PATIENCE)
    yield create_app(settings, own).test_client()
    own.close()


@pytest.fixture
def stolen(impatient: FlaskClient, database: Database, tmp_path: Path) -> Iterator[None]:
    """The database, taken away until `given_back`."""
    take_away(database, tmp_path)
    yield
    give_back(database, tmp_path)


def take_away(database: Database, folder: Path) -> None:
    if database.file:
        database.file.rename(folder / "elsewhere")
    else:
        postgres.shared.cluster.execute("ALTER DATABASE {} ALLOW_CONNECTIONS false", database.url.database or "")
        postgres.shared.cluster.end_connections(database.url.database or "")


def give_back(database: Database, folder: Path) -> None:
    if not database.file:
        postgres.shared.cluster.execute("ALTER DATABASE {} ALLOW_CONNECTIONS true", database.url.database or "")
    elif not database.file.exists():
        (folder / "elsewhere").rename(database.file)


def test_signing_keeps_everything_typed_and_one_press_sends_it_when_the_database_is_back(
    impatient: FlaskClient, database: Database, tmp_path: Path
):
    typed = {**Browser(impatient).hidden("/library"), **TYPED}
    take_away(database, tmp_path)
    answer = impatient.post("/library/sign", data=typed)
    give_back(database, tmp_path)
    assert (answer.status_code, answer.headers["Cache-Control"]) == (503, "no-store")
    assert "Retry-After" in answer.headers and "Set-Cookie" not in answer.headers
    assert 'action="/library/sign"' in answer.text and "<b>Ivers" not in answer.text
    assert fields(answer.text) == list(typed.items())
    time.sleep(1.1)  # nobody knocks at once where nobody answered
    again = impatient.post("/library/sign", data=dict(fields(answer.text)))
    assert (again.status_code, again.location) == (303, "/library/thanks")
    with database.reading() as session:
        stored = session.scalars(select(Signature.name).where(Signature.place.is_(None))).all()
    assert stored == ['Dana "D" <b>Ivers</b> & Söhne']


@pytest.mark.usefixtures("stolen")
def test_a_second_press_while_it_is_away_keeps_everything_too(impatient: FlaskClient):
    first = impatient.post("/library/sign", data={"stamp": "a stamp", **TYPED})
    second = impatient.post("/library/sign", data=dict(fields(first.text)))
    assert second.status_code == 503
    assert fields(second.text) == fields(first.text) == [("stamp", "a stamp"), *TYPED.items()]


def test_confirming_is_not_acknowledged_and_works_afterwards(
    impatient: FlaskClient, database: Database, session: Session, letter: Letter, tmp_path: Path
):
    path = f"/confirm/{token(_pending(session, letter))}"
    stamp = Browser(impatient).hidden(path)
    take_away(database, tmp_path)
    answer = impatient.post(path, data=stamp)
    opened = impatient.get(path)
    give_back(database, tmp_path)
    assert (answer.status_code, opened.status_code) == (503, 503)
    assert f'action="{path}"' in answer.text and "Try again" in answer.text
    time.sleep(1.1)
    assert "Thank you" in impatient.post(path, data=dict(fields(answer.text))).text


def _pending(session: Session, letter: Letter) -> Signature:
    signature = signatures.sign(session, KEYS, letter, submission())
    session.commit()
    return signature


@pytest.mark.usefixtures("stolen")
@pytest.mark.parametrize("headers", [{"Sec-Fetch-Site": "cross-site"}, {"Origin": "https://elsewhere.example"}])
def test_what_another_site_sent_is_not_made_a_form_of_ours(impatient: FlaskClient, headers: dict[str, str]):
    answer = impatient.post("/library/sign", data=TYPED, headers=headers)
    assert (answer.status_code, fields(answer.text)) == (503, [])


@pytest.mark.usefixtures("stolen")
def test_a_password_is_never_written_into_a_page(impatient: FlaskClient):
    stamp = Browser(impatient).hidden("/staff/sign-in")
    answer = impatient.post("/staff/sign-in", data={**stamp, "email": "ada@example.org", "password": "a long walk"})
    assert answer.status_code == 503
    assert "a long walk" not in answer.text


@pytest.mark.usefixtures("stolen")
@pytest.mark.parametrize("path", ["/", "/library/signatures?q=x", "/staff/", "/readyz", "/mine/x.y"])
def test_every_other_page_says_so_at_once(impatient: FlaskClient, path: str):
    impatient.set_cookie("letter", "x")
    begin = time.monotonic()
    assert impatient.get(path).status_code in (200, 303, 404, 503)
    assert time.monotonic() - begin < 5


@pytest.mark.sqlite
def test_a_file_that_another_program_has_locked_is_waited_for_and_then_everything_is_kept(
    impatient: FlaskClient, database: Database
):
    typed = {**Browser(impatient).hidden("/library"), **TYPED}
    # By the same library: the locks of two in one process would not know of each other.
    other = db.driver().connect(str(database.file), isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    begin = time.monotonic()
    answer = impatient.post("/library/sign", data=typed)
    took = time.monotonic() - begin
    other.close()
    assert (answer.status_code, fields(answer.text)) == (503, list(typed.items()))
    assert took < PATIENCE + 5
    assert impatient.post("/library/sign", data=dict(fields(answer.text))).status_code == 303
