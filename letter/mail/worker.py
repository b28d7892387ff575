"""Who sends the mails. Any number of workers may run; a lease says whose a mail is, and no mail is in two hands.

A worker killed between the server's yes and our note of it sends that one mail again, with the same Message-ID and
link: more than that nobody can promise.
"""

import logging
import threading
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from email.message import EmailMessage

from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from letter import clock, outbox
from letter.config import Settings
from letter.db import Database
from letter.links import Links
from letter.mail import Refused, Transport, Unreachable, messages, smtp
from letter.mail.keeping import Keeper
from letter.models import Outbox
from letter.outbox import Mail
from letter.sealing import Unsealable, unseal

BATCH = 50
IDLE = 1.0  # seconds
AFTER_ERROR = 5.0  # seconds
FIRST_PAUSE, LONGEST_PAUSE = timedelta(seconds=30), timedelta(minutes=10)

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Claim:
    """A mail that this worker has leased."""

    id: int
    lease: str


class Worker:
    """Sends what the outbox holds, batch after batch."""

    def __init__(self, database: Database, settings: Settings) -> None:
        """Raise BadSetting if mail cannot be sent with these settings."""
        smtp.check(settings)
        self._database = database
        self._settings = settings
        self._sender = messages.sender(settings)
        self._links = Links(settings)
        self._stop = threading.Event()
        self._pause = FIRST_PAUSE
        self._not_before: datetime | None = None
        self._keeper = Keeper(database)

    def run(self, stop: threading.Event) -> None:
        """Send and tidy up until `stop` is set. Errors are logged and outlived."""
        self._stop = stop
        while not stop.is_set():
            try:
                is_idle = self.run_once() == 0
                self.keep_house()
            except Exception as error:
                log.error("worker: %s", _what(error))
                stop.wait(AFTER_ERROR)
            else:
                stop.wait(IDLE if is_idle else 0)

    def keep_house(self) -> None:
        """Add numbers up, and end what is too old; between two batches, so about once a second."""
        self._keeper.fold()
        self._keeper.keep_house()

    def run_once(self) -> int:
        """Send one batch of what is due; return how many mails were handled."""
        if self._not_before and clock.now() < self._not_before:
            return 0
        claims = self._claim()
        handled = 0
        if not claims:
            return handled
        try:
            with smtp.open_transport(self._settings) as transport:
                for claim in claims:
                    if self._stop.is_set():
                        break
                    handled += 1
                    self._deliver(transport, claim)
        except Unreachable as error:
            if handled > 1:
                self._pause = FIRST_PAUSE
            self._wait_for_server(str(error), claims[handled:])
        else:
            self._pause, self._not_before = FIRST_PAUSE, None
            self._put_back(claims[handled:], clock.now(), "")
        return handled

    def _claim(self) -> list[Claim]:
        with self._database.writing() as session:
            claims = [Claim(row.id, row.lease or "") for row in outbox.claim(session, BATCH)]
            session.commit()
        return claims

    def _deliver(self, transport: Transport, claim: Claim) -> None:
        """Send one mail, with no transaction open meanwhile. Raise Unreachable once this attempt is written down."""
        ready = self._prepare(claim)
        if ready is None:
            return
        try:
            transport.send(*ready)
        except Refused as refusal:
            code, for_good = refusal.code, refusal.for_good
            self._record(claim, lambda row: outbox.refused(row, code, for_good=for_good))
        except Unreachable as error:
            # It may be this very mail that makes the server hang up: it waits by itself and holds up no other.
            why = str(error)
            self._record(claim, lambda row: outbox.refused(row, why, for_good=False))
            raise
        except Exception as error:
            what = _what(error)
            log.error("mail %s was not sent: %s", claim.id, what)
            self._record(claim, lambda row: outbox.refused(row, what, for_good=False))
        else:
            self._record(claim, outbox.sent)

    def _prepare(self, claim: Claim) -> tuple[EmailMessage, str] | None:
        """Decide in one transaction whether the mail is sent; return it with its address, or None."""
        with self._database.writing() as session:
            row = outbox.hold(session, claim.id, claim.lease)
            ready = self._settle(session, row) if row else None
            session.commit()
        return ready

    def _settle(self, session: Session, row: Outbox) -> tuple[EmailMessage, str] | None:
        try:
            address = unseal(self._settings.keys, row.to_sealed or b"")
        except Unsealable:
            log.error("mail %s: the address cannot be opened with these keys", row.id)
            outbox.refused(row, "unsealable", for_good=True)
            return None
        if not outbox.settle(session, self._settings.keys, row, address):
            outbox.drop(row, "not wanted")
            return None
        return self._build(row, address)

    def _build(self, row: Outbox, address: str) -> tuple[EmailMessage, str] | None:
        if row.signature is None:
            return None
        try:
            message = messages.build(self._links, Mail(row.kind), row.signature)
            to = messages.routable(address)
            return messages.as_email(
                message, sender=self._sender, to=to, message_id=row.message_id, date=row.created_at
            ), to
        except SQLAlchemyError:
            raise
        except Exception as error:
            what = _what(error)
            log.error("mail %s was not built: %s", row.id, what)
            outbox.refused(row, what, for_good=False)
            return None

    def _record(self, claim: Claim, outcome: Callable[[Outbox], None]) -> None:
        """Write down what became of a mail, unless it is not ours any more."""
        with self._database.writing() as session:
            row = outbox.hold(session, claim.id, claim.lease)
            if row:
                outcome(row)
            session.commit()

    def _wait_for_server(self, why: str, claims: Sequence[Claim]) -> None:
        log.warning("no mail server: %s; next try in %s s", why, int(self._pause.total_seconds()))
        self._not_before = clock.now() + self._pause
        self._put_back(claims, self._not_before, why)
        self._pause = min(2 * self._pause, LONGEST_PAUSE)

    def _put_back(self, claims: Sequence[Claim], until: datetime, why: str) -> None:
        with self._database.writing() as session:
            for claim in claims:
                row = outbox.hold(session, claim.id, claim.lease)
                if row:
                    outbox.put_back(row, until, why)
            session.commit()


def _what(error: Exception) -> str:
    """Return an error's kind and place. Its words stay away: they may hold a name or an address."""
    frames = traceback.extract_tb(error.__traceback__)
    return f"{type(error).__name__} at {frames[-1].name}:{frames[-1].lineno}" if frames else type(error).__name__
