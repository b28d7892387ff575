"""Facts about the instance itself, noted when it is made: whose keys it has, and which sorting rules."""

from sqlalchemy import select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from letter.models import About

COLLATION = "collation"
KEYS = "keys"
MOVED = "moved"
LOOKED_OVER = "looked-over"


def stored(session: Session, name: str) -> str | None:
    """Return a noted fact, or None."""
    return session.scalar(select(About.value).where(About.name == name))


def note_once(session: Session, name: str, value: str) -> bool:
    """Note a fact unless there is one; return whether what is noted is `value`."""
    found = stored(session, name)
    if found is None:
        session.add(About(name=name, value=value))
        session.flush()
    return found in (None, value)


def note_newer(session: Session, name: str, value: str) -> bool:
    """Note a fact unless one at least as new is noted; of many who do so at once, one is told that it was new."""
    insert = postgresql.insert if session.get_bind().dialect.name == "postgresql" else sqlite.insert
    row = insert(About).values(name=name, value=value)
    newer = row.on_conflict_do_update(
        index_elements=[About.name], set_={"value": row.excluded.value}, where=About.value < row.excluded.value
    )
    return session.execute(newer.returning(About.id)).first() is not None
