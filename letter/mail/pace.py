"""How fast mails go to one receiving domain, so that no provider takes us for a flood, and none holds up the others."""

from datetime import datetime, timedelta

SLOWEST = 0.1  # mails a second
UNLIMITED = 1000.0  # what an unlimited rate is slowed down from
FIRST_REST, LONGEST_REST = timedelta(seconds=30), timedelta(minutes=30)
MOST_DOMAINS = 10_000
RECOVERY = timedelta(minutes=2)  # without a complaint, after which the rate doubles again


class Bucket:
    """One domain's tokens: as many as mails may go now, and how many are promised a later moment."""

    def __init__(self, rate: float) -> None:
        """`rate` is in mails a second; 0 is no limit."""
        self._full_rate = self._rate = rate
        self._tokens = max(rate, 1.0)
        self._seen: datetime | None = None
        self._promised: datetime | None = None
        self._closed_until: datetime | None = None
        self._rest = FIRST_REST
        self._changed: datetime | None = None

    def take(self, now: datetime, was_promised: bool) -> datetime | None:
        """Return None if a mail may go now, else when it may. Who was promised a moment goes before who was not."""
        self._refill(now)
        if not self._rate:
            return None
        is_closed = self._closed_until is not None and now < self._closed_until
        is_others_turn = not was_promised and self._promised is not None and self._promised > now
        if self._tokens >= 1 and not is_closed and not is_others_turn:
            self._tokens -= 1
            return None
        earliest = max(now, self._promised or now, self._closed_until or now)
        self._promised = earliest + timedelta(seconds=1 / self._rate)
        return self._promised

    def slow_down(self, now: datetime) -> None:
        """The domain complained: rest, then go on at half the rate."""
        if self._closed_until and now < self._closed_until:
            return
        self._rate = max(SLOWEST, (self._rate or UNLIMITED) / 2)
        self._closed_until, self._changed = now + self._rest, now + self._rest
        self._rest = min(2 * self._rest, LONGEST_REST)
        self._tokens = 1.0

    def is_in_use(self, now: datetime) -> bool:
        """Tell whether anything of this bucket must not be forgotten."""
        return self._rate != self._full_rate or (self._promised or now) > now

    def _refill(self, now: datetime) -> None:
        passed = (now - self._seen).total_seconds() if self._seen else 0.0
        self._seen = now
        if self._changed and now >= self._changed + RECOVERY:
            self._recover(now)
        if passed < 0:  # the clock was put back
            self._promised = self._closed_until = None
        self._tokens = min(max(self._rate, 1.0), self._tokens + max(passed, 0.0) * self._rate)

    def _recover(self, now: datetime) -> None:
        self._rate, self._changed = 2 * self._rate, now
        if self._rate >= (self._full_rate or UNLIMITED):
            self._rate, self._changed, self._rest = self._full_rate, None, FIRST_REST


class Pace:
    """The buckets of all domains, of one worker."""

    def __init__(self, rate: float) -> None:
        """`rate` is in mails a second to each domain; 0 is no limit."""
        self._rate = rate
        self._buckets: dict[str, Bucket] = {}

    def take(self, domain: str, now: datetime, *, was_promised: bool) -> datetime | None:
        """Return None if a mail to `domain` may go now, else when it may."""
        if len(self._buckets) > MOST_DOMAINS:
            self._buckets = {name: one for name, one in self._buckets.items() if one.is_in_use(now)}
        return self._bucket(domain).take(now, was_promised)

    def slow_down(self, domain: str, now: datetime) -> None:
        """Note that `domain` complained about our rate."""
        self._bucket(domain).slow_down(now)

    def _bucket(self, domain: str) -> Bucket:
        return self._buckets.setdefault(domain, Bucket(self._rate))
