"""Writing in turns, and together: everybody is told the truth about their own writes."""

import contextlib
import fcntl
import multiprocessing
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event, func, insert, select, text
from sqlalchemy.exc import IntegrityError, OperationalError
from sqlalchemy.orm import Session

from letter import clock
from letter.db import Database
from letter.errors import NotReady
from letter.models import Flag, Limit
from letter.turns import Turn

CLIENTS = 24


def note(name: str, count: int = 1) -> Callable[[Session], str]:
    def work(session: Session) -> str:
        session.add(Limit(name=name, count=count, ends_at=clock.now()))
        session.flush()
        return name

    return work


def stored(database: Database) -> set[str]:
    with database.reading() as session:
        return set(session.scalars(select(Limit.name)))


def all_at_once(database: Database, works: list[Callable[[Session], Any]]) -> list[Any]:
    """What each client is told, in order; the lock is held until all of them wait."""
    told: list[Any] = [None] * len(works)

    def client(number: int) -> None:
        try:
            told[number] = database.together(works[number])
        except Exception as error:
            told[number] = type(error)

    threads = [threading.Thread(target=client, args=(number,)) for number in range(len(works))]
    with database.writing() as session:
        session.connection()
        for thread in threads:
            thread.start()
        while len(database.shared.waiting) < len(works):
            time.sleep(0.001)
        session.rollback()
    for thread in threads:
        thread.join()
    return told


@pytest.fixture
def commits(database: Database) -> Counter[str]:
    counted: Counter[str] = Counter()
    event.listen(database.engine, "commit", lambda _: counted.update(["commit"]))
    return counted


def test_clients_that_wait_share_one_commit(database: Database, commits: Counter[str]) -> None:
    names = [f"client {number}" for number in range(CLIENTS)]
    assert all_at_once(database, [note(name) for name in names]) == names
    assert stored(database) == set(names)
    assert commits["commit"] == 1


def test_a_refusal_takes_back_its_own_writes_and_no_others(database: Database) -> None:
    def refuse(session: Session) -> None:
        note("refused")(session)
        raise NotReady

    told = all_at_once(database, [note("before"), refuse, note("after"), note("before")])
    assert Counter(told) == Counter(["before", NotReady, "after", IntegrityError])
    assert stored(database) == {"before", "after"}


def test_a_commit_that_fails_is_nobodys_success(database: Database) -> None:
    def fail_later(session: Session) -> None:
        session.execute(text("PRAGMA defer_foreign_keys=ON"))
        session.execute(insert(Flag).values(signature_id=99, kind="hoax", detail="", created_at=clock.now()))

    told = all_at_once(database, [note("one"), fail_later, note("two")])
    assert told == [IntegrityError] * 3
    assert stored(database) == set()
    assert database.together(note("one")) == "one"


def test_a_fault_of_the_database_in_one_work_is_nobodys_success(database: Database) -> None:
    def broken(session: Session) -> None:
        session.execute(text("SELECT no_such_function()"))

    told = all_at_once(database, [note("one"), broken, note("two")])
    assert told == [OperationalError] * 3
    assert stored(database) == set()


def test_more_clients_than_fit_into_one_transaction_are_all_served(database: Database) -> None:
    names = [f"client {number}" for number in range(150)]
    assert all_at_once(database, [note(name) for name in names]) == names
    assert stored(database) == set(names)


def count_up(url: str, times: int) -> None:
    database = Database(url)
    for number in range(times):

        def work(session: Session, number: int = number) -> None:
            row = session.scalars(select(Limit).where(Limit.name == "shared")).one()
            row.count += 1
            session.add(Limit(name=f"{multiprocessing.current_process().pid} {number}", count=1, ends_at=clock.now()))

        database.together(work)
    database.close()


def test_processes_take_turns_and_lose_nothing(database: Database) -> None:
    database.together(note("shared", 0))
    processes = [
        multiprocessing.get_context("spawn").Process(target=count_up, args=(str(database.url), 100)) for _ in range(3)
    ]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    with database.reading() as session:
        assert session.scalar(select(Limit.count).where(Limit.name == "shared")) == 300
        assert session.scalar(select(func.count()).select_from(Limit)) == 301


def test_who_stands_in_line_for_too_long_is_told_so(tmp_path: Path) -> None:
    patient, impatient = Turn(tmp_path / "file", 5), Turn(tmp_path / "file", 0.05)
    patient.take()
    with pytest.raises(NotReady):
        impatient.take()
    patient.give()
    impatient.take()
    impatient.give()


def test_nobody_jumps_ahead_of_the_process_that_waits(tmp_path: Path) -> None:
    greedy, patient = Turn(tmp_path / "file", 5), Turn(tmp_path / "file", 5)
    order: list[str] = []
    greedy.take()

    def wait() -> None:
        patient.take()
        order.append("patient")
        patient.give()

    waiting = threading.Thread(target=wait)
    waiting.start()
    while not is_locked(tmp_path / "file-next"):
        time.sleep(0.001)
    greedy.give()
    for _ in range(3):
        greedy.take()
        order.append("greedy")
        greedy.give()
    waiting.join()
    assert order == ["patient", "greedy", "greedy", "greedy"]


def is_locked(file: Path) -> bool:
    with file.open("r") as opened, contextlib.suppress(BlockingIOError):
        fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return False
    return True
