"""The worker's loop: sends what comes in, outlives what fails, and ends when it is told to."""

import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import time_machine
from sqlalchemy import select
from sqlalchemy.exc import OperationalError

from letter import limits, outbox
from letter.config import Settings
from letter.db import Database
from letter.mail import worker as worker_module
from letter.mail.collecting import Collector
from letter.mail.worker import Worker
from letter.models import Limit, Signature, State, TallyDelta
from letter.outbox import Claim
from tests.mail_server import OK, MailServer, change, rows, sign, states, supporters
from tests.mailing import DANA, ELI, NOON

pytestmark = pytest.mark.usefixtures("noon", "letter")


@pytest.fixture
def running_worker(worker: Worker, noon: time_machine.Traveller) -> Iterator[threading.Event]:
    """The worker's loop in a thread of its own, until the event is set."""
    stop = threading.Event()
    thread = threading.Thread(target=worker.run, args=(stop,))
    thread.start()
    yield stop
    stop.set()
    thread.join(10)
    assert not thread.is_alive()


def eventually(is_so: Callable[[], bool]) -> None:
    """Wait until something is so, ten seconds at most."""
    for _ in range(500):
        if is_so():
            return
        threading.Event().wait(0.02)
    raise AssertionError("it never was")


@pytest.mark.usefixtures("running_worker")
def test_the_loop_sends_what_comes_in(database: Database, server: MailServer) -> None:
    sign(database, DANA)
    eventually(lambda: states(database) == ["sent"])
    sign(database, ELI)
    eventually(lambda: states(database) == ["sent", "sent"])


def test_the_loop_outlives_a_database_that_fails(
    database: Database,
    server: MailServer,
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
    caplog: pytest.LogCaptureFixture,
) -> None:
    claim, failures = outbox.claim, iter(range(3))

    def failing(session: Any, most: int) -> Claim:
        for _ in failures:
            raise OperationalError("SELECT", {"name": "Dana"}, Exception("disk I/O error"))
        return claim(session, most)

    monkeypatch.setattr(worker_module, "AFTER_ERROR", 0.01)
    monkeypatch.setattr(outbox, "claim", failing)
    request.getfixturevalue("running_worker")
    sign(database, DANA)
    eventually(lambda: states(database) == ["sent"])
    assert "worker: OperationalError at failing" in caplog.text
    assert "Dana" not in caplog.text


def test_a_mailbox_that_hangs_holds_up_neither_mails_nor_numbers(
    database: Database, server: MailServer, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    hangs, may_end = threading.Event(), threading.Event()

    def hanging(_: Collector) -> None:
        hangs.set()
        may_end.wait(30)

    monkeypatch.setattr(Collector, "collect", hanging)
    request.getfixturevalue("running_worker")
    assert hangs.wait(10)
    sign(database, DANA)
    eventually(lambda: states(database) == ["sent"] and not uncounted(database))
    may_end.set()


def uncounted(database: Database) -> int:
    with database.reading() as session:
        return len(session.scalars(select(TallyDelta)).all())


def test_the_loop_tidies_up_once_a_minute(database: Database, worker: Worker, noon: time_machine.Traveller) -> None:
    sign(database, DANA)
    with database.writing() as session:
        limits.is_within(session, limits.MAILS_PER_ADDRESS, "somebody")
        session.commit()
    worker.keep_house()
    noon.shift(timedelta(seconds=59))
    change(database, lambda _, signature: setattr(signature, "expires_at", NOON))
    worker.keep_house()
    assert pending(database) == 1
    noon.shift(timedelta(seconds=1))
    worker.keep_house()
    assert (pending(database), counted(database)) == (0, 1)
    noon.shift(timedelta(days=1))
    worker.keep_house()
    assert counted(database) == 0


def pending(database: Database) -> int:
    with database.reading() as session:
        return len(session.scalars(select(Signature).where(Signature.state == State.PENDING)).all())


def counted(database: Database) -> int:
    with database.reading() as session:
        return len(session.scalars(select(Limit)).all())


def test_a_worker_told_to_stop_gives_the_rest_back(database: Database, worker: Worker, server: MailServer) -> None:
    stop = threading.Event()
    worker._stop = stop

    def stop_now(to: str) -> str:
        stop.set()
        return OK

    server.at_data = stop_now
    sign(database, *supporters(5))
    assert worker.run_once() == 1
    assert states(database) == ["sent", *["waiting"] * 4]
    assert all(row.due_at <= NOON for row in rows(database)[1:])


def test_a_folder_serves_in_place_of_a_server(database: Database, settings: Settings, tmp_path: Path) -> None:
    sign(database, DANA, ELI)
    assert Worker(database, replace(settings, smtp_url=(tmp_path / "out").as_uri())).run_once() == 2
    assert len(list((tmp_path / "out").glob("20260708T120000Z-*.eml"))) == 2
