"""How fast mails go to one receiving domain, while others go on."""

from collections import Counter
from dataclasses import replace
from datetime import timedelta

import pytest
import time_machine

from letter.config import Settings
from letter.db import Database
from letter.mail.pace import LONGEST_REST, RECOVERY, Bucket, Pace
from letter.mail.worker import Worker
from tests.mail_server import MailServer, rows, sign, states
from tests.mailing import NOON

SECOND = timedelta(seconds=1)


def at(seconds: float) -> timedelta:
    return timedelta(seconds=seconds)


def test_as_many_go_as_may_in_a_second_and_each_other_one_has_its_turn() -> None:
    bucket = Bucket(10)
    answers = [bucket.take(NOON, was_promised=False) for _ in range(13)]
    assert answers == [None] * 10 + [NOON + at(0.1), NOON + at(0.2), NOON + at(0.3)]
    assert [bucket.take(NOON + at(n / 10), was_promised=True) for n in (1, 2, 3)] == [None] * 3


def test_who_was_sent_away_goes_before_who_comes_later() -> None:
    bucket = Bucket(1)
    assert [bucket.take(NOON, was_promised=False) for _ in range(3)] == [None, NOON + SECOND, NOON + 2 * SECOND]
    assert bucket.take(NOON + SECOND, was_promised=False) == NOON + 3 * SECOND
    assert bucket.take(NOON + SECOND, was_promised=True) is None


def test_without_a_limit_everything_goes_until_somebody_complains() -> None:
    bucket = Bucket(0)
    assert [bucket.take(NOON, was_promised=False) for _ in range(5000)] == [None] * 5000
    bucket.slow_down(NOON)
    assert bucket.take(NOON, was_promised=False) is not None


def test_a_domain_that_complains_is_left_alone_and_then_gets_half() -> None:
    bucket = Bucket(10)
    bucket.slow_down(NOON)
    first = bucket.take(NOON, was_promised=False)
    assert first == NOON + at(30.2)
    assert bucket.take(NOON + at(31), was_promised=True) is None
    bucket.slow_down(NOON + at(31))
    assert bucket.take(NOON + at(31), was_promised=True) == NOON + at(91.4)  # twice the rest, a quarter of the rate


def test_a_domain_that_no_longer_complains_gets_its_rate_back() -> None:
    bucket, now = Bucket(8), NOON
    for _ in range(10):
        bucket.slow_down(now)
        now += LONGEST_REST
    for _ in range(10):
        now += RECOVERY
        bucket.take(now, was_promised=True)
    now += SECOND
    assert [bucket.take(now, was_promised=True) for _ in range(9)].count(None) == 8


def test_a_clock_that_is_put_back_makes_nobody_wait_for_it() -> None:
    bucket = Bucket(1)
    bucket.slow_down(NOON + timedelta(days=2))
    bucket.take(NOON + timedelta(days=2), was_promised=False)
    assert bucket.take(NOON, was_promised=False) is None


def test_domains_that_are_done_with_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("letter.mail.pace.MOST_DOMAINS", 10)
    pace = Pace(5)
    for number in range(50):
        pace.take(f"domain{number}.example", NOON, was_promised=False)
    assert len(pace._buckets) <= 11


@pytest.mark.usefixtures("letter")
def test_mails_to_one_domain_wait_their_turn_and_others_go_on(
    database: Database, settings: Settings, server: MailServer, noon: time_machine.Traveller
) -> None:
    sign(database, *[f"s{n}@gmail.com" for n in range(12)], "dana@example.org")
    worker = Worker(database, replace(settings, smtp_url=server.url, smtp_rate=5))
    worker.run_once()
    assert Counter(to.partition("@")[2] for to in server.tos) == {"gmail.com": 5, "example.org": 1}
    assert Counter(states(database)) == {"sent": 6, "waiting": 7}
    assert max(row.due_at for row in rows(database) if row.state == "waiting") <= NOON + at(1.4)
    sign(database, "eli@example.org")
    worker.run_once()
    assert server.tos[-1] == "eli@example.org"
    for _ in range(3):
        noon.shift(SECOND)
        worker.run_once()
    worker.close()
    assert Counter(server.tos) == Counter(dict.fromkeys(server.tos, 1))
    assert (set(states(database)), len(server.tos)) == ({"sent"}, 14)


@pytest.mark.usefixtures("letter")
def test_a_domain_that_answers_about_our_rate_is_slowed_down_and_no_other(
    database: Database, settings: Settings, server: MailServer, noon: time_machine.Traveller
) -> None:
    server.at_rcpt["dana@gmail.com"] = "450 4.2.1 receiving mail at a rate that prevents additional messages"
    worker = Worker(database, replace(settings, smtp_url=server.url, smtp_connections=1))
    sign(database, "dana@gmail.com")
    worker.run_once()
    sign(database, "eli@gmail.com", "fay@web.de")
    worker.run_once()
    assert server.tos == ["fay@web.de"]
    noon.shift(at(31))
    worker.run_once()
    worker.close()
    assert server.tos == ["fay@web.de", "eli@gmail.com"]
