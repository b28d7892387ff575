"""The life of signatures: whatever people do in whatever order, from however old a page, the model foretells it."""

import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck
from hypothesis import settings as profile
from hypothesis.stateful import run_state_machine_as_test

from letter import accounts, audit, clock, tally
from letter.db import Database
from letter.models import Base, Role
from tests import postgres
from tests.life import DOMAIN, Life


@pytest.fixture
def anywhere(monkeypatch: pytest.MonkeyPatch) -> Iterator[Database]:
    """The chosen database with Ben and Cem; an SQLite file lies in memory, as nothing is to outlive anything here."""
    monkeypatch.setattr(Life, "offset", timedelta(), raising=False)
    monkeypatch.setattr(clock, "now", lambda: datetime.now(UTC) + Life.offset)
    memory = "/dev/shm" if Path("/dev/shm").is_dir() else None  # noqa: S108
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(dir=memory)))
        database = stack.enter_context(closing(Database(stack.enter_context(postgres.made(folder)))))
        with database.writing() as session:
            for email in ("ben@desk.example", "cem@desk.example"):
                accounts.add(session, email, Role.MODERATOR, None)
            session.commit()
        monkeypatch.setattr(Life, "database", database, raising=False)
        yield database


def live(database: Database, runs: int, steps: int) -> None:
    asked = profile(
        max_examples=runs,
        stateful_step_count=steps,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    run_state_machine_as_test(Life, settings=asked)  # type: ignore[no-untyped-call]
    with database.writing() as session:
        assert tally.mend(session) == {}
        assert audit.first_broken(session) is None
        stored = "\n".join(str(row) for table in Base.metadata.sorted_tables for row in session.execute(table.select()))
        session.rollback()
    assert DOMAIN not in stored


@pytest.mark.timeout(1200)  # forty seconds, but on a busy machine
def test_two_hundred_lives_go_as_the_model_says(anywhere: Database) -> None:
    live(anywhere, 200, steps=15)


@pytest.mark.nightly
@pytest.mark.timeout(3600)
def test_five_thousand_lives_go_as_the_model_says(
    anywhere: Database, record_property: Callable[[str, object], None]
) -> None:
    live(anywhere, 5000, steps=25)
    record_property("runs of the state machine", 5000)
