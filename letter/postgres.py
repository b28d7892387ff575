"""How PostgreSQL is reached: which waits end, and when.

Nobody waits for a dead server: connecting, standing in line for a connection, and each answer have their time. There is
no `statement_timeout`: where a standby must have a commit, a commit that the server cuts off while it waits for that is
reported as one that went through (PostgreSQL 15, 27.2.8.3). So it is the client who stops waiting: it closes the
connection, knows nothing, and says so.
"""

import time
from collections.abc import Callable, Generator
from contextlib import AbstractContextManager
from typing import Any, TypeVar

from sqlalchemy import URL, Engine, create_engine, event
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session
from sqlalchemy.orm.exc import StaleDataError

from letter.config import BadSetting

try:
    import psycopg
    from psycopg import Connection
except ImportError:  # SQLite is enough for most
    psycopg = None  # type: ignore[assignment]
    Connection = object  # type: ignore[assignment,misc]

T = TypeVar("T")
NAMES = ("postgresql", "postgres")
MISSING = (
    "LETTER_DATABASE_URL names PostgreSQL, whose driver is not installed: pip install -r deploy/requirements.lock."
)
BAD_THRESHOLD = "prepare_threshold in LETTER_DATABASE_URL must be a whole number, or none behind pgbouncer."
# A server that is gone without a word is noticed within ten seconds (libpq, 34.1.2).
CONNECTING = {
    "connect_timeout": 2,  # for each host in the address
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 2,
    "tcp_user_timeout": 8_000,  # milliseconds
    "application_name": "letter",
}
LOCKS_LAST = "-c lock_timeout=8s"  # a row or an index entry that somebody else holds; no commit waits for such a lock
POOL = {"pool_size": 8, "max_overflow": 4, "pool_timeout": 2, "pool_pre_ping": True}
READING = {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}  # one page shows one moment
TAKEN_BACK = ("40001", "40P01")  # serialization failure, deadlock: the server says so, nothing was committed
SECONDS_OFF = 1.0  # after a connection failed, others are not tried for so long


class Patient(Connection):
    """A connection on which nobody waits longer than `seconds` for an answer."""

    seconds: float | None = None

    def wait(self, gen: Any, *given: Any, **more: Any) -> Any:
        """Wait for an answer. Raise OperationalError, and close the connection, if it does not come."""
        return super().wait(self._within(gen, self.seconds) if self.seconds else gen, *given, **more)

    def _within(self, gen: Any, seconds: float) -> Generator[Any, Any, Any]:
        """Pass on what psycopg's loop and `gen` say to each other; the loop turns ten times a second at least."""
        deadline = time.monotonic() + seconds
        try:
            asked = next(gen)
            while True:
                ready = yield asked
                if not ready and time.monotonic() > deadline:
                    self.pgconn.finish()
                    raise psycopg.OperationalError("the database does not answer")
                asked = gen.send(ready)
        except StopIteration as end:
            return end.value


class Connector:
    """Opens connections, and does not knock again at once where nobody answered."""

    def __init__(self, patience: float | None) -> None:
        """`patience` is how many seconds an answer may take, None for any time."""
        self._patience = patience
        self._closed_until = float("-inf")

    def __call__(self, _dialect: Any, _record: Any, given: Any, named: Any) -> Any:
        """Return a connection. Raise OperationalError if the server is away, or was a moment ago."""
        if self._patience and time.monotonic() < self._closed_until:
            raise psycopg.OperationalError("the database was away a moment ago")
        try:
            connection = Patient.connect(*given, **named)
        except psycopg.OperationalError:
            self._closed_until = time.monotonic() + SECONDS_OFF
            raise
        connection.seconds = self._patience
        return connection


def engine(url: URL, *, read_only: bool, patience: float | None = None) -> Engine:
    """Return an engine for the database at `url`; what the address itself says of connecting goes first.

    `patience` is how many seconds an answer may take, None for any time. Raise BadSetting where the driver is missing.
    """
    if psycopg is None:
        raise BadSetting(MISSING)
    named: dict[str, Any] = {name: value for name, value in CONNECTING.items() if name not in url.query}
    named["prepare_threshold"] = threshold = _threshold(url)
    if threshold is not None and "options" not in url.query:
        named["options"] = LOCKS_LAST  # behind pgbouncer, which refuses it, set it for the database's role instead
    made = create_engine(
        url.difference_update_query(["prepare_threshold"]),
        connect_args=named,
        hide_parameters=True,
        execution_options=READING if read_only else {},
        **POOL,
    )
    event.listen(made, "do_connect", Connector(patience))
    return made


def insist(writing: Callable[[], AbstractContextManager[Session]], work: Callable[[Session], T]) -> T:
    """Return what `work` returned, once that is committed; where somebody else came first, it begins again."""
    for is_last in (False, False, True):
        try:
            with writing() as session:
                result = work(session)
                session.commit()
                return result
        except (StaleDataError, OperationalError) as error:
            if is_last or not _is_worth_a_second_try(error):
                raise
    raise AssertionError("the last try returns or raises")


def _is_worth_a_second_try(error: Exception) -> bool:
    """Tell whether a transaction was taken back, wholly and surely, because another one came first."""
    cause = getattr(error, "orig", None)
    return isinstance(error, StaleDataError) or getattr(cause, "sqlstate", "") in TAKEN_BACK


def _threshold(url: URL) -> int | None:
    """Return after how many times psycopg prepares a statement; `none` stands for never."""
    said = str(url.query.get("prepare_threshold", "5"))
    if said.lower() == "none":
        return None
    if not (said.isascii() and said.isdigit()):
        raise BadSetting(BAD_THRESHOLD)
    return int(said)
