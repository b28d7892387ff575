"""What the worker does beside sending."""

import logging
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from sqlalchemy import select

from letter import confirmation, signatures, signing, tally
from letter.db import Database
from letter.mail.keeping import Keeper
from letter.models import Letter, Signature, State, TallyDelta
from tests.mail_server import sign, supporters

NOON = datetime(2026, 7, 8, 12, 0, tzinfo=UTC)

pytestmark = pytest.mark.usefixtures("letter")


@pytest.fixture(autouse=True)
def clock() -> Iterator[time_machine.Traveller]:
    with time_machine.travel(NOON, tick=False) as traveller:
        yield traveller


def waiting(database: Database) -> int:
    """How many changes are not added up yet."""
    with database.reading() as session:
        return len(session.scalars(select(TallyDelta)).all())


def test_every_change_is_added_up(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tally, "AT_ONCE", 2)
    assert waiting(database) > 2
    Keeper(database).fold()
    assert waiting(database) == 0


def test_numbers_that_are_off_are_mended_once_a_night_by_one_worker(
    database: Database, letter: Letter, clock: time_machine.Traveller, caplog: pytest.LogCaptureFixture
) -> None:
    first, second = Keeper(database), Keeper(database)
    first.keep_house()

    def fake() -> None:
        with database.writing() as session:
            tally.add(session, letter.id, "approved public later mail -", 7)
            session.commit()

    fake()
    clock.move_to(NOON + timedelta(hours=14, minutes=59))
    first.keep_house()
    assert caplog.messages == []
    clock.move_to(NOON + timedelta(hours=15))
    first.keep_house()
    second.keep_house()
    assert caplog.messages == [f"letter {letter.id}: approved public later mail - was off by -7"]
    fake()
    clock.shift(timedelta(minutes=5))
    first.keep_house()
    assert len(caplog.messages) == 1
    assert caplog.records[0].levelno == logging.ERROR


def test_late_signatures_end_in_small_steps_so_that_nobody_waits_for_long(
    database: Database, clock: time_machine.Traveller, monkeypatch: pytest.MonkeyPatch
) -> None:
    sign(database, *supporters(5))
    steps: list[int] = []
    ended = signatures.expire

    def two_at_a_time(session: object, most: int) -> int:
        assert most == 1000
        steps.append(ended(session, 2))  # type: ignore[arg-type]
        return steps[-1]

    monkeypatch.setattr(signatures, "expire", two_at_a_time)
    clock.shift(timedelta(days=signing.LINK_DAYS))
    Keeper(database).keep_house()
    assert steps == [2, 2, 1, 0]
    clock.shift(confirmation.KEEP_UNCONFIRMED)
    Keeper(database).keep_house()
    with database.reading() as session:
        ended_ones = session.scalars(select(Signature).where(Signature.state == State.EXPIRED)).all()
    assert [(one.name, one.email_key, one.expires_at) for one in ended_ones] == [("", None, None)] * 5
