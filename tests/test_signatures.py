"""Signatures: coming in, changing by one table, being shown."""

import pytest
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from letter import confirmation, letters, listing, privacy, signatures
from letter.errors import LetterClosed, MoveRefused
from letter.models import Display, Evidence, Letter, LetterState, Moderation, Signature, State
from letter.signatures import MOVES, move
from tests.conftest import KEYS, mails, make_letter, submission


def sign(session: Session, letter: Letter, name: str = "Dana Ivers", email: str = "dana@example.org") -> Signature:
    return signatures.sign(session, KEYS, letter, submission(name, email))


def confirmed(session: Session, letter: Letter, name: str, email: str, display: Display = Display.PUBLIC) -> Signature:
    signature = sign(session, letter, name, email)
    signature.display = display
    confirmation.confirm(session, KEYS, signature)
    return signature


def test_signing_stores_a_pending_signature_and_exactly_one_mail(session: Session, letter: Letter) -> None:
    signature = sign(session, letter)
    assert signature.state is State.PENDING
    assert mails(session) == [("confirm", "dana@example.org")]
    assert signature.text is letters.text_in(letter)


def test_nothing_is_stored_of_the_address_that_can_be_read(session: Session, letter: Letter) -> None:
    sign(session, letter, email="secret.marker@example.org")
    session.commit()
    stored = b"".join(file.read_bytes() for file in letter_files(session))
    assert b"secret.marker" not in stored


def letter_files(session: Session) -> list:  # type: ignore[type-arg]
    from pathlib import Path

    main = Path(str(session.get_bind().engine.url.database))
    return [file for file in main.parent.iterdir() if file.name.startswith(main.name)]


def test_a_letter_that_is_not_open_takes_no_signature(session: Session, letter: Letter) -> None:
    letters.move(session, letter, LetterState.PAUSED)
    with pytest.raises(LetterClosed):
        sign(session, letter)


def test_a_new_submission_is_a_new_row_and_leaves_the_first_alone(session: Session, letter: Letter) -> None:
    first, second = sign(session, letter, "Dana Ivers"), sign(session, letter, "Somebody Else")
    assert first.uid != second.uid
    assert (first.name, second.name) == ("Dana Ivers", "Somebody Else")


def test_signing_does_the_same_work_for_every_address(session: Session, letter: Letter) -> None:
    """New, pending, confirmed, withdrawn or blocked: the statements are the same ones."""
    confirmed(session, letter, "Known", "known@example.org")
    withdrawn = confirmed(session, letter, "Gone", "gone@example.org")
    privacy.withdraw(session, withdrawn)
    sign(session, letter, email="pending@example.org")
    privacy.not_me(session, KEYS, sign(session, letter, email="blocked@example.org"))
    session.commit()
    works = []
    for who in ("new", "known", "gone", "pending", "blocked"):
        email = f"{who}@example.org"
        statements: list[str] = []
        with heard(session, statements):
            sign(session, letter, email=email)
            session.commit()
        works.append(statements)
    assert all(work == works[0] for work in works) and len(works[0]) > 1


class heard:
    """Writes down every statement that the session's engine executes."""

    def __init__(self, session: Session, statements: list[str]) -> None:
        from sqlalchemy import event

        self.event, self.engine, self.statements = event, session.get_bind(), statements

    def note(self, _c: object, _u: object, statement: str, *_: object) -> None:
        self.statements.append(statement)

    def __enter__(self) -> None:
        self.event.listen(self.engine, "before_cursor_execute", self.note)

    def __exit__(self, *_: object) -> None:
        self.event.remove(self.engine, "before_cursor_execute", self.note)


@pytest.mark.parametrize("before", list(State))
@pytest.mark.parametrize("after", list(State))
def test_a_signature_moves_only_as_the_table_says(
    session: Session, letter: Letter, before: State, after: State
) -> None:
    signature = sign(session, letter)
    signature.state = before
    if after in MOVES[before]:
        move(signature, after)
        assert signature.state is after
    else:
        with pytest.raises(MoveRefused):
            move(signature, after)


def test_first_signatories_are_vouched_for_and_keep_their_order(session: Session, letter: Letter) -> None:
    firsts = listing.first_signatories(session, letter)
    assert [(one.place, one.name) for one in firsts] == [(1, "Zelda Quist"), (2, "Readers’ Union")]
    assert {(one.state, one.evidence) for one in firsts} == {(State.APPROVED, Evidence.VOUCHED)}
    assert {(one.email_key, one.email_sealed) for one in firsts} == {(None, None)}


def test_with_moderation_before_only_approved_names_are_published(session: Session, letter: Letter) -> None:
    waiting = confirmed(session, letter, "Waiting", "w@example.org")
    assert [one.name for one in listing.others(session, letter)] == []
    move(waiting, State.APPROVED)
    session.flush()
    assert [one.name for one in listing.others(session, letter)] == ["Waiting"]


def test_with_moderation_after_confirmed_names_without_an_open_flag_are_published(session: Session) -> None:
    letter = make_letter(session, "quick", Moderation.AFTER)
    shown, flagged = (confirmed(session, letter, name, f"{name}@example.org") for name in ("Shown", "Flagged"))
    signatures.flag(session, flagged, "hoax")
    session.flush()
    assert [one.name for one in listing.others(session, letter)] == [shown.name]


@pytest.mark.parametrize("display", [Display.RECIPIENTS, Display.COUNTED])
def test_who_is_not_public_is_counted_but_not_listed(session: Session, letter: Letter, display: Display) -> None:
    move(confirmed(session, letter, "Quiet", "q@example.org", display), State.APPROVED)
    session.flush()
    assert listing.others(session, letter) == []
    assert listing.counts(session, letter) == listing.Counts(first=2, confirmed=1, published=2, signed=3)


def test_names_sort_as_the_letters_language_does(session: Session) -> None:
    letter = make_letter(session, "acik", language="az")
    wanted = ["Eldar", "Əli", "Fuad", "Həsən", "Xəyal", "Inara", "İlqar", "Kamal", "Qara", "Zaur"]
    for number, name in enumerate(sorted(wanted)):
        move(confirmed(session, letter, name, f"{number}@example.org"), State.APPROVED)
    session.flush()
    assert [one.name for one in listing.others(session, letter)] == wanted


def test_pages_of_names_follow_one_another_without_gap_or_double(session: Session, letter: Letter) -> None:
    for number in range(25):
        move(confirmed(session, letter, f"Same Name {number % 5}", f"{number}@example.org"), State.APPROVED)
    session.flush()
    seen: list[Signature] = []
    while page := listing.others(session, letter, after=place(seen), most=4):
        seen += page
    assert len({one.id for one in seen}) == len(seen) == 25
    assert [one.sort_key for one in seen] == sorted(one.sort_key for one in seen)


def place(seen: list[Signature]) -> listing.Cursor | None:
    return listing.read_cursor(listing.cursor(seen[-1])) if seen else None


@pytest.mark.parametrize("nothing", ["'", "’", "’’"])
def test_a_search_for_nothing_that_can_be_found_finds_nothing(session: Session, letter: Letter, nothing: str) -> None:
    assert listing.first_signatories(session, letter, nothing) == []


@pytest.mark.parametrize("search", ["eliyev", "ƏLIYEV", "leyla al", "Qəzet", "qazet"])
def test_a_search_finds_a_name_however_it_is_written(session: Session, letter: Letter, search: str) -> None:
    search = search.replace("eliyev", "aliyev")
    signature = signatures.sign(
        session, KEYS, letter, submission("Leyla Əliyeva", "l@example.org", affiliation="Qəzet")
    )
    confirmation.confirm(session, KEYS, signature)
    move(signature, State.APPROVED)
    session.flush()
    assert [one.name for one in listing.others(session, letter, search)] == ["Leyla Əliyeva"]
    assert listing.others(session, letter, "100%_") == []


def test_the_database_allows_one_living_signature_for_an_address(session: Session, letter: Letter) -> None:
    confirmed(session, letter, "One", "one@example.org")
    second = sign(session, letter, "Two", "ONE@example.org")
    move(second, State.CONFIRMED)
    with pytest.raises(IntegrityError):
        session.flush()
