"""How often something may happen. Counted in the database, so that all processes share one count.

A name that stands for a person or a network is a keyed hash; networks' keys change every day.
"""

import ipaddress
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from limits import (
    RateLimitItem,
    RateLimitItemPerDay,
    RateLimitItemPerHour,
    RateLimitItemPerMinute,
    RateLimitItemPerMonth,
)
from limits.storage import Storage
from limits.strategies import FixedWindowRateLimiter
from sqlalchemy import case, delete, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from letter import clock
from letter.models import Limit
from letter.sealing import Keys, email_key, keyed

SIGN_INS_PER_PERSON = RateLimitItemPerHour(100, namespace="sign-in-person")
SIGN_INS_PER_PERSON_AND_NETWORK = RateLimitItemPerMinute(10, 15, namespace="sign-in-both")
SIGN_INS_PER_NETWORK = RateLimitItemPerMinute(30, 15, namespace="sign-in-network")
MAILS_PER_ADDRESS = RateLimitItemPerDay(3, namespace="mail-address")
# A month, not for ever: five forged forms must not keep the address's owner from signing at all.
MAILS_PER_ADDRESS_AND_LETTER = RateLimitItemPerMonth(5, namespace="mail-letter")
IPV4_PREFIX, IPV6_PREFIX = 24, 48


class DatabaseStorage(Storage):
    """Counts of the `limits` library in our own table, in the caller's transaction."""

    STORAGE_SCHEME = None

    def __init__(self, session: Session) -> None:
        super().__init__()
        self.session = session

    @property
    def base_exceptions(self) -> type[Exception]:
        """What the store may raise; nothing is swallowed, so that a limit fails closed."""
        return Exception

    def incr(self, key: str, expiry: int, amount: int = 1) -> int:
        """Add `amount` to the count of `key`, whose window lasts `expiry` seconds, and return the new count."""
        return self.incr_all({key: amount}, expiry)[key]

    def incr_all(self, amounts: Mapping[str, int], expiry: int) -> dict[str, int]:
        """Add to each of several counts; return the new ones."""
        now = clock.now()
        ends = now + timedelta(seconds=expiry)
        insert = postgresql.insert if self.session.get_bind().dialect.name == "postgresql" else sqlite.insert
        over = Limit.ends_at <= now
        row = insert(Limit)
        statement = row.on_conflict_do_update(
            index_elements=[Limit.name],
            set_={
                "count": case((over, row.excluded.count), else_=Limit.count + row.excluded.count),
                "ends_at": case((over, ends), else_=Limit.ends_at),
            },
        )
        rows = [{"name": key, "count": amount, "ends_at": ends} for key, amount in amounts.items()]
        if not rows:
            return {}
        found = self.session.connection().execute(statement.returning(Limit.name, Limit.count), rows)
        return {str(name): int(count) for name, count in found}

    def get(self, key: str) -> int:
        """Return the count of `key` in its present window."""
        found = select(Limit.count).where(Limit.name == key, Limit.ends_at > clock.now())
        return int(self.session.scalar(found) or 0)

    def get_expiry(self, key: str) -> float:
        """Return when the window of `key` ends, in seconds since 1970."""
        ends: datetime | None = self.session.scalar(select(Limit.ends_at).where(Limit.name == key))
        return (ends or clock.now()).timestamp()

    def check(self) -> bool:
        """Tell that the store can be used; the session has opened by now."""
        return True

    def reset(self) -> int | None:
        """Forget every count."""
        return int(self.session.execute(delete(Limit)).rowcount)  # type: ignore[attr-defined]

    def clear(self, key: str) -> None:
        """Forget one count."""
        self.session.execute(delete(Limit).where(Limit.name == key))


def is_within(session: Session, limit: RateLimitItem, name: str) -> bool:
    """Count one more `name` and tell whether it is within `limit`. The caller commits: a refusal must count too."""
    return bool(FixedWindowRateLimiter(DatabaseStorage(session)).hit(limit, name))


def are_within(session: Session, limit: RateLimitItem, names: Sequence[str]) -> list[bool]:
    """Count one more of each of `names`, and tell of each whether it is within `limit`: as `is_within` would, in turn.

    One statement for all of them, in one order, so that two workers never wait for each other.
    """
    rest = Counter(limit.key_for(name) for name in names)
    counts = DatabaseStorage(session).incr_all(dict(sorted(rest.items())), limit.get_expiry())
    answers = []
    for key in map(limit.key_for, names):
        rest[key] -= 1
        answers.append(counts[key] - rest[key] <= limit.amount)
    return answers


def network(keys: Keys, address: str) -> str:
    """Return what stands today for the network (/24 or /48) of an IP `address`; the address itself is not kept."""
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return "unknown"
    prefix = IPV4_PREFIX if ip.version == 4 else IPV6_PREFIX
    net = ipaddress.ip_network((ip, prefix), strict=False)
    return keyed(keys, f"network:{clock.now():%Y-%m-%d}", str(net)).hex()


def address(keys: Keys, scope: str, email: str) -> str:
    """Return what stands for a mail address within `scope`."""
    return email_key(keys, f"limit:{scope}", email).hex()


def forget_old(session: Session, most: int = 1000) -> int:
    """Delete up to `most` counts whose windows have ended; return how many."""
    old = select(Limit.id).where(Limit.ends_at <= clock.now()).limit(most)
    gone = delete(Limit).where(Limit.id.in_(old.scalar_subquery()))
    return int(session.execute(gone).rowcount)  # type: ignore[attr-defined]
