"""SIGKILL of web and worker in the middle of concurrent signings: nothing that was acknowledged is lost."""

import http.client
import threading
from collections import Counter
from pathlib import Path

import pytest
from sqlalchemy import func, select, text

from letter import config
from letter.db import Database
from letter.models import Outbox, Post, Signature, State
from letter.sealing import email_key
from tests.serving import Server, serving

CLIENTS = 300
EACH = 1


def sign_all(server: Server, stamp: str, kill_after: int) -> list[str]:
    """Sign with many clients at once, kill everything on the way, and return the addresses that were acknowledged."""
    acknowledged: list[str] = []
    dead = threading.Event()

    def client(number: int) -> None:
        for turn in range(EACH):
            email = f"s{number}.{turn}@example.org"
            try:
                status = server.sign("library", stamp, name=f"Supporter {number} {turn}", affiliation="", email=email)
            except (OSError, http.client.HTTPException):
                return
            assert status == 303
            acknowledged.append(email)
            if len(acknowledged) >= kill_after and not dead.is_set():
                dead.set()
                server.kill()

    threads = [threading.Thread(target=client, args=(number,)) for number in range(CLIENTS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return list(acknowledged)


@pytest.mark.parametrize("kill_after", [40, 150])
def test_every_acknowledged_signature_survives_with_exactly_one_mail(tmp_path: Path, kill_after: int) -> None:
    with serving(tmp_path) as server:
        acknowledged = sign_all(server, server.stamp("library"), kill_after)
        assert kill_after <= len(acknowledged) < CLIENTS * EACH

        settings = config.load({**server.environ})
        database = Database(settings.database_url)
        with database.reading() as session:
            if database.is_sqlite:
                assert session.scalar(text("PRAGMA integrity_check")) == "ok"
            letter_uid = session.scalar(text("SELECT uid FROM letter"))
            signed = session.scalars(select(Signature).where(Signature.state == State.PENDING)).all()
            mails = Counter(session.scalars(select(Outbox.signature_id)))
        keys = {one.email_key for one in signed}
        assert {email_key(settings.keys, str(letter_uid), email) for email in acknowledged} <= keys
        assert mails == Counter({one.id: 1 for one in signed})

        send_the_rest(server, database)
        with database.reading() as session:
            messages = set(session.scalars(select(Outbox.message_id)))
        database.close()
        files = [file.name for file in (tmp_path / "mail").glob("*.eml")]
        assert len(files) == len(signed) == len(messages)
        assert {message for message in messages if any(message in name for name in files)} == messages


def send_the_rest(server: Server, database: Database) -> None:
    """Restart: leases of the killed worker run out first, so they are ended here instead of waiting five minutes."""
    with database.writing() as session:
        session.execute(text("UPDATE outbox SET due_at = created_at WHERE state = 'leased'"))
        session.commit()
    left = select(func.count()).select_from(Outbox).where(Outbox.state != Post.SENT)
    for _ in range(20):
        server.run("work", "--once")
        with database.reading() as session:
            if session.scalar(left) == 0:
                return
    raise AssertionError("mails are left")
