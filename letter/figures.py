"""How mail fares with each big provider: one number a day for what happened, with nobody's name in it."""

from collections import Counter, defaultdict
from datetime import datetime, timedelta

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from letter import clock, tally
from letter.models import Tally

HAPPENED = ("sent", "confirmed", "deferred", "refused", "bounced")
KEPT = timedelta(days=60)
SHOWN = timedelta(days=7)


def add(session: Session, figures: Counter[tuple[str, str]]) -> None:
    """Count what happened today, by provider and what it was: one of `HAPPENED`."""
    for (provider, happened), number in sorted(figures.items()):
        if number:
            tally.add(session, tally.EVERYWHERE, _name(provider, clock.now(), happened), number)


def _name(provider: str, day: datetime, happened: str) -> str:
    return f"mail {provider} {day:%Y-%m-%d} {happened}"


def lines(session: Session) -> list[str]:
    """Return a sentence for each provider that got mail in the last seven days, the busiest first."""
    since = f"{clock.now() - SHOWN:%Y-%m-%d}"
    found: dict[str, Counter[str]] = defaultdict(Counter)
    for name, (number, _) in tally.everything(session, tally.EVERYWHERE).items():
        what, *rest = name.split()
        if what == "mail" and rest[1] > since:
            found[rest[0]][rest[2]] += number
    busiest = sorted(found.items(), key=lambda one: (-one[1]["sent"], one[0]))
    return [
        f"mail to {provider} in 7 days: {', '.join(f'{counts[what]} {what}' for what in HAPPENED if counts[what])}"
        for provider, counts in busiest
    ]


def forget_old(session: Session) -> int:
    """Delete the figures of days long past; return how many."""
    last = f"{clock.now() - KEPT:%Y-%m-%d}"
    names = session.scalars(select(Tally.name).where(Tally.letter_id == tally.EVERYWHERE, Tally.name.like("mail %")))
    old = [name for name in names if name.split()[2] < last]
    session.execute(delete(Tally).where(Tally.letter_id == tally.EVERYWHERE, Tally.name.in_(old)))
    return len(old)
