"""Facts for machines: JSON, the badge and the feed; never a name."""

import re
from datetime import timedelta
from xml.etree import ElementTree

import pytest
import time_machine
from sqlalchemy.orm import Session

from letter import clock, confirmation, letters, signatures, text
from letter.models import Letter, LetterState, State
from tests.conftest import KEYS, Browser, make_letter, submission

ATOM = "{http://www.w3.org/2005/Atom}"
RFC3339 = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)")


def sign(session: Session, letter: Letter, name: str, state: State) -> None:
    signature = signatures.sign(session, KEYS, letter, submission(name, f"{name.lower()}@example.org"))
    confirmation.confirm(session, KEYS, signature)
    if state is not State.CONFIRMED:
        signatures.move(signature, state)
    session.commit()


def test_the_facts_hold_numbers_texts_and_digests_that_can_be_checked(
    supporter: Browser, session: Session, letter: Letter
) -> None:
    sign(session, letter, "Dana", State.APPROVED)
    sign(session, letter, "Boris", State.CONFIRMED)
    known = supporter.get("/library.json").get_json()
    (version,) = known.pop("texts")
    assert known.pop("opened_at").startswith("20")
    assert known == {
        "url": "http://letter.example/library",
        "slug": "library",
        "state": "open",
        "open": True,
        "signatures": {"first": 2, "confirmed": 2, "published": 3, "signed": 4},
        "closes_at": None,
        "goal": None,
        "moderation": "before",
        "language": "en",
    }
    parts = [version[name] for name in ("language", "title", "addressees", "body", "sign_off")]
    assert version["sha256"] == text.digest(*parts)
    assert supporter.get("/library/count.json").get_json() == {
        name: known[name] for name in ("url", "slug", "state", "open", "signatures")
    }


def test_a_letter_past_its_day_is_not_open(supporter: Browser, session: Session, letter: Letter) -> None:
    letter.closes_at = clock.now() + timedelta(days=1)
    session.commit()
    assert supporter.get("/library/count.json").get_json()["open"] is True
    with time_machine.travel(clock.now() + timedelta(days=2), tick=False):
        assert supporter.get("/library/count.json").get_json()["open"] is False


def test_the_badge_is_a_picture_with_the_number(supporter: Browser, session: Session, letter: Letter) -> None:
    sign(session, letter, "Dana", State.APPROVED)
    answer = supporter.get("/library/badge.svg")
    picture = ElementTree.fromstring(answer.data)  # noqa: S314 - our own
    assert answer.mimetype == "image/svg+xml" and picture.get("aria-label") == "signatures: 3"
    assert "style=" not in answer.text and "<style" not in answer.text and "<script" not in answer.text


def test_the_feed_tells_of_texts_and_steps_as_the_standard_wants(
    supporter: Browser, session: Session, letter: Letter
) -> None:
    sign(session, letter, "Dana", State.APPROVED)
    title = "Öffnet <die> Bibliothek & mehr"
    letters.add_text(session, letter, "de", title=title, body="**Bitte**", sign_off="", addressees="")
    letters.move(session, letter, LetterState.CLOSED)
    session.commit()
    answer = supporter.get("/library/feed.atom")
    assert answer.mimetype == "application/atom+xml"
    feed = ElementTree.fromstring(answer.data)  # noqa: S314 - our own
    entries = feed.findall(f"{ATOM}entry")
    for one in (feed, *entries):
        for name in ("id", "title", "updated"):
            assert len(one.findall(f"{ATOM}{name}")) == 1, name
        assert RFC3339.fullmatch(one.findtext(f"{ATOM}updated") or "")
    assert feed.findtext(f"{ATOM}author/{ATOM}name") == "letter.example"
    assert [one.findtext(f"{ATOM}id") for one in entries] == [
        f"http://letter.example/library#{part}" for part in ("step-2", "step-1", "text-de-1", "text-en-1")
    ]
    assert entries[2].findtext(f"{ATOM}title") == title
    assert (entries[2].findtext(f"{ATOM}content") or "").strip() == "<p><strong>Bitte</strong></p>"
    assert feed.findtext(f"{ATOM}updated") == max(one.findtext(f"{ATOM}updated") or "" for one in entries)
    assert "/library/feed.atom" in supporter.get("/library").text


@pytest.mark.parametrize("tail", [".json", "/count.json", "/badge.svg", "/feed.atom"])
def test_no_name_is_among_the_facts_and_a_draft_has_none(
    supporter: Browser, session: Session, letter: Letter, tail: str
) -> None:
    sign(session, letter, "Dana", State.APPROVED)
    answer = supporter.get(f"/library{tail}")
    assert not [name for name in ("Dana", "Zelda", "Readers", "Nurse", "Teacher") if name in answer.text]
    make_letter(session, "draft").state = LetterState.DRAFT
    session.commit()
    assert {supporter.get(f"/{slug}{tail}").status_code for slug in ("draft", "nowhere")} == {404}
