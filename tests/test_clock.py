"""A clock that is two days wrong, and then right again: no mail twice or never, no dead link, nobody shut out."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import time_machine
from sqlalchemy import select

from letter import clock, confirmation, outbox, signatures
from letter.app import create_app
from letter.config import Settings
from letter.db import Database
from letter.mail.keeping import Keeper
from letter.mail.worker import Worker
from letter.models import Letter, Outbox, Post, Role, Signature, State
from tests.conftest import KEYS, Browser, at_the_desk, employ, submission

NOON = datetime(2026, 7, 8, 12, 30, tzinfo=UTC)
JUMPS = [timedelta(days=2), timedelta(days=-2)]


@pytest.fixture
def travel() -> Iterator[time_machine.Traveller]:
    with time_machine.travel(NOON, tick=False) as traveller:
        yield traveller


@pytest.fixture
def signed(travel: time_machine.Traveller, database: Database, letter: Letter) -> list[str]:
    """The uids of three people who have just signed."""
    with database.writing() as session:
        mine = session.get_one(Letter, letter.id)
        rows = [signatures.sign(session, KEYS, mine, submission(email=f"s{n}@example.org")) for n in range(3)]
        session.commit()
        return [row.uid for row in rows]


def sent(folder: Path) -> int:
    return len(list((folder / "mail").glob("*.eml")))


@pytest.mark.parametrize("jump", JUMPS)
def test_a_lease_that_seems_to_have_run_out_makes_no_double(
    signed: list[str], database: Database, settings: Settings, travel: time_machine.Traveller, jump: timedelta,
    tmp_path: Path,
) -> None:  # fmt: skip
    """One worker has claimed all three when the clock jumps; a second one takes what seems to be left over."""
    slow, quick = Worker(database, settings), Worker(database, settings)
    counts = list[int]()
    claim = slow._claim

    def jump_after_claiming() -> object:
        claims = claim()
        travel.shift(jump)
        Keeper(database).keep_house()
        quick.run_once()
        counts.append(sent(tmp_path))
        return claims

    slow._claim = jump_after_claiming  # type: ignore[method-assign,assignment]
    slow.run_once()
    with database.reading() as session:
        rows = [tuple(row) for row in session.execute(select(Outbox.state, Outbox.attempts))]
    assert (rows, sent(tmp_path)) == ([(Post.SENT, 1)] * 3, 3)
    assert counts == [3 if jump > timedelta() else 0]


def test_what_was_due_by_a_clock_that_was_ahead_goes_out_once_it_is_right(
    signed: list[str], database: Database, settings: Settings, travel: time_machine.Traveller, tmp_path: Path
) -> None:
    worker = Worker(database, settings)
    worker.keep_house()
    travel.shift(-timedelta(days=2))
    assert worker.run_once() == 0
    worker.keep_house()
    assert worker.run_once() == 3
    assert sent(tmp_path) == 3


def test_a_worker_that_waits_for_its_server_is_not_held_up_by_a_clock_set_back(
    signed: list[str], database: Database, settings: Settings, travel: time_machine.Traveller, tmp_path: Path
) -> None:
    worker = Worker(database, settings)
    worker._wait_for_server("away", outbox.Claim("", [], NOON), [])
    assert worker.run_once() == 0
    travel.shift(-timedelta(days=2))
    Keeper(database).keep_house()
    assert worker.run_once() == 3


@pytest.mark.parametrize("jump", JUMPS)
@pytest.mark.parametrize("signs_before", [True, False])
def test_a_link_outlives_a_wrong_clock_for_as_long_as_its_mail_is_retried(
    database: Database, letter: Letter, travel: time_machine.Traveller, jump: timedelta, signs_before: bool
) -> None:
    travel.shift(timedelta() if signs_before else jump)
    with database.writing() as session:
        mine = signatures.sign(session, KEYS, session.get_one(Letter, letter.id), submission())
        session.commit()
        travel.shift((jump if signs_before else -jump) + min(outbox.GIVE_UP_AFTER, timedelta(days=4)))
        confirmation.expire(session)
        session.commit()
        assert session.get_one(Signature, mine.id, populate_existing=True).state is State.PENDING
        assert confirmation.confirm(session, KEYS, mine)


@pytest.mark.parametrize("jump", JUMPS)
def test_a_page_that_was_open_when_the_clock_jumped_signs_at_the_second_press_at_the_latest(
    settings: Settings, database: Database, letter: Letter, travel: time_machine.Traveller, jump: timedelta
) -> None:
    client = create_app(settings, database).test_client()
    browser = Browser(client)
    fields = {"name": "Dana Ivers", "affiliation": "", "email": "d@example.org", "display": "public", "kind": "person"}
    stamp = browser.hidden("/library")
    travel.shift(jump)
    first = client.post("/library/sign", data={**fields, "language": "en", **stamp})
    assert first.status_code in (303, 422)
    if first.status_code == 422:
        assert "Dana Ivers" in first.text
        assert browser.sign().status_code == 303


@pytest.mark.parametrize("jump", JUMPS)
def test_a_clock_that_jumps_ends_a_sign_in_at_worst_and_the_next_one_works(
    settings: Settings, database: Database, letter: Letter, travel: time_machine.Traveller, jump: timedelta
) -> None:
    with database.writing() as session:
        employ(session, "ada@example.org", Role.ORGANISER, session.get_one(Letter, letter.id))
    app = create_app(settings, database)
    ada = at_the_desk(app, "ada@example.org")
    travel.shift(jump)
    assert ada.get("/staff/").status_code in (200, 303)
    assert at_the_desk(app, "ada@example.org").get("/staff/").status_code == 200
    assert clock.now() == NOON + jump
