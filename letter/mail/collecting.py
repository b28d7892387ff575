"""Reading what came back, and noting it beside the signature and in the figures of its provider."""

import imaplib
import logging
from collections import Counter
from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from letter import clock, figures, outbox, signatures
from letter.config import Settings
from letter.db import Database
from letter.mail import bounces, mailboxes
from letter.mail.bounces import Bounce
from letter.mail.codes import Verdict, judge
from letter.mail.mailboxes import Mailbox

ROUND = timedelta(seconds=60)

log = logging.getLogger(__name__)


class Collector:
    """Reads the mailbox of what comes back, once a minute, where there is one."""

    def __init__(self, database: Database, settings: Settings) -> None:
        """Raise BadSetting if the mailbox is named in a way that cannot be read."""
        self._database = database
        self._settings = settings
        self._collected_at: datetime | None = None
        if settings.bounces:
            mailboxes.read(settings)

    def collect(self) -> None:
        """Read what is new, if a minute has passed. A mailbox that cannot be reached is logged, and tried again."""
        if not self._settings.bounces or (self._collected_at and clock.now() < self._collected_at + ROUND):
            return
        self._collected_at = clock.now()
        try:
            with mailboxes.opened(self._settings) as mailbox:
                for name, data in mailbox.unread():
                    self._take(mailbox, name, data)
        except (OSError, imaplib.IMAP4.error) as error:
            log.error("what came back cannot be read: %s", type(error).__name__)

    def _take(self, mailbox: Mailbox, name: str, data: bytes) -> None:
        """Note a report. Whatever bears our token is deleted, as it may hold an address; the rest is for people."""
        ours = self._settings.bounce_address, self._settings.keys.secret
        found = bounces.read(data, *ours)
        if found:
            self._note(found)
        if found or bounces.is_ours(data, *ours):
            mailbox.remove(name)
        else:
            mailbox.keep(name)

    def _note(self, bounce: Bounce) -> None:
        with self._database.writing() as session:
            note(session, bounce)
            session.commit()


def note(session: Session, bounce: Bounce) -> None:
    """Note that a mail came back. The same report read twice counts once; one that may pass changes nothing."""
    verdict = judge(bounce.status)
    if verdict is Verdict.HARMLESS:
        return
    signature_id = outbox.bounced(session, bounce.message_id, bounce.status)
    if signature_id is None:
        return
    figures.add(session, Counter({(bounce.provider, "refused" if verdict is Verdict.ALARM else "bounced"): 1}))
    if verdict is Verdict.ALARM:
        log.error("a mail to %s was refused by policy: %s", bounce.provider, bounce.status)
        return
    signatures.note_bounce(session, signature_id, bounce.status, is_dead=verdict is Verdict.DEAD)
