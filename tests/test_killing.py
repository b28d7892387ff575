"""SIGKILL of web and worker under sixty-four people at work: nothing that was acknowledged is lost.

A kill is no loss of power: what the kernel was given survives it. That commits are synced is tested in test_durability.
"""

import random
import time
from collections import deque
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import func, select, text

from letter import accounts, config
from letter.db import Database
from letter.mail.worker import Worker
from letter.models import Letter, Outbox, Post, Role, Signature, State
from tests.crowd import Crowd, Entry, Journal
from tests.serving import Server, serving
from tests.truth import losses

SIGNERS, CONFIRMERS, MODERATORS = 34, 20, 10
MOST_A_ROUND = 2000
PATIENCE = 60.0
UNSENT = (Post.WAITING, Post.LEASED, Post.FAILED)
Record = Callable[[str, object], None]


class Campaign:
    """One instance that is killed again and again, and never tidied up in between."""

    def __init__(self, server: Server, seed: int) -> None:
        self.server, self.random = server, random.Random(seed)  # noqa: S311 - no secret
        self.settings = config.load(server.environ)
        self.journal = Journal()
        self.sessions = self._employ()
        self.rounds = 0

    def _employ(self) -> list[str]:
        database = Database(self.settings.database_url)
        with database.writing() as session:
            letter = session.scalars(select(Letter)).one()
            people = [accounts.add(session, f"m{n}@example.org", Role.MODERATOR, letter) for n in range(MODERATORS)]
            keys = [accounts.sign_in(session, person) for person in people]
            session.commit()
        database.close()
        return keys

    def round(self, least: int, most: int) -> None:
        """Start, let everybody work for so many answers, kill, and compare what is there with what was said."""
        waiting, entries = self._work_left()
        if self.server.process is None:
            self.server.start("--processes", "2")
        crowd = Crowd(self.server, self.settings.keys, self.journal)
        stamp, goal = self.server.stamp("library"), self.journal.acknowledged + self.random.randint(least, most)
        for number, key in enumerate(self.sessions):
            mine = entries[number::MODERATORS]
            crowd.start(lambda caller, mine=mine: crowd.moderates(caller, mine), crowd.cookie(key))  # type: ignore[misc]
        for number in range(SIGNERS):
            who = f"r{self.rounds}n{number}"
            crowd.start(lambda caller, who=who: crowd.signs(caller, who, stamp))  # type: ignore[misc]
        for _ in range(CONFIRMERS):
            crowd.start(lambda caller: crowd.confirms(caller, waiting))
        end = time.monotonic() + PATIENCE
        while self.journal.acknowledged < goal and time.monotonic() < end and not crowd.faults:
            time.sleep(0.002)
        crowd.kill()
        self.rounds += 1
        assert self._losses() == []

    def _work_left(self) -> tuple["deque[str]", list[Entry]]:
        """Read before the server starts: no connection of ours may be open when it is killed, or it would be missed
        that the next one to come has to recover the log.
        """
        database = Database(self.settings.database_url)
        with database.reading() as session:
            pending = select(Signature.uid).where(Signature.state == State.PENDING).limit(MOST_A_ROUND)
            uids = deque(session.scalars(pending.order_by(Signature.id.desc())))
            confirmed = select(Signature.id, Signature.version, Signature.uid).where(Signature.state == State.CONFIRMED)
            entries = [Entry(*row) for row in session.execute(confirmed.limit(MOST_A_ROUND))]
        database.close()
        return uids, [entry for entry in entries if entry.uid not in self.journal.decided]

    def _losses(self) -> list[str]:
        database = Database(self.settings.database_url)
        found = losses(database, self.settings.keys, self.journal)
        database.close()
        return found

    def send_the_rest(self) -> None:
        """The leases of the killed workers run out first, so they are ended here instead of waiting five minutes."""
        database = Database(self.settings.database_url)
        with database.writing() as session:
            session.execute(text("UPDATE outbox SET due_at = created_at WHERE state = 'leased'"))
            session.commit()
        worker, end = Worker(database, self.settings), time.monotonic() + PATIENCE
        with closing(worker):
            while worker.run_once() or (_unsent(database) and time.monotonic() < end):
                time.sleep(0.01)
        assert _unsent(database) == 0, "mails are left"
        with database.reading() as session:
            sent = set(session.scalars(select(Outbox.message_id).where(Outbox.state == Post.SENT)))
        database.close()
        names = "\n".join(file.name for file in (self.settings.instance / "mail").glob("*.eml"))
        assert sent and [one for one in sent if one not in names] == []


def _unsent(database: Database) -> int:
    with database.reading() as session:
        return session.scalar(select(func.count(Outbox.id)).where(Outbox.state.in_(UNSENT))) or 0


def test_whatever_was_acknowledged_outlives_ten_kills(tmp_path: Path) -> None:
    with serving(tmp_path, "--processes", "2") as server:
        campaign = Campaign(server, seed=1)
        for _ in range(10):
            campaign.round(60, 120)
        campaign.send_the_rest()
    journal = campaign.journal
    assert (len(journal.signed) > 200, len(journal.confirmed) > 50, journal.decisions > 10) == (True, True, True)


@pytest.mark.nightly
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("seed", [11, 12, 13, 14])
def test_whatever_was_acknowledged_outlives_a_hundred_kills(tmp_path: Path, seed: int, record_property: Record) -> None:
    """Four times twenty-five; the campaign's table adds them up and wants 30,000 acknowledgements."""
    start = time.monotonic()
    with serving(tmp_path, "--processes", "2") as server:
        campaign = Campaign(server, seed)
        for _ in range(25):
            campaign.round(200, 500)
    journal = campaign.journal
    figures = {"rounds of SIGKILL": 25, "signatures": len(journal.signed), "confirmations": len(journal.confirmed)}
    figures |= {
        "decisions": journal.decisions,
        "acknowledged": journal.acknowledged,
        "lost": 0,
        "turned away": journal.turned_away,
    }
    for name, figure in {**figures, "seconds": round(time.monotonic() - start)}.items():
        record_property(name, figure)
    assert journal.acknowledged >= 30_000 / 4
