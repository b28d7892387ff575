"""Counts that all processes share."""

from datetime import timedelta
from threading import Thread

import pytest
import time_machine
from limits import RateLimitItemPerMinute
from sqlalchemy import select
from sqlalchemy.orm import Session

from letter import clock, limits
from letter.db import Database
from letter.models import Limit
from tests.conftest import KEYS

THREE_A_MINUTE = RateLimitItemPerMinute(3, namespace="test")


def test_the_fourth_is_too_many_until_the_window_ends(session: Session) -> None:
    start = clock.now()
    with time_machine.travel(start, tick=False):
        allowed = [limits.is_within(session, THREE_A_MINUTE, "x") for _ in range(4)]
        assert allowed == [True, True, True, False]
        assert limits.is_within(session, THREE_A_MINUTE, "y")
    with time_machine.travel(start + timedelta(seconds=61), tick=False):
        assert limits.is_within(session, THREE_A_MINUTE, "x")


def test_many_counted_at_once_are_counted_as_one_by_one(session: Session) -> None:
    names = [*"xxyxyx", "x"]
    with time_machine.travel(clock.now(), tick=False):
        assert limits.are_within(session, THREE_A_MINUTE, names) == [True, True, True, True, True, False, False]
        assert limits.are_within(session, THREE_A_MINUTE, ["y", "y", "z"]) == [True, False, True]
        assert not limits.is_within(session, THREE_A_MINUTE, "x")
        assert limits.are_within(session, THREE_A_MINUTE, []) == []
        counts = {one.name.split("/")[1]: one.count for one in session.scalars(select(Limit))}
        assert counts == {"x": 6, "y": 4, "z": 1}


def test_many_processes_share_one_count(database: Database) -> None:
    allowed: list[bool] = []

    def knock() -> None:
        for _ in range(5):
            with database.writing() as session:
                allowed.append(limits.is_within(session, THREE_A_MINUTE, "x"))
                session.commit()

    with time_machine.travel(clock.now(), tick=False):
        threads = [Thread(target=knock) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert (len(allowed), sum(allowed)) == (20, 3)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("192.0.2.1", "192.0.2.250", True),
        ("192.0.2.1", "192.0.3.1", False),
        ("2001:db8:1::1", "2001:db8:1:ffff::9", True),
        ("2001:db8:1::1", "2001:db8:2::1", False),
        ("nonsense", "", True),
    ],
)
def test_a_network_is_counted_and_not_an_address(one: str, other: str, same: bool) -> None:
    assert (limits.network(KEYS, one) == limits.network(KEYS, other)) is same


def test_a_network_is_another_number_tomorrow() -> None:
    today = limits.network(KEYS, "192.0.2.1")
    with time_machine.travel(clock.now() + timedelta(days=1), tick=False):
        assert limits.network(KEYS, "192.0.2.1") != today


def test_old_counts_are_forgotten(session: Session) -> None:
    limits.is_within(session, THREE_A_MINUTE, "x")
    with time_machine.travel(clock.now() + timedelta(minutes=2), tick=False):
        assert limits.forget_old(session) == 1
    assert session.scalars(select(Limit)).all() == []
