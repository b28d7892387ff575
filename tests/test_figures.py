"""How mail fares with each provider."""

from collections import Counter
from dataclasses import replace
from datetime import timedelta

import pytest
import time_machine
from sqlalchemy.orm import Session

from letter import confirmation, figures, tally
from letter.config import Settings
from letter.db import Database
from letter.mail import providers
from letter.mail.worker import Worker
from tests.conftest import KEYS
from tests.mail_server import MailServer, change, sign

pytestmark = pytest.mark.usefixtures("noon", "letter")


def test_a_small_domain_has_no_figures_of_its_own() -> None:
    addresses = ["Dana@GMail.com", "d@googlemail.com", "d@web.de", "dana@dana-ivers.example", "d@gmail.com.example"]
    assert [providers.of(one) for one in addresses] == ["gmail", "gmail", "web.de", "other", "other"]


def test_what_happens_to_mails_is_counted_by_provider(
    database: Database, settings: Settings, server: MailServer, noon: time_machine.Traveller
) -> None:
    server.at_rcpt.update({"eli@web.de": "550 5.1.1 unknown", "fay@gmail.com": "450 4.2.1 later"})
    sign(database, "dana@gmail.com", "eli@web.de", "fay@gmail.com", "gil@small.example")
    worker = Worker(database, replace(settings, smtp_url=server.url))
    worker.run_once()
    change(database, lambda session, signature: confirmation.confirm(session, KEYS, signature))
    worker.run_once()
    worker.close()
    with database.reading() as session:
        assert figures.lines(session) == [
            "mail to gmail in 7 days: 2 sent, 1 confirmed, 1 deferred",
            "mail to other in 7 days: 1 sent",
            "mail to web.de in 7 days: 1 refused",
        ]
    noon.shift(figures.SHOWN)
    with database.reading() as session:
        assert figures.lines(session) == []


def test_figures_of_days_long_past_are_forgotten(session: Session, noon: time_machine.Traveller) -> None:
    figures.add(session, Counter({("gmail", "sent"): 3}))
    tally.fold(session)
    noon.shift(figures.KEPT)
    assert figures.forget_old(session) == 0
    noon.shift(timedelta(days=1))
    assert figures.forget_old(session) == 1
    assert [name for name in tally.everything(session, tally.EVERYWHERE) if name.startswith("mail")] == []
