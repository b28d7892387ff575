"""Facts about the instance itself, noted when it is made: whose keys it has, and which sorting rules."""

from sqlalchemy import select
from sqlalchemy.orm import Session

from letter.models import About

COLLATION = "collation"
KEYS = "keys"


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
