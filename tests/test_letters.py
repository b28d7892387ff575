"""Letters: how they are made, opened and closed."""

import pytest
from sqlalchemy.orm import Session

from letter import letters
from letter.errors import AlreadyThere, BadInput, LetterClosed, MoveRefused, NotFound
from letter.models import Letter, LetterState
from tests.conftest import BODY, make_letter


def test_a_new_letter_is_a_draft_that_strangers_do_not_see(session: Session) -> None:
    letters.create(session, "draft", title="Soon", language="en", body=BODY)
    assert letters.by_slug(session, "draft").state is LetterState.DRAFT
    with pytest.raises(NotFound):
        letters.public(session, "draft")


@pytest.mark.parametrize("slug", ["", "A", "a b", "a/b", "-a", "a-", "a--b", "ä", "x" * 61, "staff", "mine", "confirm"])
def test_an_address_that_cannot_be_is_refused(session: Session, slug: str) -> None:
    with pytest.raises(BadInput, match="address"):
        letters.create(session, slug, title="T", language="en", body=BODY)


def test_two_letters_cannot_have_one_address(session: Session, letter: Letter) -> None:
    with pytest.raises(AlreadyThere, match="/library"):
        make_letter(session, "library")


@pytest.mark.parametrize(
    ("what", "value"), [("title", ""), ("title", "x" * 201), ("language", "!"), ("body", " "), ("body", "x" * 60_001)]
)
def test_a_letter_without_what_it_needs_is_refused(session: Session, what: str, value: str) -> None:
    with pytest.raises(BadInput):
        letters.create(session, "fine", **{"title": "T", "language": "en", "body": BODY, what: value})


def test_a_correction_is_a_new_version_and_the_old_one_stays(session: Session, letter: Letter) -> None:
    old = letters.text_in(letter)
    new = letters.add_text(session, letter, "en", title="Open it", body="Now.", sign_off="", addressees="")
    assert (old.version, new.version) == (1, 2)
    assert letters.text_in(letter) is new
    assert old.body == BODY and old.sha256 != new.sha256


def test_a_translation_is_found_whatever_the_case_of_its_tag(session: Session, letter: Letter) -> None:
    german = letters.add_text(session, letter, "de-AT", title="Auf!", body="Jetzt.", sign_off="", addressees="")
    assert letters.text_in(letter, "DE-at") is german
    assert letters.languages(letter) == ["en", "de-AT"]
    with pytest.raises(NotFound):
        letters.text_in(letter, "fr")


def test_a_closed_letter_takes_no_signatures_but_can_be_read(session: Session, letter: Letter) -> None:
    letters.move(session, letter, LetterState.CLOSED)
    assert letters.public(session, "library") is letter
    with pytest.raises(LetterClosed):
        letters.demand_open(letter)


@pytest.mark.parametrize("before", list(LetterState))
@pytest.mark.parametrize("after", list(LetterState))
def test_a_letter_moves_only_as_the_table_says(
    session: Session, letter: Letter, before: LetterState, after: LetterState
) -> None:
    letter.state = before
    if after in letters.STATES[before]:
        letters.move(session, letter, after)
        assert letter.state is after
    else:
        with pytest.raises(MoveRefused):
            letters.move(session, letter, after)
