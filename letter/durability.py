"""Whether the database keeps what it says it has kept, also when the power goes."""

from sqlalchemy import text
from sqlalchemy.orm import Session

# PostgreSQL 15, chapter 30.3 and 20.5: with these off, a commit is acknowledged that a crash can undo or tear.
DEMANDED = ("fsync", "synchronous_commit", "full_page_writes")
OFF = "off"
FULL = 2  # SQLite's PRAGMA synchronous


def faults(session: Session) -> list[str]:
    """Return a sentence for each setting of the database under which an acknowledged signature could be lost."""
    if session.get_bind().dialect.name == "postgresql":
        values = {name: session.scalar(text(f"SHOW {name}")) for name in DEMANDED}
        return [f"{name} is off in PostgreSQL: a crash could lose signatures" for name in values if values[name] == OFF]
    found = session.scalar(text("PRAGMA synchronous"))
    return [] if found == FULL else [f"SQLite syncs at level {found}: a crash could lose signatures"]
