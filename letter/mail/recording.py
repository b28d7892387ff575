"""Noting what became of mails, many in one transaction, and the figures of each provider."""

import logging
from collections import Counter
from collections.abc import Sequence

from sqlalchemy.orm import Session

from letter import clock, figures, outbox, signatures
from letter.db import Database
from letter.mail import Refused, Unreachable, codes, providers
from letter.mail.pace import Pace
from letter.mail.sending import Outcome
from letter.outbox import Mail
from letter.settling import Due

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

    def write(self, lot: Sequence[Outcome]) -> None:
        """Note a lot of outcomes in one transaction."""
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
