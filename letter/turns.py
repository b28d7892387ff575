"""Whose turn it is to write to an SQLite file, and writing together.

SQLite lets those who wait for its lock poll, and the luckiest wins: at 64 clients some wait for seconds. Here threads
and processes stand in line, and what waits in one process shares a transaction: many share one sync of the disk.
"""

import contextlib
import fcntl
import os
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, Generic, TypeVar

from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.orm import Session

from letter.errors import NotReady

T = TypeVar("T")
Given = TypeVar("Given")
Work = Callable[[Session, list[Given]], Sequence[T]]
SHORTEST_WAIT, LONGEST_WAIT = 0.0002, 0.002  # seconds between two looks at a lock file
MOST_TOGETHER = 64
BUSY = "The service cannot store anything at the moment"


class Turn:
    """A place in line for one file, fair among processes: who waits next keeps others from jumping ahead.

    The locks are flock(2), which the system frees however their holder ends.
    """

    def __init__(self, file: Path, seconds: float) -> None:
        """`seconds` is how long to stand in line at most."""
        self._files = [file.with_name(f"{file.name}-{name}") for name in ("next", "turn")]
        self._seconds = seconds
        self._threads = threading.Lock()
        self._held: int | None = None
        self._open: tuple[int, list[int]] | None = None

    def take(self) -> None:
        """Wait for the turn. Raise NotReady if it does not come."""
        deadline = time.monotonic() + self._seconds
        if not self._threads.acquire(timeout=self._seconds):
            raise NotReady(BUSY)
        try:
            self._held = self._wait_for_files(deadline)
        except BaseException:
            self._threads.release()
            raise

    def give(self) -> None:
        """Let the next one write."""
        held, self._held = self._held, None
        try:
            if held is not None:
                fcntl.flock(held, fcntl.LOCK_UN)
        finally:
            self._threads.release()

    def _wait_for_files(self, deadline: float) -> int | None:
        try:
            coming, turn = self._descriptors()
        except OSError:
            return None  # nothing can be written there at all; SQLite says why
        _lock(coming, deadline)
        try:
            _lock(turn, deadline)
        finally:
            fcntl.flock(coming, fcntl.LOCK_UN)
        return turn

    def _descriptors(self) -> list[int]:
        """Open the lock files once in each process: a fork would share its parent's locks."""
        if self._open is None or self._open[0] != os.getpid():
            flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC
            self._open = os.getpid(), [os.open(file, flags, 0o600) for file in self._files]
        return self._open[1]

    def close(self) -> None:
        """Close the lock files."""
        opened, self._open = self._open, None
        for descriptor in opened[1] if opened and opened[0] == os.getpid() else ():
            os.close(descriptor)


def _lock(descriptor: int, deadline: float) -> None:
    pause = SHORTEST_WAIT
    while True:
        with contextlib.suppress(BlockingIOError):
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        if time.monotonic() > deadline:
            raise NotReady(BUSY)
        time.sleep(pause)
        pause = min(pause * 1.2, LONGEST_WAIT)


class Job(Generic[T]):
    """Work that waits to be done, and what came of it."""

    def __init__(self, work: Work[Any, T], given: Any) -> None:
        self.work = work
        self.given = given
        self.woken = threading.Event()
        self.is_done = False
        self.result: T | None = None
        self.error: BaseException | None = None

    def finish(self, error: BaseException | None = None) -> None:
        """Let the one who waits for it go on; an earlier error stays."""
        self.error = self.error or error
        self.is_done = True
        self.woken.set()


class Together:
    """Does what several threads want to write in one transaction, each in a savepoint of its own.

    The first who comes leads: it waits for the turn, does everybody's work, commits, and hands the lead on. A work may
    be done twice, from the start.
    """

    def __init__(self, writing: Callable[[], contextlib.AbstractContextManager[Session]]) -> None:
        self._writing = writing
        self._lock = threading.Lock()
        self.waiting: deque[Job[Any]] = deque()
        self._is_led = False

    def run(self, work: Work[Given, T], given: Given) -> T:
        """Return what `work` returned for `given` once that is durable; raise what it raised, or why that was not done.

        It is called once with what all have given who wait with the same work, and returns as much, in that order.
        """
        job: Job[T] = Job(work, given)
        with self._lock:
            self.waiting.append(job)
            is_leader, self._is_led = not self._is_led, True
        if not is_leader:
            job.woken.wait()
        if not job.is_done:
            self._lead()
        if job.error:
            raise job.error
        return job.result  # type: ignore[return-value]

    def _lead(self) -> None:
        jobs: list[Job[Any]] = []
        error: BaseException | None = None
        try:
            with self._writing() as session:
                session.connection()  # stands in line; who comes meanwhile is taken along
                jobs = self._next_ones()
                _do_all(session, jobs)
                session.commit()
        except BaseException as raised:
            error = raised
            jobs = jobs or self._next_ones()
        finally:
            self._hand_on()
        for job in jobs:
            job.finish(error)

    def _next_ones(self) -> list[Job[Any]]:
        with self._lock:
            return [self.waiting.popleft() for _ in range(min(len(self.waiting), MOST_TOGETHER))]

    def _hand_on(self) -> None:
        with self._lock:
            self._is_led = bool(self.waiting)
            if self.waiting:
                self.waiting[0].woken.set()


def _do_all(session: Session, jobs: list[Job[Any]]) -> None:
    """Do the work of many under one savepoint, since hardly ever one is refused; else again, each under its own."""
    if len(jobs) > 1:
        with contextlib.suppress(Refused), session.begin_nested():
            for alike in _alike(jobs):
                _try(session, alike)
            return
    for job in jobs:
        _do(session, job)


class Refused(Exception):
    """One of several works was refused, so that all have to be done again."""


def _alike(jobs: list[Job[Any]]) -> Iterable[list[Job[Any]]]:
    found: dict[Work[Any, Any], list[Job[Any]]] = {}
    for job in jobs:
        found.setdefault(job.work, []).append(job)
    return found.values()


def _try(session: Session, alike: list[Job[Any]]) -> None:
    try:
        results = alike[0].work(session, [job.given for job in alike])
        session.flush()
    except IntegrityError:
        raise Refused from None
    except DBAPIError:
        raise
    except Exception:
        raise Refused from None
    session.expunge_all()
    for job, result in zip(alike, results, strict=True):
        job.result = result


def _do(session: Session, job: Job[Any]) -> None:
    """Do one piece of work. A fault of the database ends the whole transaction; what the work refuses is its own."""
    try:
        with session.begin_nested():
            (job.result,) = job.work(session, [job.given])
    except IntegrityError as error:
        job.error = error
    except DBAPIError:
        raise
    except Exception as error:
        job.error = error
    session.expunge_all()
