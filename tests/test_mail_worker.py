import time
from collections import Counter
from dataclasses import replace
from datetime import timedelta
from itertools import pairwise

import pytest
import time_machine
from sqlalchemy import select

from letter import confirmation, privacy, signatures
from letter.config import Settings
from letter.db import Database
from letter.mail import smtp
from letter.mail.worker import Worker
from letter.models import Post, Signature, State
from letter.tokens import Purpose
from tests.conftest import KEYS
from tests.mail_server import HANG_UP, OK, MailServer, change, part, rows, running, sign, states, supporters
from tests.mailing import DANA, ELI, NOON, link

pytestmark = pytest.mark.usefixtures("noon", "letter")


# Sending


def test_a_mail_arrives_and_its_address_is_forgotten(database: Database, worker: Worker, server: MailServer) -> None:
    sign(database, DANA)
    assert worker.run_once() == 1
    (mail,), (row,) = server.mails, rows(database)
    assert mail["Subject"] == "Please confirm your signature"
    assert mail["Message-ID"] == f"<{row.message_id}@letter.example>"
    assert "Dana" in part(mail, "plain") and "Dana" in part(mail, "html")
    assert (row.state, row.to_sealed, row.lease, row.sent_at) == (Post.SENT, None, None, NOON)
    assert worker.run_once() == 0


def test_the_link_in_the_mail_confirms_the_signature(database: Database, worker: Worker, server: MailServer) -> None:
    sign(database, DANA)
    worker.run_once()
    with database.writing() as session:
        signature = signatures.by_uid(session, link(server.mails[0], Purpose.CONFIRM))
        assert signature is not None
        confirmation.confirm(session, KEYS, signature)
        session.commit()
    worker.run_once()
    assert server.mails[1]["Subject"] == "Thank you – your signature is confirmed"
    assert link(server.mails[1], Purpose.MINE) == link(server.mails[0], Purpose.CONFIRM)


def test_mails_go_over_one_connection_until_there_are_none(
    database: Database, worker: Worker, server: MailServer
) -> None:
    sign(database, *supporters(60))
    assert [worker.run_once(), worker.run_once(), worker.run_once()] == [50, 10, 0]
    assert server.greetings == 1
    assert server.tos == supporters(60)


def test_mails_go_over_several_connections_at_once(database: Database, settings: Settings, server: MailServer) -> None:
    sign(database, *supporters(20))
    worker = Worker(database, replace(settings, smtp_url=server.url, smtp_connections=3))
    assert worker.run_once() == 20
    worker.close()
    assert server.greetings == 3
    assert Counter(server.tos) == Counter(supporters(20))


def test_an_address_that_has_signed_gets_the_link_to_its_standing_signature(
    database: Database, worker: Worker, server: MailServer
) -> None:
    sign(database, DANA)
    change(database, lambda session, signature: confirmation.confirm(session, KEYS, signature))
    worker.run_once()
    sign(database, DANA)
    worker.run_once()
    mail = server.mails[-1]
    assert mail["Subject"] == "Your signature on “Open the library”"
    with database.reading() as session:
        standing = session.scalars(select(Signature).where(Signature.state == State.CONFIRMED)).one()
    assert link(mail, Purpose.MINE) == standing.uid


def test_who_said_not_me_gets_no_mail(database: Database, worker: Worker, server: MailServer) -> None:
    sign(database, DANA)
    change(database, lambda session, signature: privacy.not_me(session, KEYS, signature))
    sign(database, DANA)
    worker.run_once()
    assert (server.mails, states(database)) == ([], ["dropped", "dropped"])
    assert [row.to_sealed for row in rows(database)] == [None, None]


def test_the_fourth_mail_of_a_day_is_dropped(database: Database, worker: Worker, server: MailServer) -> None:
    sign(database, DANA, DANA, DANA, DANA)
    assert worker.run_once() == 4
    assert len(server.mails) == 3
    assert states(database) == ["sent", "sent", "sent", "dropped"]


# Refusals


def test_a_greylisted_mail_is_tried_again_after_growing_pauses(
    database: Database, worker: Worker, server: MailServer, noon: time_machine.Traveller
) -> None:
    sign(database, DANA)
    server.at_rcpt[DANA] = "450 4.7.1 dana@example.org is greylisted"
    for minutes in (1, 5, 15):
        assert worker.run_once() == 1
        (row,) = rows(database)
        assert (row.state, row.error) == (Post.WAITING, "450 4.7.1")
        noon.shift(timedelta(minutes=0.89 * minutes))
        assert worker.run_once() == 0
        noon.shift(timedelta(minutes=0.22 * minutes))
    server.at_rcpt.clear()
    worker.run_once()
    assert (server.tos, states(database)) == ([DANA], ["sent"])


def test_an_unknown_address_is_given_up_and_forgotten(database: Database, worker: Worker, server: MailServer) -> None:
    server.at_rcpt[DANA] = "550 5.1.1 dana@example.org is unknown here"
    sign(database, DANA, ELI)
    worker.run_once()
    first, second = rows(database)
    assert (first.state, first.to_sealed, first.error) == (Post.FAILED, None, "550 5.1.1")
    assert (second.state, server.tos) == (Post.SENT, [ELI])


def test_a_mail_cut_off_is_sent_again_with_the_same_id_and_link(
    database: Database, worker: Worker, server: MailServer, noon: time_machine.Traveller
) -> None:
    sign(database, DANA)
    server.at_data = lambda to: f"250 and {HANG_UP}"  # taken, but the yes did not reach us
    worker.run_once()
    assert states(database) == ["waiting"]
    server.at_data = lambda to: OK
    noon.shift(timedelta(minutes=2))
    worker.run_once()
    first, second = server.mails
    assert first.as_bytes() == second.as_bytes()
    assert states(database) == ["sent"]


def test_a_mail_that_makes_the_server_hang_up_holds_up_no_other(
    database: Database, worker: Worker, server: MailServer, noon: time_machine.Traveller
) -> None:
    server.at_data = lambda to: HANG_UP if to == DANA else OK
    sign(database, DANA, *supporters(10))
    worker.run_once()
    assert states(database) == ["waiting"] * 11
    noon.shift(timedelta(seconds=31))
    worker.run_once()
    assert states(database) == ["waiting"] + ["sent"] * 10


# No server


def test_after_an_hour_without_a_server_every_mail_arrives_once(
    database: Database, settings: Settings, noon: time_machine.Traveller
) -> None:
    server = MailServer()
    with running(server):
        worker = Worker(database, replace(settings, smtp_url=server.url))
    sign(database, DANA, *supporters(59))
    for _ in range(120):
        assert worker.run_once() == 0
        noon.shift(timedelta(seconds=30))
    assert {(row.state, row.attempts, row.error) for row in rows(database)[:50]} == {
        (Post.WAITING, 0, "ConnectionRefusedError")
    }
    with running(server):
        noon.shift(timedelta(minutes=10))
        assert [worker.run_once(), worker.run_once(), worker.run_once()] == [50, 10, 0]
    assert Counter(server.tos) == Counter([DANA, *supporters(59)])


def test_a_missing_server_is_called_after_growing_pauses(
    database: Database, settings: Settings, noon: time_machine.Traveller, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[float] = []
    worker = Worker(database, replace(settings, smtp_url="smtp://127.0.0.1:1"))
    opened = smtp.Smtp.open

    def noted(self: smtp.Smtp) -> None:
        calls.append(time.time())
        opened(self)

    monkeypatch.setattr(smtp.Smtp, "open", noted)
    sign(database, DANA)
    for _ in range(3600):
        worker.run_once()
        noon.shift(1)
    pauses = [round(later - earlier) for earlier, later in pairwise(calls)]
    assert pauses == [30, 60, 120, 240, 480, 600, 600, 600, 600]


def test_a_server_that_is_back_is_called_at_once_the_next_time(
    database: Database, worker: Worker, server: MailServer, noon: time_machine.Traveller
) -> None:
    server.at_rcpt[DANA] = "421 4.3.2 going down"
    sign(database, DANA)
    for _ in range(3):
        worker.run_once()
        noon.shift(timedelta(minutes=20))
    server.at_rcpt.clear()
    worker.run_once()
    server.at_rcpt[ELI] = "421 4.3.2 going down"
    sign(database, ELI)
    worker.run_once()
    assert worker._not_before == rows(database)[0].sent_at + timedelta(seconds=30)  # type: ignore[operator]
