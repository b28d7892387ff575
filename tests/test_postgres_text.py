"""PostgreSQL has its own rules for text: it sorts as its language does, and no NUL may be in it."""

from collections.abc import Iterator

import pytest
from flask import Flask
from sqlalchemy import insert
from sqlalchemy.exc import DataError
from sqlalchemy.orm import Session

from letter import exporting, listing, signing
from letter.db import Database
from letter.models import Base, Display, Evidence, Kind, Letter, Moderation, Signature, State
from letter.web.guards import open_to_all
from tests import postgres
from tests.conftest import Browser, make_letter

LINGUISTIC = "CREATE DATABASE {} TEMPLATE template0 LOCALE_PROVIDER icu ICU_LOCALE 'en-US'"
UIDS = "aBcDeFgHiJkLmNoPqR"  # in English it is sorted as it stands, by code points the capitals come first


@pytest.fixture
def english() -> Iterator[Session]:
    """A session with a database that sorts as English does."""
    cluster = postgres.shared.cluster
    cluster.execute(LINGUISTIC, "english")
    database = Database(cluster.url("english"))
    try:
        Base.metadata.create_all(database.engine)
        with database.writing() as session:
            yield session
    finally:
        database.close()
        cluster.drop("english")


def namesakes(session: Session, moderation: Moderation) -> Letter:
    """A letter signed by many of one name; after every third one somebody has looked."""
    letter = make_letter(session, "library", moderation)
    base = signing.new(letter, letter.texts[0], "Dana Ivers", "Nurse", Kind.PERSON)
    rows = [
        {
            **base,
            "uid": uid,
            "state": State.CONFIRMED if number % 3 and moderation is Moderation.AFTER else State.APPROVED,
            "display": (Display.PUBLIC, Display.RECIPIENTS)[uid in "eF"],
            "evidence": Evidence.MAIL,
            "email_key": number.to_bytes(32, "big"),
            "email_sealed": None,
        }
        for number, uid in enumerate(UIDS)
    ]
    session.execute(insert(Signature), rows)
    return letter


@pytest.mark.no_database
@pytest.mark.parametrize("moderation", Moderation)
@pytest.mark.parametrize("most", [1, 2, 5])
def test_no_namesake_is_lost_between_two_pages(english: Session, moderation: Moderation, most: int) -> None:
    letter = namesakes(english, moderation)
    seen: list[str] = []
    after = None
    while page := listing.others(english, letter, after=after, most=most):
        seen += [one.uid for one in page]
        after = listing.read_cursor(listing.cursor(page[-1]))
    assert seen == [uid for uid in UIDS if uid not in "eF"]


@pytest.mark.no_database
@pytest.mark.parametrize("moderation", Moderation)
def test_no_namesake_is_lost_in_an_export(english: Session, moderation: Moderation) -> None:
    letter = namesakes(english, moderation)
    rows = list(exporting.rows(english, letter))
    assert len(rows) == 2 + len(UIDS)
    assert sum(row["publish"] != "yes" for row in rows) == 2


@pytest.mark.parametrize("after", ["%00", "QQ==.%00", "QQ==.a%00b", "%ED%A0%80.x"])
def test_an_address_with_what_no_text_can_hold_shows_the_start(supporter: Browser, letter: Letter, after: str) -> None:
    answer = supporter.get(f"/library/signatures?after={after}")
    assert (answer.status_code, "Zelda Quist" in answer.text) == (200, not after.startswith("QQ"))


def test_a_value_that_the_database_cannot_hold_is_not_understood(app: Flask, supporter: Browser) -> None:
    @app.get("/unheard-of")
    @open_to_all
    def view() -> str:
        raise DataError("SELECT", None, ValueError("NUL"))

    answer = supporter.get("/unheard-of")
    assert (answer.status_code, "could not be understood" in answer.text) == (400, True)
