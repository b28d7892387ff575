"""Noting what became of mails, many in one transaction, and the figures of each provider.

A mail whose fate is not on record is sent again. So outcomes are kept while the database is away, and no mail is begun.
"""

import logging
import threading
from collections import Counter
from collections.abc import Sequence
from datetime import datetime

from sqlalchemy.orm import Session

from letter import clock, figures, outbox, signatures
from letter.db import AWAY, Database
from letter.errors import NotReady
from letter.mail import Refused, Unreachable, codes, providers
from letter.mail.pace import Pace
from letter.mail.sending import Outcome
from letter.outbox import Mail
from letter.settling import Due

PAUSE = 1.0  # seconds between two tries to reach a database that is away

log = logging.getLogger(__name__)


class Records:
    """What became of the mails of one claim."""

    def __init__(self, database: Database, pace: Pace, lease: str, left: dict[str, Due]) -> None:
        """`left` holds the mails by their Message-ID; each is taken out once it is on record."""
        self._database = database
        self._pace = pace
        self._lease = lease
        self._left = left
        self.sent = 0
        self._kept: list[Outcome] = []

    @property
    def are_behind(self) -> bool:
        """Whether something is kept that could not be written: then no further mail should be begun."""
        return bool(self._kept)

    def add(self, lot: Sequence[Outcome]) -> None:
        """Note a lot of outcomes, or keep them for `finish` if the database is away."""
        if not self._kept:
            try:
                return self._write(lot)
            except (*AWAY, NotReady) as error:
                log.error("what became of %s mails cannot be noted yet: %s", len(lot), type(error).__name__)
        self._kept.extend(lot)

    def finish(self, until: datetime, stop: threading.Event) -> None:
        """Write what is kept: again and again until the lease ends, or once if all is to stop. Raise why not."""
        while self._kept:
            try:
                self._write(self._kept)
                self._kept = []
            except (*AWAY, NotReady):
                if stop.is_set() or clock.now() >= until:
                    raise
                stop.wait(PAUSE)

    def _write(self, lot: Sequence[Outcome]) -> None:
        counted: Counter[tuple[str, str]] = Counter()
        sent = [(envelope, self._left[envelope.message_id]) for envelope, error in lot if error is None]
        for envelope, due in sent:
            provider = providers.of(envelope.to)
            counted[provider, "sent"] += 1
            counted[provider, "confirmed"] += due.kind is Mail.CONFIRMED
        with self._database.writing() as session:
            outbox.sent(session, self._lease, [due.id for _, due in sent])
            for envelope, error in lot:
                if error is not None:
                    happened = self._refuse(session, envelope.to, error, envelope.message_id)
                    counted[providers.of(envelope.to), happened] += 1
            figures.add(session, counted)
            session.commit()
        for envelope, _ in lot:
            del self._left[envelope.message_id]
        self.sent += len(sent)

    def _refuse(self, session: Session, to: str, error: Refused | Unreachable, message_id: str) -> str:
        """Note a refusal; return what it counts as."""
        due = self._left[message_id]
        if isinstance(error, Refused) and error.is_about_rate:
            self._pace.slow_down(providers.domain(to), clock.now())
        if not (isinstance(error, Refused) and error.for_good):
            outbox.refused(session, self._lease, due.id, due.attempts + 1, due.created_at, str(error))
            return "deferred"
        outbox.fail(session, self._lease, [due.id], error.code)
        verdict = codes.judge(error.code.partition(" ")[2])
        if verdict is codes.Verdict.DEAD and due.about:
            signatures.note_bounce(session, due.about.signature_id, error.code.partition(" ")[2])
        elif verdict is codes.Verdict.ALARM:
            log.error("a mail to %s was refused by policy: %s", providers.of(to), error.code)
        return "refused"
