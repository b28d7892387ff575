"""The queue in a browser."""

import pytest
from sqlalchemy.orm import Session

from letter import confirmation, listing, signatures
from letter.models import Letter, Signature, State
from tests.conftest import KEYS, Browser, submission

QUEUE = "/staff/library/queue"


@pytest.fixture
def entries(session: Session, letter: Letter) -> list[Signature]:
    rows = []
    for name in ("Anna Bell", "Bela Cole", "Cora Dean"):
        signature = signatures.sign(session, KEYS, letter, submission(name, f"{name[0]}@example.org"))
        confirmation.confirm(session, KEYS, signature)
        rows.append(signature)
    session.commit()
    return rows


def states(session: Session, entries: list[Signature]) -> list[State]:
    for entry in entries:
        session.refresh(entry)
    found = [entry.state for entry in entries]
    session.rollback()
    return found


def value(entry: Signature) -> str:
    return f"{entry.id}:{entry.version}"


def test_the_queue_shows_the_entries_with_buttons_for_each(ben: Browser, entries: list[Signature]) -> None:
    page = ben.get(QUEUE).text
    for entry in entries:
        assert entry.name in page
        for action in ("approve", "hold", "reject"):
            assert f'value="{action}:{value(entry)}"' in page


def test_an_entrys_own_button_decides_it_alone(ben: Browser, session: Session, entries: list[Signature]) -> None:
    answer = ben.post(QUEUE, {"one": f"approve:{value(entries[1])}", "entry": value(entries[0])}, page=QUEUE)
    assert answer.status_code == 303 and "said=approve" in (answer.location or "")
    assert states(session, entries) == [State.CONFIRMED, State.APPROVED, State.CONFIRMED]
    assert "Bela Cole" in ben.get("/library").text


def test_many_are_rejected_at_once_and_taken_back(ben: Browser, session: Session, entries: list[Signature]) -> None:
    chosen = [value(entry) for entry in entries]
    ben.post(QUEUE, {"action": "reject", "entry": chosen, "reason": "all invented"}, page=QUEUE)
    assert states(session, entries) == [State.REJECTED] * 3
    page = ben.get(f"{QUEUE}?said=reject&done=3").text
    assert "Undo" in page
    assert ben.post("/staff/library/undo", page=QUEUE).status_code == 303
    assert states(session, entries) == [State.CONFIRMED] * 3


def test_a_stale_page_does_not_overwrite_a_newer_decision(
    ada: Browser, ben: Browser, session: Session, entries: list[Signature]
) -> None:
    stale = value(entries[0])
    ada.post(QUEUE, {"one": f"reject:{stale}"}, page=QUEUE)
    answer = ben.post(QUEUE, {"one": f"approve:{stale}"}, page=QUEUE)
    assert answer.status_code == 409 and "decided" in answer.text
    assert states(session, entries)[0] is State.REJECTED


def test_one_cannot_undo_what_another_decided(
    ada: Browser, ben: Browser, session: Session, entries: list[Signature]
) -> None:
    ada.post(QUEUE, {"one": f"reject:{value(entries[0])}"}, page=QUEUE)
    assert ben.post("/staff/library/undo", page=QUEUE).status_code == 422
    assert states(session, entries)[0] is State.REJECTED


@pytest.mark.parametrize(
    "wrong",
    [
        {},
        {"action": "approve"},
        {"action": "explode", "entry": "1:1"},
        {"one": "approve"},
        {"one": "approve:x:y"},
        {"one": "approve:-1:1"},
        {"one": f"approve:{2**63}:1"},
        {"one": f"approve:{2**200}:1"},
        {"action": "approve", "entry": ["1", "::"]},
    ],
)
def test_nonsense_is_answered_with_a_sentence_and_changes_nothing(
    ben: Browser, session: Session, entries: list[Signature], wrong: dict[str, object]
) -> None:
    answer = ben.post(QUEUE, wrong, page=QUEUE)
    assert answer.status_code == 422 and "Anna Bell" in answer.text
    assert states(session, entries) == [State.CONFIRMED] * 3


def test_an_entry_that_does_not_exist_is_refused(ben: Browser, entries: list[Signature]) -> None:
    assert ben.post(QUEUE, {"one": "approve:999999:1"}, page=QUEUE).status_code == 404


def test_cleo_cannot_decide_here_with_her_own_form(cleo: Browser, session: Session, entries: list[Signature]) -> None:
    answer = cleo.post(QUEUE, {"one": f"approve:{value(entries[0])}"}, page="/staff/elsewhere/queue")
    assert answer.status_code == 404
    assert states(session, entries) == [State.CONFIRMED] * 3


def test_all_signatures_can_be_searched_and_filtered(ben: Browser, session: Session, entries: list[Signature]) -> None:
    signatures.move(entries[0], State.HELD)
    session.commit()
    everything = ben.get("/staff/library/signatures").text
    assert all(name in everything for name in ("Anna Bell", "Bela Cole", "Zelda Quist"))
    held = ben.get("/staff/library/signatures?state=held").text
    assert "Anna Bell" in held and "Bela Cole" not in held
    found = ben.get("/staff/library/signatures?q=COLE").text
    assert "Bela Cole" in found and "Anna Bell" not in found


def test_a_published_name_can_be_taken_off_again(ben: Browser, session: Session, letter: Letter) -> None:
    """Also a first signatory's, who has no link of their own."""
    first = value(listing.first_signatories(session, letter)[0])
    session.rollback()
    page = "/staff/library/signatures?q=zelda"
    assert f'value="hold:{first}"' in ben.get(page).text
    answer = ben.post(QUEUE, {"one": f"hold:{first}", "back": "signatures", "q": "zelda"}, page=page)
    assert answer.location == "/staff/library/signatures?said=hold&done=1&q=zelda"
    assert "Zelda Quist" not in ben.get("/library").text
    assert "Undo" in ben.get(answer.location).text


def test_no_page_of_the_desk_shows_an_address(ada: Browser, entries: list[Signature]) -> None:
    for page in ("queue", "signatures", "export", "settings"):
        assert "@example.org" not in ada.get(f"/staff/library/{page}").text.replace("ada@example.org", "")


def test_a_mail_that_came_back_is_said_beside_the_signature(
    ben: Browser, session: Session, entries: list[Signature]
) -> None:
    signatures.note_bounce(session, entries[0].id, "5.1.1")
    session.commit()
    page = ben.get("/staff/library/signatures").text
    assert page.count("the mail came back (5.1.1)") == page.count("the mail came back") == 1
