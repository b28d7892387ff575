import logging
import re
import threading
import time
from collections import Counter
from dataclasses import replace
from datetime import timedelta

import pytest
import time_machine
from sqlalchemy import select

from letter import outbox, privacy
from letter.config import BadSetting, Settings
from letter.db import Database
from letter.links import Links
from letter.mail import messages
from letter.mail.worker import Worker
from letter.models import Outbox, Post
from letter.outbox import Mail
from letter.sealing import Keys
from letter.settling import Facts
from tests.conftest import KEYS
from tests.mail_server import OK, MailServer, change, rows, sign, states, supporters
from tests.mailing import DANA, ELI

pytestmark = pytest.mark.usefixtures("noon", "letter")


# Several workers, and workers that die


def test_two_workers_at_once_send_each_mail_once(database: Database, settings: Settings, server: MailServer) -> None:
    sign(database, *supporters(60))
    told = replace(settings, smtp_url=server.url)

    def work() -> None:
        own = Database(settings.database_url)
        mine = Worker(own, told)
        while mine.run_once():
            pass
        mine.close()
        own.close()

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert Counter(server.tos) == Counter(supporters(60))
    assert set(states(database)) == {"sent"}


def test_the_mails_of_a_dead_worker_are_sent_by_another(
    database: Database, worker: Worker, server: MailServer, noon: time_machine.Traveller
) -> None:
    sign(database, DANA)
    worker._claim()
    assert worker.run_once() == 0
    noon.shift(outbox.LEASE)
    assert worker.run_once() == 1
    assert server.tos == [DANA]


def test_a_worker_whose_lease_was_lost_writes_nothing(database: Database, worker: Worker, server: MailServer) -> None:
    def another_takes_it(to: str) -> str:
        with database.writing() as session:
            session.scalars(select(Outbox)).one().lease = "another's"
            session.commit()
        return "550 5.0.0 never"

    sign(database, DANA)
    server.at_data = another_takes_it
    worker.run_once()
    (row,) = rows(database)
    assert (row.state, row.lease, row.error) == (Post.LEASED, "another's", "")
    assert row.to_sealed


def test_a_slow_batch_is_given_on_in_time_and_never_taken_from_the_worker_that_sends_it(
    database: Database, settings: Settings, worker: Worker, server: MailServer, noon: time_machine.Traveller
) -> None:
    other = Worker(database, replace(settings, smtp_url=server.url))
    taken_from_us: list[int] = []

    def slow(to: str) -> str:
        noon.shift(timedelta(minutes=2))
        taken_from_us.extend(other._claim().ids)
        return OK

    server.at_data = slow
    sign(database, *supporters(4))
    assert worker.run_once() == 2  # a third could take so long that its lease ends
    assert taken_from_us == []
    assert states(database) == ["sent", "sent", "waiting", "waiting"]
    assert worker.run_once() == 2
    assert server.tos == supporters(4)


def test_a_signature_withdrawn_while_its_mail_is_on_the_way_stays_dropped(
    database: Database, worker: Worker, server: MailServer
) -> None:
    def withdrawn(to: str) -> str:
        change(database, privacy.withdraw)
        return "450 4.0.0 later"

    server.at_data = withdrawn
    sign(database, DANA)
    worker.run_once()
    (row,) = rows(database)
    assert (row.state, row.to_sealed) == (Post.DROPPED, None)


def test_no_transaction_is_open_while_a_server_takes_its_time(
    database: Database, worker: Worker, server: MailServer
) -> None:
    def somebody_signs(to: str) -> str:
        began = time.monotonic()
        if to == DANA:
            sign(database, ELI)
        assert time.monotonic() - began < 5
        return OK

    server.at_data = somebody_signs
    sign(database, DANA)
    assert worker.run_once() == 1
    assert states(database) == ["sent", "waiting"]


def test_a_signature_withdrawn_before_its_mail_is_looked_at_is_not_written_about(
    database: Database, worker: Worker, server: MailServer
) -> None:
    sign(database, DANA, ELI)
    claim = worker._claim()
    change(database, privacy.withdraw)
    assert [envelope.to for envelope, _ in worker._prepare(claim)] == [ELI]


# Mails that cannot be made, and errors


def test_an_address_sealed_with_other_keys_is_given_up(
    database: Database, settings: Settings, server: MailServer
) -> None:
    sign(database, DANA)
    others = Keys(KEYS.secret, KEYS.index, KEYS.index)
    worker = Worker(database, replace(settings, smtp_url=server.url, keys=others))
    worker.run_once()
    worker.close()
    (row,) = rows(database)
    assert (row.state, row.error, row.to_sealed) == (Post.FAILED, "unsealable", None)


def test_a_mail_that_cannot_be_built_waits_and_holds_up_no_other(
    database: Database,
    worker: Worker,
    server: MailServer,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    build = messages.build

    def broken(links: Links, kind: Mail, facts: Facts) -> messages.Message:
        if facts.name == "Dana":
            raise RuntimeError(f"cannot write to {facts.name} at {DANA}")
        return build(links, kind, facts)

    monkeypatch.setattr(messages, "build", broken)
    sign(database, DANA, ELI)
    assert worker.run_once() == 2
    first, second = rows(database)
    assert (first.state, second.state, server.tos) == (Post.WAITING, Post.SENT, [ELI])
    assert first.error.startswith("RuntimeError at broken:")
    assert "dana" not in f"{first.error} {caplog.text}".lower()


def test_an_address_that_no_mail_can_have_waits_and_holds_up_no_other(
    database: Database, worker: Worker, server: MailServer
) -> None:
    sign(database, "dana\r\nRCPT TO:<cleo@example.org>@example.org", ELI)
    worker.run_once()
    assert (states(database), server.tos) == (["waiting", "sent"], [ELI])


def test_no_log_line_holds_a_name_or_an_address(
    database: Database, worker: Worker, server: MailServer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "letter")
    server.at_rcpt.update({DANA: "450 4.7.1 dana@example.org later", ELI: "421 4.0.0 eli@example.org"})
    sign(database, "fay@example.org", DANA, ELI)
    worker.run_once()
    kept = " ".join(row.error for row in rows(database))
    ours = " ".join(record.getMessage() for record in caplog.records if record.name.startswith("letter"))
    assert "no mail server: 421 4.0.0" in ours
    assert not re.search("dana|eli|fay|example", f"{kept} {ours}", re.IGNORECASE)


def test_a_worker_does_not_start_with_a_setting_it_cannot_use(database: Database, settings: Settings) -> None:
    with pytest.raises(BadSetting, match="LETTER_SMTP_URL"):
        Worker(database, replace(settings, smtp_url="smtp://"))
    with pytest.raises(BadSetting, match="LETTER_MAIL_FROM"):
        Worker(database, replace(settings, mail_from="nobody"))
