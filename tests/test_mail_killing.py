"""SIGKILL of mail workers while they send: nothing is lost, and at most one extra copy of a mail is sent."""

import os
import signal
import subprocess
import sys
import threading
from collections import Counter
from dataclasses import replace

import pytest
from sqlalchemy import text

from letter.config import Settings
from letter.db import Database
from letter.mail.worker import Worker
from tests.conftest import KEYS
from tests.mail_server import OK, MailServer, running, sign, states, supporters

pytestmark = pytest.mark.usefixtures("letter")
WORKER = """
import sys, threading
from pathlib import Path
from letter.config import Settings
from letter.db import Database
from letter.mail.worker import Worker
from letter.sealing import Keys
keys = Keys(*(line.encode() for line in sys.argv[4:]))
told = dict(database_url=sys.argv[1], smtp_url=sys.argv[2], mail_from=sys.argv[3], smtp_rate=0)
settings = Settings(Path(), keys, base_url="http://letter.example", **told)
Worker(Database(sys.argv[1]), settings).run(threading.Event())
"""


def start(settings: Settings, url: str) -> subprocess.Popen[bytes]:
    keys = [key.decode() for key in (KEYS.secret, KEYS.sealing, KEYS.index)]
    told = [settings.database_url, url, settings.mail_from, *keys]
    return subprocess.Popen([sys.executable, "-c", WORKER, *told])


def let_go(database: Database) -> None:
    """End the leases of workers that are dead, in place of waiting five minutes."""
    with database.writing() as session:
        session.execute(text("UPDATE outbox SET due_at = created_at WHERE state = 'leased'"))
        session.commit()


def campaign(database: Database, settings: Settings, workers: int, mails: int, kills: int) -> None:
    """Kill all workers again and again, each time after a share of the mails was taken; then let one finish."""
    server, share = MailServer(extensions=("PIPELINING",)), mails // (kills + 1)
    enough, marks = threading.Event(), [share]

    def count(to: str) -> str:
        if len(server.tos) >= marks[-1]:
            enough.set()
        return OK

    server.at_data = count
    sign(database, *supporters(mails))
    with running(server):
        for turn in range(kills):
            enough.clear()
            marks.append(share * (turn + 1))
            processes = [start(settings, server.url) for _ in range(workers)]
            try:
                while not enough.wait(0.2) and set(states(database)) != {"sent"}:
                    assert all(process.poll() is None for process in processes)
            finally:
                for process in processes:
                    os.kill(process.pid, signal.SIGKILL)
                    process.wait()
            let_go(database)
        worker = Worker(database, replace(settings, smtp_url=server.url, smtp_rate=0))
        while worker.run_once():
            pass
        worker.close()
    assert set(states(database)) == {"sent"}
    copies = Counter(server.tos)
    assert set(copies) == set(supporters(mails))
    assert max(copies.values()) <= 2
    assert len({mail["Message-ID"] for mail in server.mails}) == mails
    assert len({mail.as_bytes() for mail in server.mails}) == mails


def test_killed_workers_lose_no_mail(database: Database, settings: Settings) -> None:
    campaign(database, settings, workers=2, mails=320, kills=3)


@pytest.mark.nightly
def test_twenty_times_four_killed_workers_lose_no_mail(database: Database, settings: Settings) -> None:
    campaign(database, settings, workers=4, mails=4000, kills=20)
