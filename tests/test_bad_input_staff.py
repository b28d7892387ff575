"""Staff forms with values that no page of ours holds: nothing changes, and a page says so."""

from collections.abc import Sequence

import pytest
from sqlalchemy.orm import Session

from letter import confirmation, signatures
from letter.db import Database
from letter.models import Letter, Signature, State
from tests.conftest import KEYS, Browser, submission
from tests.reading import Reading, stored

NUMBERS = (
    "0", "-1", "9223372036854775807", "9223372036854775808", "18446744073709551617", "9" * 5_000, "1e3", "1.0", "0x1",
    "٣٣٣", "²", "1_0", "", "x", "\x00", "NaN", "1;DROP TABLE signature",
)  # fmt: skip


@pytest.fixture
def waiting(session: Session, letter: Letter) -> str:
    """An entry of the queue as its button names it: id and version."""
    signature = signatures.sign(session, KEYS, letter, submission())
    confirmation.confirm(session, KEYS, signature)
    session.commit()
    return f"{signature.id}:{signature.version}"


def send(browser: Browser, database: Database, page: str, fields: dict[str, str | Sequence[str]]) -> int:
    """Send a form, see that nothing was stored if it was refused, and return the status."""
    before = stored(database)
    answer = browser.post(f"/staff/library/{page}", fields, page="/staff/")
    assert "Traceback" not in answer.text and "<h1" in answer.text
    assert answer.status_code == 303 or stored(database) == before
    return answer.status_code


@pytest.mark.parametrize(
    "shape", ["{number}:{version}", "{number}:{number}", "{entry}:{number}99", "{entry}:1:{number}"]
)
def test_an_entry_that_is_not_on_the_page_is_not_decided(
    ben: Browser, database: Database, waiting: str, shape: str
) -> None:
    entry, version = waiting.split(":")
    for number in NUMBERS:
        wrong = shape.format(entry=entry, version=version, number=number)
        assert send(ben, database, "queue", {"one": f"approve:{wrong}"}) in (404, 409, 422), wrong
        assert send(ben, database, "queue", {"action": "approve", "entry": [waiting, wrong]}) in (404, 409, 422), wrong


@pytest.mark.parametrize(
    "action", ["", "delete", "APPROVE", "approve ", "approve\x00", "withdraw", "confirmed", "{{1}}"]
)
def test_an_action_that_has_no_button_is_none(ben: Browser, database: Database, waiting: str, action: str) -> None:
    assert send(ben, database, "queue", {"one": f"{action}:{waiting}"}) == 422
    assert send(ben, database, "queue", {"action": action, "entry": waiting}) == 422


@pytest.mark.parametrize("entries", [[], [""], ["1"], [":"], ["::"], ["1:"], [":1"], ["1:1:1"], ["1:1"] * 2_000])
def test_entries_that_cannot_be_read_are_not_decided(
    ben: Browser, database: Database, waiting: str, entries: list[str]
) -> None:
    assert send(ben, database, "queue", {"action": "approve", "entry": entries}) in (404, 409, 413, 422)


def test_a_reason_is_cut_and_cleaned(ben: Browser, database: Database, waiting: str) -> None:
    reason = "\x00\u202e<b>" + "long " * 2_000
    assert send(ben, database, "queue", {"one": f"reject:{waiting}", "reason": reason}) == 303
    kept = [str(value) for row in stored(database)["batch"] for value in row if "<b>" in str(value)]
    assert kept == [("<b>" + "long " * 2_000)[:500]]


def test_only_the_decision_that_the_button_names_is_undone(
    ben: Browser, session: Session, database: Database, waiting: str
) -> None:
    assert send(ben, database, "queue", {"one": f"reject:{waiting}"}) == 303
    for batch in NUMBERS:
        assert send(ben, database, "undo", {"batch": batch}) == 409, batch
    assert session.get_one(Signature, int(waiting.partition(":")[0])).state is State.REJECTED


@pytest.mark.parametrize("lane", ["", "nowhere", "\x00", "confirmed", "held\x00", "//evil.example", "<script>"])
def test_a_lane_that_is_none_is_the_first_one(ben: Browser, waiting: str, lane: str) -> None:
    answer = ben.post("/staff/library/queue", {"one": f"hold:{waiting}", "lane": lane}, page="/staff/")
    assert answer.location == "/staff/library/queue?said=hold&done=1"


@pytest.mark.parametrize(
    "value", ["", "\x00", "draft", "OPEN", "delivered", "before ", "both", "<script>", "9" * 5_000]
)
def test_settings_take_only_what_their_page_offers(
    ada: Browser, database: Database, letter: Letter, value: str
) -> None:
    assert send(ada, database, "settings", {"moderation": value}) == 422
    assert send(ada, database, "settings", {"state": value}) in (409, 422)


@pytest.mark.parametrize("name", ["", "\x00", "CSV", "exe", "../../etc/passwd", "<script>", "__class__", "9" * 999])
def test_an_export_in_a_format_that_is_none_is_refused_and_not_recorded(
    ada: Browser, database: Database, letter: Letter, name: str
) -> None:
    assert send(ada, database, "export", {"format": name}) == 422


def test_a_place_in_the_list_that_is_none_shows_a_list(ada: Browser, waiting: str) -> None:
    for before in NUMBERS:
        answer = ada.get("/staff/library/signatures", query_string={"before": before, "state": before, "q": before})
        assert answer.status_code == 200 and Reading(answer.text).all("h1"), before
