"""What stands in a database after an accident, compared with what was acknowledged before it."""

from collections import Counter
from typing import Any

from sqlalchemy import Select, func, select, text
from sqlalchemy.orm import Session

from letter import audit, tally
from letter.db import Database
from letter.models import Audit, Letter, Outbox, Signature, Source, State
from letter.sealing import Keys, email_key
from tests.crowd import Journal


def losses(database: Database, keys: Keys, journal: Journal) -> list[str]:
    """Every promise that was broken, as sentences; nothing if all were kept."""
    with database.writing() as session:
        found = [*_unsound(session), *_lost_signatures(session, keys, journal)]
        found += [*_lost_confirmations(session, journal), *_lost_decisions(session, journal)]
        session.rollback()
    return found


def pairs(session: Session, found: Select[Any]) -> dict[Any, Any]:
    return {row[0]: row[1] for row in session.execute(found)}


def _unsound(session: Session) -> list[str]:
    found = []
    if session.get_bind().dialect.name == "sqlite" and (said := session.scalar(text("PRAGMA integrity_check"))) != "ok":
        found.append(f"the database is damaged: {said}")
    if wrong := tally.mend(session):
        found.append(f"numbers are off: {wrong}")
    if broken := audit.first_broken(session):
        found.append(f"the chain of records breaks at {broken}")
    return found


def _lost_signatures(session: Session, keys: Keys, journal: Journal) -> list[str]:
    uid = session.scalars(select(Letter.uid).where(Letter.slug == "library")).one()
    signed = pairs(session, select(Signature.email_key, Signature.id).where(Signature.source == Source.WEB))
    wanted = {email_key(keys, uid, email) for email in journal.signed}
    mails = Counter(session.scalars(select(Outbox.signature_id).where(Outbox.priority == 0)))
    found = [f"{len(wanted - signed.keys())} of {len(wanted)} acknowledged signatures are lost"]
    without = sum(mails[number] != 1 for number in signed.values())
    found.append(f"{without} signatures have no mail, or two")
    return [sentence for sentence in found if not sentence.startswith("0 ")]


def _lost_confirmations(session: Session, journal: Journal) -> list[str]:
    unconfirmed = (State.PENDING, State.EXPIRED)
    confirmed = select(Signature.uid, Signature.id).where(Signature.state.not_in(unconfirmed))
    there = pairs(session, confirmed)
    mails = Counter(session.scalars(select(Outbox.signature_id).where(Outbox.kind == "confirmed")))
    lost = journal.confirmed - there.keys()
    found = [f"{len(lost)} of {len(journal.confirmed)} acknowledged confirmations are lost"]
    without = sum(mails[there[uid]] != 1 for uid in journal.confirmed & there.keys())
    found.append(f"{without} acknowledged confirmations have no mail, or two")
    return [sentence for sentence in found if not sentence.startswith("0 ")]


def _lost_decisions(session: Session, journal: Journal) -> list[str]:
    states = pairs(session, select(Signature.uid, Signature.state))
    lost = sum(states.get(uid) not in allowed for uid, allowed in journal.decided.items())
    rows = select(Audit.subject, func.count()).where(Audit.action.startswith("signature.")).group_by(Audit.subject)
    noted = pairs(session, rows)
    found = [f"{lost} of {len(journal.decided)} acknowledged decisions are lost"]
    found.append(f"{sum(uid not in noted for uid in journal.decided)} acknowledged decisions left no record")
    return [sentence for sentence in found if not sentence.startswith("0 ")]
