"""Whose a mail is: claimed with a lease, confirmations first, and by the index."""

from datetime import timedelta
from typing import Any

import pytest
import time_machine
from sqlalchemy import event, text
from sqlalchemy.orm import Session

from letter import outbox, settling, tally
from letter.db import Database
from letter.models import Letter, Outbox
from letter.outbox import Claim, Mail
from letter.sealing import seal
from tests.conftest import KEYS
from tests.mailing import NOON, sign

pytestmark = pytest.mark.usefixtures("noon")


def rows_of(claim: Claim, session: Session) -> list[Outbox]:
    """The mails of a claim, in its order."""
    return [session.get_one(Outbox, number) for number in claim.ids]


def test_mails_are_claimed_oldest_first_and_not_twice(session: Session, letter: Letter) -> None:
    mails = [sign(session, letter, f"supporter{n}@example.org") for n in range(5)]
    mails[3].due_at -= timedelta(minutes=1)
    session.flush()
    assert set(outbox.claim(session, 2).ids) == {mails[3].id, mails[0].id}
    assert len(outbox.claim(session, 50).ids) == 3
    assert outbox.claim(session, 50).ids == []


def test_a_mail_that_is_not_due_is_left_alone(session: Session, letter: Letter) -> None:
    sign(session, letter).due_at += timedelta(seconds=1)
    session.flush()
    assert outbox.claim(session, 50).ids == []


def test_a_lease_that_ran_out_is_given_to_another(
    session: Session, letter: Letter, noon: time_machine.Traveller
) -> None:
    row = sign(session, letter)
    first = outbox.claim(session, 50)
    noon.shift(outbox.LEASE)
    second = outbox.claim(session, 50)
    assert first.ids == second.ids == [row.id] and first.lease != second.lease
    assert settling.load(session, first) == []
    assert [due.id for due in settling.load(session, second)] == [row.id]


def test_a_mail_that_is_done_is_claimed_by_nobody(session: Session, letter: Letter) -> None:
    row = sign(session, letter)
    claim = outbox.claim(session, 50)
    outbox.sent(session, claim.lease, [row.id])
    assert settling.load(session, claim) == []
    assert outbox.claim(session, 50).ids == []


def test_confirmations_go_before_all_others_however_old(session: Session, letter: Letter) -> None:
    thanks = [outbox.queue(session, KEYS, Mail.CONFIRMED, None, "eli@example.org") for _ in range(3)]  # type: ignore[arg-type]
    for row in thanks:
        row.due_at -= timedelta(hours=1)
    asked = [sign(session, letter, f"supporter{n}@example.org") for n in range(3)]
    session.flush()
    claims = [rows_of(outbox.claim(session, 4), session) for _ in range(2)]
    assert claims == [[*asked, thanks[0]], thanks[1:]]


def test_what_a_dead_worker_held_goes_to_its_place_in_the_line(
    session: Session, letter: Letter, noon: time_machine.Traveller
) -> None:
    thanks = outbox.queue(session, KEYS, Mail.CONFIRMED, None, "eli@example.org")  # type: ignore[arg-type]
    session.flush()
    assert rows_of(outbox.claim(session, 1), session) == [thanks]
    noon.shift(outbox.LEASE)
    asked = sign(session, letter)
    assert [rows_of(outbox.claim(session, 1), session) for _ in range(2)] == [[asked], [thanks]]


def test_more_confirmations_than_were_asked_for_are_no_error(
    session: Session, letter: Letter, monkeypatch: pytest.MonkeyPatch
) -> None:
    mails = [sign(session, letter, f"supporter{n}@example.org") for n in range(3)]
    leased = outbox._leased
    monkeypatch.setattr(outbox, "_leased", lambda claim, priority, now, most: leased(claim, priority, now, most + 1))
    assert outbox.claim(session, 2).ids == [mail.id for mail in mails]


def test_rows_are_picked_once_on_postgresql(session: Session, letter: Letter) -> None:
    sign(session, letter)
    asked: list[str] = []
    event.listen(session.connection(), "before_cursor_execute", lambda *all_of_it: asked.append(all_of_it[2]))
    outbox.claim(session, 50)
    tally.fold(session)
    picked = [one for one in asked if "LIMIT" in one]
    is_postgres = session.get_bind().dialect.name == "postgresql"
    assert [("AS MATERIALIZED" in one, "SKIP LOCKED" in one) for one in picked] == [(is_postgres, is_postgres)] * 4


def plans(session: Session, database: Database) -> list[str]:
    """How the database carries out each statement of a claim."""
    asked: list[tuple[str, Any]] = []

    def note(_: Any, _cursor: Any, statement: str, parameters: Any, *_more: Any) -> None:
        asked.append((statement, parameters))

    event.listen(database.engine, "before_cursor_execute", note)
    outbox.claim(session, 50)
    event.remove(database.engine, "before_cursor_execute", note)
    explain = "EXPLAIN QUERY PLAN " if database.is_sqlite else "EXPLAIN "
    if not database.is_sqlite:  # a table of a few rows is read whole
        session.execute(text("SET LOCAL enable_seqscan = off"))
    rows = [session.connection().exec_driver_sql(explain + one, parameters).all() for one, parameters in asked]
    return ["\n".join(str(row[-1]) for row in plan) for plan in rows]


def test_a_claim_reads_its_index_in_order_and_sorts_nothing(
    session: Session, letter: Letter, database: Database
) -> None:
    for number in range(20):
        sign(session, letter, f"supporter{number}@example.org")
    freed, *claimed = plans(session, database)
    assert "ix_outbox_leased" in freed
    assert len(claimed) == 2
    assert all("ix_outbox_waiting" in plan for plan in claimed)
    assert not any(word in plan for plan in (freed, *claimed) for word in ("TEMP B-TREE", "Sort", "SCAN outbox"))


def test_a_row_that_is_inserted_by_its_values_is_the_same_as_one_that_is_queued(
    session: Session, letter: Letter
) -> None:
    queued = sign(session, letter)
    values = outbox.values_for(Mail.CONFIRM, seal(KEYS, "dana@example.org"), NOON)
    same = {name: getattr(queued, name) for name in values.keys() - {"message_id", "to_sealed"}}
    assert {name: values[name] for name in same} == same
    assert set(values) | {"id", "signature_id", "lease", "sent_at"} == set(Outbox.__table__.columns.keys())
