"""A real mail server in the middle: it takes everything, and what it cannot deliver comes back."""

from dataclasses import replace

import pytest
from sqlalchemy import select

from letter import figures
from letter.config import Settings
from letter.db import Database
from letter.mail.collecting import Collector
from letter.mail.worker import Worker
from letter.models import Signature
from tests import postfix
from tests.mail_server import MailServer, running, sign, states, supporters


@pytest.mark.usefixtures("letter")
def test_what_postfix_cannot_deliver_reaches_the_signature(database: Database, settings: Settings) -> None:
    gone, unwanted = "dana@gmail.com", "eli@web.de"
    strict = MailServer(at_rcpt={gone: "550 5.1.1 no such user", unwanted: "550 5.7.1 we do not want your mail"})
    with running(strict), postfix.running(strict.port) as server:
        told = replace(
            settings,
            smtp_url=server.url,
            mail_from="Open letters <letters@letter.test>",
            bounce_address="bounces@letter.test",
            bounces=f"maildir://{server.maildir}",
        )
        sign(database, gone, unwanted, *supporters(20))
        worker = Worker(database, told)
        assert worker.run_once() == 22
        worker.close()
        assert states(database) == ["sent"] * 22
        postfix.eventually(server.maildir, 2)
        Collector(database, told).collect()
        assert list((server.maildir / "new").glob("*")) == []
    assert states(database) == ["bounced"] * 2 + ["sent"] * 20
    with database.reading() as session:
        noted = {one.name: one.bounced for one in session.scalars(select(Signature)) if one.bounced}
        assert noted == {"Dana": "5.1.1"}
        assert figures.lines(session) == [
            "mail to other in 7 days: 20 sent",
            "mail to gmail in 7 days: 1 sent, 1 bounced",
            "mail to web.de in 7 days: 1 sent, 1 refused",
        ]
