"""What every test can ask for: an instance of its own, Ada (organiser), Ben (moderator) and Cleo (a stranger)."""

import os
import re
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy.orm import Session
from werkzeug.test import TestResponse

from letter import accounts, letters, signatures
from letter.app import create_app
from letter.config import Settings
from letter.db import Database
from letter.importing import Entry
from letter.models import Letter, LetterState, Moderation, Outbox, Role, Signature
from letter.sealing import Keys, unseal
from letter.signing import Submission
from letter.tokens import Purpose, write
from tests import postgres

pytest_plugins = ["tests.mailing"]
KEYS = Keys(
    b"dGVzdHMgb25seTogdGhlIHNlY3JldCBrZXkuLi4uLi4=",
    b"dGVzdHMgb25seTogdGhlIHNlYWxpbmcga2V5Li4uLi4=",
    b"dGVzdHMgb25seTogdGhlIGluZGV4IGtleS4uLi4uLi4=",
)
PASSWORD = "a long walk by the sea"
BODY = "We ask for the library to be opened.\n\nIt has been **closed** for a year."


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--database", choices=("sqlite", "postgres"), default="sqlite", help="where the tests store things"
    )


def pytest_configure(config: pytest.Config) -> None:
    postgres.shared.is_chosen = config.getoption("--database") == "postgres"


def pytest_unconfigure() -> None:
    postgres.shared.end()


LEFT_OUT = {"sqlite": "about SQLite alone", "no_database": "the same on every database"}
left_out = pytest.StashKey[list[str]]()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """On PostgreSQL, leave out what is about SQLite and what no database can change, and say so in the end."""
    out = [item for item in items if any(map(item.get_closest_marker, LEFT_OUT))] if postgres.shared.is_chosen else []
    config.stash[left_out] = sorted({item.nodeid.partition("[")[0] for item in out})
    items[:] = [item for item in items if item not in out]
    config.hook.pytest_deselected(items=out)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    for name in config.stash.get(left_out, []):
        terminalreporter.write_line(f"NOT ON POSTGRESQL {name}")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Where everything is installed (LETTER_TEST_ALL=1), a skipped test is a failed one."""
    report = yield
    if report.skipped and os.environ.get("LETTER_TEST_ALL") == "1":
        report.outcome = "failed"
        report.longrepr = f"skipped, though LETTER_TEST_ALL is set: {report.longrepr}"
    return report


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(
        instance=tmp_path,
        keys=KEYS,
        base_url="http://letter.example",
        database_url=postgres.address(tmp_path),
        smtp_url=(tmp_path / "mail").as_uri(),
        mail_from="Open letters <letters@letter.example>",
    )


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    with postgres.made(tmp_path) as url:
        database = Database(url)
        yield database
        database.close()


@pytest.fixture
def session(database: Database) -> Iterator[Session]:
    with database.writing() as session:
        yield session


@pytest.fixture
def letter(session: Session) -> Letter:
    """An open letter with two first signatories; committed."""
    letter = make_letter(session, "library")
    session.commit()
    return letter


def make_letter(
    session: Session, slug: str, moderation: Moderation = Moderation.BEFORE, language: str = "en"
) -> Letter:
    letter = letters.create(
        session,
        slug,
        title="Open the library",
        language=language,
        body=BODY,
        sign_off="Sincerely yours,",
        addressees="To the city council",
        moderation=moderation,
    )
    firsts = [
        Entry(1, "person", "Zelda Quist", "Teacher", "", ""),
        Entry(2, "organisation", "Readers’ Union", "", "", ""),
    ]
    signatures.vouch(session, letter, firsts, "agreed by mail")
    letters.move(session, letter, LetterState.OPEN)
    return letter


def submission(name: str = "Dana Ivers", email: str = "dana@example.org", **more: Any) -> Submission:
    return Submission(name=name, affiliation=more.pop("affiliation", "Nurse"), email=email, **more)


def token(signature: Signature, purpose: Purpose = Purpose.CONFIRM) -> str:
    return write(KEYS.secret, purpose, signature.uid)


def mails(session: Session) -> list[tuple[str, str]]:
    """The kind and address of each mail that waits, oldest first."""
    rows = session.query(Outbox).order_by(Outbox.id).all()
    return [(row.kind, unseal(KEYS, row.to_sealed)) for row in rows if row.to_sealed]


@pytest.fixture
def app(settings: Settings, database: Database) -> Flask:
    app = create_app(settings, database)
    app.testing = False
    return app


STAMP = re.compile(r'name="(stamp|csrf_token)"[^>]*value="([^"]+)"|value="([^"]+)"[^>]*name="(stamp|csrf_token)"')


@dataclass
class Browser:
    """Somebody at a browser, who reads a page before sending its form."""

    client: FlaskClient

    def get(self, path: str, **more: Any) -> TestResponse:
        return self.client.get(path, **more)

    def hidden(self, path: str) -> dict[str, str]:
        """The anti-forgery value that the page at `path` carries."""
        found = STAMP.search(self.get(path).text)
        if not found:
            return {}
        name, value = (found[1], found[2]) if found[1] else (found[4], found[3])
        return {name: value}

    def post(self, path: str, data: dict[str, Any] | None = None, *, page: str, **more: Any) -> TestResponse:
        """Send the form that stands on `page` to `path`."""
        return self.client.post(path, data={**self.hidden(page), **(data or {})}, **more)

    def sign(self, slug: str = "library", **fields: Any) -> TestResponse:
        data = {"name": "Dana Ivers", "affiliation": "Nurse", "email": "dana@example.org", "display": "public"}
        return self.post(f"/{slug}/sign", {**data, "kind": "person", "language": "en", **fields}, page=f"/{slug}")

    def sign_in(self, email: str, password: str = PASSWORD) -> TestResponse:
        return self.post("/staff/sign-in", {"email": email, "password": password}, page="/staff/sign-in")


@pytest.fixture
def supporter(app: Flask) -> Browser:
    return Browser(app.test_client())


PASSWORD_HASH = accounts.hash_password(PASSWORD)


def employ(session: Session, email: str, role: Role, letter: Letter | None) -> None:
    person = accounts.add(session, email, role, letter)
    accounts.set_password(session, person, PASSWORD_HASH)
    session.commit()


def at_the_desk(app: Flask, email: str) -> Browser:
    browser = Browser(app.test_client())
    answer = browser.sign_in(email)
    assert answer.status_code == 303, answer.text
    return browser


@pytest.fixture
def ada(app: Flask, session: Session, letter: Letter) -> Browser:
    employ(session, "ada@example.org", Role.ORGANISER, letter)
    return at_the_desk(app, "ada@example.org")


@pytest.fixture
def ben(app: Flask, session: Session, letter: Letter) -> Browser:
    employ(session, "ben@example.org", Role.MODERATOR, letter)
    return at_the_desk(app, "ben@example.org")


@pytest.fixture
def cleo(app: Flask, session: Session) -> Browser:
    """Works here, but not on this letter."""
    employ(session, "cleo@example.org", Role.ORGANISER, make_letter(session, "elsewhere"))
    return at_the_desk(app, "cleo@example.org")
