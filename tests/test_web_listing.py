"""The list of names, page by page."""

import re
from threading import BoundedSemaphore

import pytest
from sqlalchemy.orm import Session

from letter import confirmation, listing, signatures
from letter.models import Letter, State
from letter.web import listing as pages
from tests.conftest import KEYS, Browser, make_letter, submission


@pytest.fixture
def many(session: Session, letter: Letter, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    monkeypatch.setattr(listing, "PAGE", 5)
    names = [f"Person {chr(65 + number)}" for number in range(12)]
    for number, name in enumerate(names):
        signature = signatures.sign(session, KEYS, letter, submission(name, f"{number}@example.org"))
        confirmation.confirm(session, KEYS, signature)
        signatures.move(signature, State.APPROVED)
    session.commit()
    return names


def walk(supporter: Browser, path: str) -> list[str]:
    """Follow the link to the next page until there is none, and return the names in the order met."""
    seen: list[str] = []
    while path:
        page = supporter.get(path).text
        seen += re.findall(r"Person [A-L]|Zelda Quist|Readers’ Union", page)
        found = re.search(r'href="([^"]*after=[^"]+)"', page)
        path = found[1].replace("&amp;", "&") if found else ""
    return seen


def test_the_pages_hold_every_name_once_first_signatories_first(supporter: Browser, many: list[str]) -> None:
    assert walk(supporter, "/library/signatures") == ["Zelda Quist", "Readers’ Union", *many]


def test_a_search_finds_names_and_affiliations_on_all_pages(supporter: Browser, many: list[str]) -> None:
    assert walk(supporter, "/library/signatures?q=person") == many
    assert walk(supporter, "/library/signatures?q=TEACHER") == ["Zelda Quist"]


def test_a_search_without_result_says_so(supporter: Browser, many: list[str]) -> None:
    answer = supporter.get("/library/signatures?q=nobody%25")
    assert answer.status_code == 200 and walk(supporter, "/library/signatures?q=nobody%25") == []
    assert 'value="nobody%"' in answer.text


@pytest.mark.parametrize("after", ["", "nonsense", "x" * 5000, "%00", "%FF", "9" * 30])
def test_a_page_address_that_we_did_not_write_shows_the_start(supporter: Browser, many: list[str], after: str) -> None:
    assert "Zelda Quist" in supporter.get(f"/library/signatures?after={after}").text


def test_the_place_in_another_letters_list_is_no_place_here(
    supporter: Browser, session: Session, many: list[str]
) -> None:
    other = make_letter(session, "other")
    signature = signatures.sign(session, KEYS, other, submission("Zz Other", "zz@example.org"))
    session.commit()
    assert "Zelda Quist" in supporter.get(f"/library/signatures?after={signature.uid}").text


def test_few_search_at_once_and_others_are_asked_to_wait(
    supporter: Browser, letter: Letter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pages, "SEARCHES", BoundedSemaphore(1))
    monkeypatch.setattr(pages, "SECONDS_IN_LINE", 0.01)
    assert supporter.get("/library/signatures?q=zelda").status_code == 200
    with pages.SEARCHES:
        answer = supporter.get("/library/signatures?q=zelda")
        assert answer.status_code == 429 and "search again" in answer.text
        assert supporter.get("/library/signatures").status_code == 200
    assert supporter.get("/library/signatures?q=zelda").status_code == 200
