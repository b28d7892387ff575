"""Handing a batch over on several connections at once."""

import logging
import threading
import time
import traceback
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import suppress
from queue import Empty, Queue

from letter.config import Settings
from letter.mail import Envelope, Refused, Transport, Unreachable, smtp

# How many mails may have been taken by the server and not be on record yet: a worker that is killed sends these again.
MOST_UNRECORDED = 64
SECONDS_TO_END = 60.0  # for connections, once nobody wants to know what became of their mails
Outcome = tuple[Envelope, Refused | Unreachable | None]

log = logging.getLogger(__name__)


class Lines:
    """The connections of one worker, kept from batch to batch."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._transports = [smtp.transport(settings) for _ in range(settings.smtp_connections)]

    def open(self) -> None:
        """Make sure that somebody answers, before anything is decided about a mail. Raise Unreachable."""
        self._transports[0].open()

    def close(self) -> None:
        """Take leave of the server."""
        for transport in self._transports:
            transport.close()

    def send(
        self, envelopes: Sequence[Envelope], may_begin: Callable[[], bool]
    ) -> Generator[list[Outcome], None, None]:
        """Hand mails over as long as more may be begun; give what became of them, in lots, as soon as it is known.

        Raise Unreachable, once every mail that was begun is given, if a connection was lost. Whoever closes this early
        ends it: no further mail is begun, and no thread goes on beside the next batch.
        """
        batch = _Batch(deque(envelopes), may_begin)
        used = self._transports[: len(envelopes)]
        threads = [threading.Thread(target=batch.work, args=(one, n == 0), daemon=True) for n, one in enumerate(used)]
        try:
            for thread in threads:
                thread.start()
            yield from batch.lots(len(threads))
        finally:
            batch.stopped.set()
            self._end(batch, threads)
        if batch.lost:
            raise batch.lost[0]

    def _end(self, batch: "_Batch", threads: Sequence[threading.Thread]) -> None:
        """Wait for the threads. What one that hangs still holds is its own: its place gets a new connection."""
        deadline = time.monotonic() + SECONDS_TO_END
        for number, thread in enumerate(threads):
            while thread.is_alive() and time.monotonic() < deadline:
                batch.make_room()
                thread.join(0.05)
            if thread.is_alive():
                log.error("a connection to the mail server hangs, and is replaced")
                self._transports[number] = smtp.transport(self._settings)
                batch.given_up.set()


class _Batch:
    """Mails that several threads take from, and what became of them."""

    def __init__(self, waiting: deque[Envelope], may_begin: Callable[[], bool]) -> None:
        self._waiting = waiting
        self._may_begin = may_begin
        self._done: Queue[Outcome | None] = Queue(MOST_UNRECORDED)
        self.lost: list[Unreachable] = []
        self.stopped = threading.Event()
        self.given_up = threading.Event()

    def _next_ones(self) -> Iterator[Envelope]:
        while not self.lost and not self.stopped.is_set() and self._may_begin():
            try:
                yield self._waiting.popleft()
            except IndexError:
                return

    def work(self, transport: Transport, is_open: bool) -> None:
        """Hand over what is waiting. A server that wants no further connection is left with those it has."""
        try:
            if not is_open:
                transport.open()
                is_open = True
            for outcome in transport.deliver(self._next_ones()):
                self._done.put(outcome)
        except Unreachable as error:
            if is_open:
                self._lose(error)
        except Exception as error:
            self._lose(Unreachable(what(error)))
        finally:
            self._done.put(None)
            if self.given_up.is_set():
                transport.close()  # it was replaced, and nobody else will

    def _lose(self, error: Unreachable) -> None:
        self.lost.append(error)
        if error.tried:
            self._done.put((error.tried, error))

    def make_room(self) -> None:
        """Take out what came too late to be asked for, so that no thread waits for ever to tell it."""
        with suppress(Empty):
            while True:
                self._done.get_nowait()

    def lots(self, workers: int) -> Iterator[list[Outcome]]:
        """Give the outcomes that have come since the last time, until all threads have ended."""
        while workers:
            lot = [self._done.get()]
            while len(lot) < MOST_UNRECORDED:
                try:
                    lot.append(self._done.get_nowait())
                except Empty:
                    break
            workers -= lot.count(None)
            if known := [outcome for outcome in lot if outcome]:
                yield known


def what(error: Exception) -> str:
    """Return an error's kind and place. Its words stay away: they may hold a name or an address."""
    frames = traceback.extract_tb(error.__traceback__)
    return f"{type(error).__name__} at {frames[-1].name}:{frames[-1].lineno}" if frames else type(error).__name__
