"""A database that fails while mails are on their way: what was handed over is noted, once, and no thread is left."""

import threading
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy.exc import OperationalError

from letter import outbox
from letter.config import Settings
from letter.db import Database
from letter.mail import Envelope, Refused, recording, sending
from letter.mail.sending import Lines
from letter.mail.smtp import Server, Smtp, Tls
from letter.mail.worker import Worker
from tests.mail_server import MailServer, rows, sign, states, supporters

AWAY = OperationalError("UPDATE", {"name": "Dana"}, Exception("the connection is lost"))


@pytest.fixture
def server(server: MailServer) -> MailServer:
    """The mail server, which takes mails in groups."""
    server.extensions = ("PIPELINING",)
    return server


@pytest.fixture
def told(settings: Settings, server: MailServer) -> Settings:
    return replace(settings, smtp_url=server.url, smtp_connections=3)


@pytest.fixture(autouse=True)
def no_thread_is_left(server: MailServer) -> Iterator[None]:
    before = set(threading.enumerate())
    yield
    assert set(threading.enumerate()) <= before


def envelopes(count: int) -> list[Envelope]:
    now = datetime(2026, 7, 8, 12, 0, tzinfo=UTC)
    return [Envelope("a@letter.example", to, to, now, b"Subject: Hi\r\n\r\nHi.\r\n") for to in supporters(count)]


@pytest.mark.usefixtures("noon", "letter")
@pytest.mark.parametrize("failures", [1, 3])
def test_what_was_handed_over_while_the_database_was_away_is_noted_and_not_sent_twice(
    database: Database,
    told: Settings,
    server: MailServer,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    failures: int,
) -> None:
    write, fails = recording.Records._write, iter(range(failures))

    def failing(self: recording.Records, lot: Any) -> None:
        for _ in fails:
            raise AWAY
        write(self, lot)

    monkeypatch.setattr(recording.Records, "_write", failing)
    monkeypatch.setattr(recording, "PAUSE", 0.01)
    sign(database, *supporters(40))
    worker = Worker(database, told)
    first = worker.run_once()
    assert 0 < first == len(server.tos) == states(database).count("sent")
    while worker.run_once():
        pass
    assert Counter(server.tos) == Counter(supporters(40))
    assert states(database) == ["sent"] * 40
    assert "cannot be noted yet: OperationalError" in caplog.text and "Dana" not in caplog.text


@pytest.mark.usefixtures("noon", "letter")
def test_a_worker_told_to_stop_does_not_wait_for_the_database(
    database: Database, told: Settings, server: MailServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(*_: object, **_more: object) -> None:
        worker._stop.set()
        raise AWAY

    sign(database, *supporters(3))
    worker = Worker(database, told)
    monkeypatch.setattr(outbox, "sent", failing)
    with pytest.raises(OperationalError):
        worker.run_once()
    worker.close()
    assert {row.state for row in rows(database)} == {"leased"}


def test_who_stops_listening_ends_the_sending(told: Settings, server: MailServer) -> None:
    lines, all_of_them = Lines(told), envelopes(400)
    lots = lines.send(all_of_them, lambda: True)
    next(lots)
    lots.close()
    begun = list(server.tos)
    assert len(begun) < 400
    rest = [one for one in all_of_them if one.to not in begun]
    given = [one.to for lot in lines.send(rest, lambda: True) for one, error in lot if error is None]
    assert Counter(server.tos) == Counter(supporters(400)) == Counter([*begun, *given])
    lines.close()


class Hanging(Smtp):
    """A connection on which the second mail never ends, until it may."""

    may_end = threading.Event()

    def deliver(self, envelopes: Iterator[Envelope]) -> Iterator[tuple[Envelope, Refused | None]]:
        yield next(envelopes), None
        next(envelopes)
        self.may_end.wait(20)
        yield from super().deliver(envelopes)


def test_a_connection_that_hangs_is_replaced_and_begins_no_further_mail(
    told: Settings, server: MailServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    before = set(threading.enumerate())
    monkeypatch.setattr(sending, "SECONDS_TO_END", 0.2)
    lines = Lines(replace(told, smtp_connections=1))
    monkeypatch.setattr(lines, "_transports", [Hanging(Server(server.host, server.port, Tls.NEVER))])
    lots = lines.send(envelopes(5), lambda: True)
    next(lots)
    lots.close()
    (hanging,) = set(threading.enumerate()) - before
    assert caplog.messages == ["a connection to the mail server hangs, and is replaced"]
    assert [one.to for lot in lines.send(envelopes(5)[2:], lambda: True) for one, _ in lot] == supporters(5)[2:]
    Hanging.may_end.set()
    hanging.join(10)
    assert server.tos == supporters(5)[2:]
    lines.close()
