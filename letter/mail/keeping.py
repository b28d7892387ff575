"""What the worker does beside sending: adding numbers up, ending what is too old, looking over the numbers at night."""

import logging
from collections.abc import Callable
from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from letter import about, clock, confirmation, figures, limits, outbox, tally
from letter.db import Database

ROUND = timedelta(seconds=60)
NIGHT = 3  # o'clock, UTC: a day's numbers are looked over after that

log = logging.getLogger(__name__)


class Keeper:
    """Keeps house, beside any number of others."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._cleaned_at: datetime | None = None

    def fold(self) -> None:
        """Add up what was counted since the last time."""
        while self._commit(tally.fold) == tally.AT_ONCE:
            pass

    def keep_house(self) -> None:
        """Once a minute, end and forget what is too old; once a night, look the numbers over."""
        if self._cleaned_at and self._cleaned_at <= clock.now() < self._cleaned_at + ROUND:
            return
        for task in (confirmation.expire, limits.forget_old, outbox.pull_in):
            while self._commit(task):
                pass
        self._database.tidy()
        self._look_over()
        self._cleaned_at = clock.now()

    def _commit(self, task: Callable[[Session], int]) -> int:
        with self._database.writing() as session:
            done = task(session)
            session.commit()
        return done

    def _look_over(self) -> None:
        """Compare the numbers with the truth, if no worker has done so tonight, and say what was off."""
        night = f"{clock.now() - timedelta(hours=NIGHT):%Y-%m-%d}"
        if not self._commit(lambda session: about.note_newer(session, about.LOOKED_OVER, night)):
            return
        self._commit(figures.forget_old)
        wrong = self._errors()
        for (letter_id, name), number in wrong.items():
            log.error("letter %s: %s was off by %s", letter_id, name, number)
        self._commit(lambda session: tally.correct(session, wrong))

    def _errors(self) -> dict[tuple[int, str], int]:
        """Count while the truth holds still and nobody waits; what is off stays off by as much until it is added."""
        if self._database.is_sqlite:
            with self._database.reading() as session:
                return tally.errors(session)
        with self._database.writing() as session:
            session.connection(execution_options={"isolation_level": "REPEATABLE READ"})
            return tally.errors(session)
