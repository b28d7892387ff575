"""Who sends the mails. Any number of workers may run; a lease says whose a mail is, and no mail is in two hands.

A worker killed between the server's yes and our note of it sends that mail again, with the same Message-ID and link:
more than that nobody can promise. Several may be on their way at that moment, and a few more not on record yet.
"""

import logging
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from datetime import datetime, timedelta

from letter import clock, outbox, settling
from letter.config import Settings
from letter.db import Database
from letter.links import Links
from letter.mail import Envelope, Unreachable, bounces, messages, recording, smtp
from letter.mail.collecting import Collector
from letter.mail.keeping import Keeper
from letter.mail.pace import Pace
from letter.mail.providers import domain
from letter.mail.sending import Lines, what
from letter.outbox import Claim
from letter.sealing import Unsealable, unseal
from letter.settling import Due

LEAST, MOST = 50, 500  # mails in a batch: about a second's worth, so that a confirmation never waits for long
BATCH_SECONDS = 1.0
IDLE = 1.0  # seconds
AFTER_ERROR = 5.0  # seconds
SECONDS_TO_STOP = 5.0
FIRST_PAUSE, LONGEST_PAUSE = timedelta(seconds=30), timedelta(minutes=10)
# A mail is not begun so late that its lease could end while the server takes its time.
TIME_TO_SEND = timedelta(seconds=4 * smtp.TIMEOUT)
ITS_TURN = "its turn"

log = logging.getLogger(__name__)


class Worker:
    """Sends what the outbox holds, batch after batch."""

    def __init__(self, database: Database, settings: Settings) -> None:
        """Raise BadSetting if mail cannot be sent with these settings."""
        self._lines = Lines(settings)
        self._database = database
        self._settings = settings
        self._sender = messages.sender(settings)
        self._links = Links(settings)
        self._pace = Pace(settings.smtp_rate)
        self._stop = threading.Event()
        self._batch = LEAST
        self._pause = FIRST_PAUSE
        self._not_before: datetime | None = None
        self._keeper = Keeper(database)
        self._collector = Collector(database, settings)

    def run(self, stop: threading.Event) -> None:
        """Send, and beside that keep house, until `stop` is set. Errors are logged and outlived."""
        self._stop = stop
        # A mailbox may take its time: neither the mails nor the numbers wait for it.
        beside = [
            threading.Thread(target=self._repeat, args=(task,), daemon=True) for task in (self.keep_house, self.collect)
        ]
        for thread in beside:
            thread.start()
        self._repeat(self.run_once)
        end = time.monotonic() + SECONDS_TO_STOP
        for thread in beside:
            thread.join(max(end - time.monotonic(), 0.0))
        self.close()

    def _repeat(self, task: Callable[[], int | None]) -> None:
        """Do a task again and again: at once while it finds something to do, else a second later."""
        while not self._stop.is_set():
            try:
                pause = 0.0 if task() else IDLE
            except Exception as error:
                log.error("worker: %s", what(error))
                pause = AFTER_ERROR
            self._stop.wait(pause)

    def close(self) -> None:
        """Take leave of the mail server."""
        self._lines.close()

    def keep_house(self) -> None:
        """Add numbers up, end what is too old; to be called about once a second."""
        self._keeper.fold()
        self._keeper.keep_house()

    def collect(self) -> None:
        """Read what came back, once a minute."""
        self._collector.collect()

    def run_once(self) -> int:
        """Send one batch of what is due; return how many mails were handled."""
        now = clock.now()
        if self._not_before and now < self._not_before <= now + LONGEST_PAUSE:  # later still: the clock was set back
            return 0
        claim = self._claim()
        if not claim.ids:
            self._lines.close()
            return 0
        try:
            self._lines.open()
        except Unreachable as error:
            self._wait_for_server(str(error), claim, claim.ids)
            return 0
        began = time.monotonic()
        handled = self._send(claim)
        self._batch = max(LEAST, min(MOST, int(handled * BATCH_SECONDS / (time.monotonic() - began + 1e-6))))
        return handled

    def _claim(self) -> Claim:
        with self._database.writing() as session:
            claim = outbox.claim(session, self._batch)
            session.commit()
        return claim

    def _send(self, claim: Claim) -> int:
        """Hand a batch over, and record what becomes of it as soon as it is known; give the rest back."""
        ready = self._prepare(claim)
        left = {envelope.message_id: due for envelope, due in ready}
        records = recording.Records(self._database, self._pace, claim.lease, left)
        why = None
        try:
            with closing(self._lines.send([one for one, _ in ready], lambda: self._may_begin(claim, records))) as lots:
                for lot in lots:
                    records.add(lot)
        except Unreachable as error:
            why = str(error)
        records.finish(claim.until, self._stop)
        ids = [due.id for due in left.values()]
        if why is None:
            self._pause, self._not_before = FIRST_PAUSE, None
            self._put_back(claim, ids, clock.now(), "")
        else:
            self._pause = FIRST_PAUSE if records.sent else self._pause
            self._wait_for_server(why, claim, ids)
        return len(claim.ids) - len(ids)

    def _may_begin(self, claim: Claim, records: recording.Records) -> bool:
        return not self._stop.is_set() and not records.are_behind and clock.now() < claim.until - TIME_TO_SEND

    def _prepare(self, claim: Claim) -> list[tuple[Envelope, Due]]:
        """Decide in one transaction which mails are sent, and build them."""
        with self._database.reading() as session:
            dues = settling.load(session, claim)
        opened, unsealable = self._open(dues)
        going, later = self._in_turn(opened)
        with self._database.writing() as session:
            for when, ids in later.items():
                outbox.put_back(session, claim.lease, ids, when, ITS_TURN)
            outbox.fail(session, claim.lease, unsealable, "unsealable")
            wanted = settling.settle(session, self._settings.keys, claim.lease, going)
            session.commit()
        return self._build_all(claim, wanted)

    def _open(self, dues: Sequence[Due]) -> tuple[list[tuple[Due, str]], list[int]]:
        opened, unsealable = [], []
        for due in dues:
            try:
                opened.append((due, unseal(self._settings.keys, due.to_sealed)))
            except Unsealable:
                log.error("mail %s: the address cannot be opened with these keys", due.id)
                unsealable.append(due.id)
        return opened, unsealable

    def _in_turn(self, dues: list[tuple[Due, str]]) -> tuple[list[tuple[Due, str]], dict[datetime, list[int]]]:
        """Part the mails that may go now from those whose domain has had enough for the moment, by when they may."""
        now = clock.now()
        going: list[tuple[Due, str]] = []
        later: dict[datetime, list[int]] = {}
        for due, address in dues:
            when = self._pace.take(domain(address), now, was_promised=due.error == ITS_TURN)
            if when is None:
                going.append((due, address))
            else:
                later.setdefault(when.replace(microsecond=when.microsecond // 100_000 * 100_000), []).append(due.id)
        return going, later

    def _build_all(self, claim: Claim, dues: list[tuple[Due, str]]) -> list[tuple[Envelope, Due]]:
        built, broken = [], []
        for due, address in dues:
            try:
                built.append((self._build(due, address), due))
            except Exception as error:
                log.error("mail %s was not built: %s", due.id, what(error))
                broken.append((due, what(error)))
        if broken:
            with self._database.writing() as session:
                for due, why in broken:
                    outbox.refused(session, claim.lease, due.id, due.attempts + 1, due.created_at, why)
                session.commit()
        return built

    def _build(self, due: Due, address: str) -> Envelope:
        if due.about is None:
            raise ValueError("nothing to write about")
        message = messages.build(self._links, due.kind, due.about)
        content = messages.as_bytes(
            message, sender=self._sender, to=address, message_id=due.message_id, date=due.created_at
        )
        back_to = self._settings.bounce_address
        sender = (
            bounces.sender(back_to, self._settings.keys.secret, due.message_id) if back_to else self._sender.address
        )
        return Envelope(sender, address, due.message_id, due.created_at, content)

    def _wait_for_server(self, why: str, claim: Claim, ids: Sequence[int]) -> None:
        log.warning("no mail server: %s; next try in %s s", why, int(self._pause.total_seconds()))
        self._not_before = clock.now() + self._pause
        self._put_back(claim, ids, self._not_before, why)
        self._pause = min(2 * self._pause, LONGEST_PAUSE)

    def _put_back(self, claim: Claim, ids: Sequence[int], until: datetime, why: str) -> None:
        if ids:
            with self._database.writing() as session:
                outbox.put_back(session, claim.lease, ids, until, why)
                session.commit()
