"""A disk that is full, read-only or brought back from yesterday: no false answer, and nothing needs a restart."""

import threading
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from flask.testing import FlaskClient
from sqlalchemy import func, select, text

from letter import backup, outbox, upgrade
from letter.app import create_app
from letter.config import Settings
from letter.db import Database
from letter.mail.worker import Worker
from letter.models import Letter, Outbox, Post, Signature, State
from letter.sealing import fingerprint
from letter.tokens import Purpose, write
from tests.conftest import KEYS, Browser, make_letter
from tests.crowd import Journal
from tests.disks import Disk, small_disk
from tests.truth import losses

pytestmark = pytest.mark.sqlite
MOST = 200
PATIENCE = 30.0
BUSY = 0.3  # seconds


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    with small_disk(tmp_path / "disk") as disk:
        yield disk


@pytest.fixture
def settings(settings: Settings, disk: Disk) -> Settings:
    url = f"sqlite:///{disk.folder / 'letter.sqlite3'}"
    return replace(settings, instance=disk.folder, database_url=url, smtp_url=(disk.folder / "mail").as_uri())


@pytest.fixture
def database(settings: Settings) -> Iterator[Database]:
    with closing(Database(settings.database_url, patience=BUSY)) as database:
        upgrade.run(database)
        with database.writing() as session:
            session.execute(text("INSERT INTO about (name, value) VALUES ('keys', :f)"), {"f": fingerprint(KEYS)})
            make_letter(session, "library")
            session.commit()
        yield database


@pytest.fixture
def client(settings: Settings, database: Database) -> FlaskClient:
    return create_app(settings, database).test_client()


class Supporters:
    """People who sign one after the other, and a journal of what they were told."""

    def __init__(self, client: FlaskClient) -> None:
        self.client, self.journal = client, Journal()
        self.stamp = Browser(client).hidden("/library")
        self.tried = 0

    def sign(self) -> int:
        self.tried += 1
        email = f"s{self.tried}@example.org"
        person = {"name": f"Supporter {self.tried}", "affiliation": "", "email": email, "language": "en"}
        choices = {"display": "public", "kind": "person"}
        status = self.client.post("/library/sign", data={**self.stamp, **person, **choices}).status_code
        if status == 303:
            self.journal.signed[email] = time.monotonic()
        return status

    def confirm(self, database: Database) -> tuple[int, str]:
        with database.reading() as session:
            uid = session.scalars(select(Signature.uid).where(Signature.state == State.PENDING)).first() or ""
        path = f"/confirm/{write(KEYS.secret, Purpose.CONFIRM, uid)}"
        status = self.client.post(path, data=self.stamp).status_code
        if status == 200:
            self.journal.confirmed.add(uid)
        return status, uid


def until_accepted(supporters: Supporters) -> None:
    """Whoever could not reach the database rests for a moment; nothing is restarted."""
    end = time.monotonic() + PATIENCE
    while supporters.sign() != 303:
        assert time.monotonic() < end, "it did not recover by itself"
        time.sleep(0.2)


def test_a_full_disk_takes_nothing_and_the_first_free_bytes_are_enough(
    client: FlaskClient, database: Database, disk: Disk
) -> None:
    supporters = Supporters(client)
    assert [supporters.sign() for _ in range(3)] == [303] * 3
    disk.fill()
    answers = [supporters.sign() for _ in range(MOST)]
    assert set(answers) <= {303, 503} and answers[-1] == 503, "the disk was not full"
    assert supporters.confirm(database)[0] == 503
    disk.free()
    until_accepted(supporters)
    assert supporters.confirm(database)[0] == 200
    assert losses(database, KEYS, supporters.journal) == []


def test_the_worker_outlives_a_full_disk_and_no_mail_counts_as_sent_that_was_not_written(
    client: FlaskClient, settings: Settings, database: Database, disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("letter.mail.worker.AFTER_ERROR", 0.2)
    supporters, stop = Supporters(client), threading.Event()
    assert [supporters.sign() for _ in range(5)] == [303] * 5
    disk.fill()
    worker = threading.Thread(target=Worker(database, settings).run, args=(stop,))
    worker.start()
    time.sleep(1.5)
    disk.free()
    with database.writing() as session:
        session.execute(text("UPDATE outbox SET due_at = created_at WHERE state IN ('waiting', 'leased')"))
        session.commit()
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end and left(database):
        time.sleep(0.2)
    stop.set()
    worker.join()
    assert left(database) == 0
    assert len(list((disk.folder / "mail").glob("*.eml"))) == 5


def left(database: Database) -> int:
    with database.reading() as session:
        return session.scalar(select(func.count(Outbox.id)).where(Outbox.state != Post.SENT)) or 0


def test_a_disk_that_became_read_only_takes_nothing_until_it_is_writable_again(
    client: FlaskClient, database: Database, disk: Disk
) -> None:
    supporters = Supporters(client)
    assert supporters.sign() == 303
    database.close()
    disk.protect()
    assert [supporters.sign() for _ in range(3)] == [503] * 3
    database.close()
    disk.release()
    until_accepted(supporters)
    assert losses(database, KEYS, supporters.journal) == []


def test_yesterdays_backup_leaves_nobody_with_a_broken_page(
    client: FlaskClient, settings: Settings, database: Database, tmp_path: Path
) -> None:
    supporters = Supporters(client)
    assert supporters.sign() == 303
    backup.write(database, tmp_path / "yesterday.sqlite3", lambda _done, _total: None)
    assert supporters.sign() == 303
    status, newer = 0, ""
    while status != 200 or newer not in supporters.journal.confirmed:
        status, newer = supporters.confirm(database)
    with database.writing() as session:
        claim = outbox.claim(session, 50)  # in a worker's hand
        session.commit()
    database.close()
    backup.restore(settings, tmp_path / "yesterday.sqlite3")
    with database.writing() as session:
        outbox.sent(session, claim.lease, claim.ids)
        assert claim.ids and session.scalars(select(Outbox.id).where(Outbox.state == Post.SENT)).all() == []
        session.rollback()
    known = links(database)
    for purpose in (Purpose.CONFIRM, Purpose.MINE, Purpose.NOT_ME):
        answer = client.get(f"/{purpose}/{write(KEYS.secret, purpose, 'A' * 22)}")
        assert (answer.status_code, "This link is not complete" in answer.text) == (404, True)
    supporters.journal = Journal()
    until_accepted(supporters)
    assert links(database) - known != set()
    assert losses(database, KEYS, supporters.journal) == []


def links(database: Database) -> set[str]:
    with database.reading() as session:
        return set(session.scalars(select(Signature.uid)))


def test_a_file_that_was_put_in_place_of_the_one_in_use_is_written_to_from_then_on(
    client: FlaskClient, database: Database, tmp_path: Path, disk: Disk
) -> None:
    supporters = Supporters(client)
    assert supporters.sign() == 303
    backup.write(database, tmp_path / "other.sqlite3", lambda _done, _total: None)
    here = disk.folder / "letter.sqlite3"
    here.unlink()  # the connections in the pool still hold it, and could go on writing to it for ever
    here.write_bytes((tmp_path / "other.sqlite3").read_bytes())
    until_accepted(supporters)
    with closing(Database(f"sqlite:///{here}")) as fresh:
        assert losses(fresh, KEYS, supporters.journal) == []
        with fresh.reading() as session:
            assert session.scalar(select(func.count(Letter.id))) == 1
