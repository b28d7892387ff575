"""Engine and sessions. Reading sessions cannot write; writing sessions take the lock when they begin."""

import contextlib
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError
from sqlalchemy.exc import TimeoutError as NoConnectionLeft
from sqlalchemy.orm import Session
from sqlalchemy.pool import ConnectionPoolEntry

from letter import postgres
from letter.config import BadSetting
from letter.errors import NotReady
from letter.turns import Given, Together, Turn, Work

try:
    import pysqlite3.dbapi2 as sqlite
except ImportError:  # no wheel for this machine: the standard module, if need be with the slower journal
    import sqlite3 as sqlite

T = TypeVar("T")
BUSY_SECONDS = 20
TIDY_SECONDS = 0.05  # how long writers are held up to empty the log
CACHE_KIB = 16 * 1024  # of each connection; SQLite's own 2 MiB read the tops of large indexes again and again
HAS_TURN = "has turn"
MOVED = 1  # SQLite's `user_version` of a file whose instance has moved elsewhere
HAS_MOVED = "This service has moved to another database"
UNKNOWN = (
    "LETTER_DATABASE_URL must be an SQLAlchemy address such as sqlite:////folder/letter.sqlite3, "
    "of a database whose driver is installed."
)
NO_REPLICA = (
    "LETTER_REPLICA_URL must be the address of a PostgreSQL database that follows the one in LETTER_DATABASE_URL."
)
REPLICA_PATIENCE, REPLICA_PAUSE = 3.0, 10.0  # seconds to wait for it; seconds to leave it alone when it is away
AWAY = (DBAPIError, NoConnectionLeft)  # what is raised when a database cannot be reached or used


def is_wal_safe(version: tuple[int, int, int]) -> bool:
    """Tell whether this SQLite keeps what it committed in WAL mode with several connections.

    3.7.0 to 3.51.2 have the WAL-reset bug, mended in 3.51.3 and carried back to 3.50.7 and 3.44.6.
    """
    major, minor, patch = version
    if (major, minor) in ((3, 50), (3, 44)):
        return patch >= {50: 7, 44: 6}[minor]
    return version >= (3, 51, 3)


def driver() -> ModuleType:
    """Return the SQLite module in use."""
    module: ModuleType = sqlite
    return module


def journal_mode() -> str:
    """Return `wal`, or `delete` where this SQLite's WAL could lose a commit."""
    return "wal" if is_wal_safe(sqlite.sqlite_version_info) else "delete"


class Database:
    """The database of one instance."""

    def __init__(self, url: str, *, replica_url: str = "", patience: float | None = None) -> None:
        """Raise BadSetting for an address that SQLAlchemy does not know, or a database whose driver is missing.

        `replica_url` is where public pages are read. `patience` is how many seconds a page may wait for the database;
        None for work that takes its time.
        """
        try:
            self.url = _parsed(url)
            self.is_sqlite = self.url.get_backend_name() == "sqlite"
            self._patience = patience
            self._identity: tuple[int, int] | None = None
            self._turn = Turn(self.file, patience or BUSY_SECONDS) if self.file else None
            self._writer = self._engine(read_only=False)
            self._reader = self._engine(read_only=True)
            self.shared = Together(self.writing)
        except (ArgumentError, ImportError):
            raise BadSetting(UNKNOWN) from None  # the setting can hold a password, so it is not repeated
        self._replica = _replica(replica_url) if replica_url else None
        self._replica_rests_until = float("-inf")

    @property
    def engine(self) -> Engine:
        """The engine that may write; for migrations and checks."""
        return self._writer

    @property
    def file(self) -> Path | None:
        """The SQLite file, if it is one."""
        return Path(self.url.database) if self.is_sqlite and self.url.database else None

    def _engine(self, read_only: bool) -> Engine:
        if not self.is_sqlite:
            return postgres.engine(self.url, read_only=read_only, patience=self._patience)
        waits = {"timeout": self._patience or BUSY_SECONDS}
        engine = create_engine(self.url, module=sqlite, connect_args=waits, hide_parameters=True)
        if read_only:
            event.listen(engine, "connect", _prepare_reader)
            event.listen(engine, "begin", _begin)
            return engine
        event.listen(engine, "connect", _prepare)
        event.listen(engine, "begin", self._begin_immediate)
        event.listen(engine, "checkin", self._give_turn)
        return engine

    def _begin_immediate(self, connection: Connection) -> None:
        if self._turn and not connection.info.get(HAS_TURN):
            self._turn.take()
            connection.info[HAS_TURN] = True
        connection.exec_driver_sql("BEGIN IMMEDIATE")
        if connection.exec_driver_sql("PRAGMA user_version").scalar() == MOVED:
            raise NotReady(HAS_MOVED)

    def _give_turn(self, connection: Any, record: ConnectionPoolEntry) -> None:
        try:
            if connection is not None and connection.in_transaction:
                connection.rollback()  # a commit that failed leaves it open, and SQLAlchemy thinks it ended
        except sqlite.Error:
            record.invalidate()
        finally:
            if self._turn and record.info.pop(HAS_TURN, False):
                self._turn.give()

    @contextmanager
    def reading(self, *, public: bool = False) -> Iterator[Session]:
        """Give a session that can only read, so that no GET leaves a trace. Raise NotReady without a database.

        What is `public` is read from the replica, if there is one and it answers: it may be a few seconds behind.
        """
        self._demand_file()
        with (self._on_replica() if public else None) or self._on(self._reader) as session:
            yield session

    def _on(self, engine: Engine) -> Session:
        return Session(engine, autoflush=False, expire_on_commit=False)

    def _on_replica(self) -> Session | None:
        """Return a session that is connected to the replica, or None: then the primary answers."""
        if self._replica is None or time.monotonic() < self._replica_rests_until:
            return None
        session = self._on(self._replica)
        try:
            session.connection()
        except AWAY:
            self._replica_rests_until = time.monotonic() + REPLICA_PAUSE
            session.close()
            return None
        return session

    @contextmanager
    def writing(self) -> Iterator[Session]:
        """Give a session that may write. The edge commits; what was not committed is rolled back.

        Raise NotReady without a database.
        """
        self._demand_file()
        with Session(self._writer, expire_on_commit=False) as session:
            yield session

    def together(self, work: Callable[[Session], T]) -> T:
        """Return what `work` returned, once that is durable; what it raises takes back its own writes and no others.

        On SQLite, those who wait in this process share a transaction; `work` may run in another thread, so it is
        given everything beforehand, and returns values, not rows. It may run again, from the start, where somebody
        else was refused or faster. Raise NotReady without a database.
        """
        return self.gather(lambda session, _: [work(session)], None)

    def gather(self, work: Work[Given, T], given: Given) -> T:
        """Do as `together` does, by a work that is done at once for all who wait with the same one.

        `work` is called with a list of what each has given, and returns a list of what each is told.
        """
        if self.is_sqlite:
            return self.shared.run(work, given)
        return postgres.insist(self.writing, lambda session: work(session, [given])[0])

    def _demand_file(self) -> None:
        """A file that was taken away can still be written to, and everything would be gone at the end."""
        if not self.file:
            return
        try:
            found = self.file.stat()
        except OSError:
            raise NotReady from None
        before, self._identity = self._identity, (found.st_dev, found.st_ino)
        if before not in (None, self._identity):  # another was put in its place
            self._writer.dispose()
            self._reader.dispose()

    def is_there(self) -> bool:
        """Tell whether the database can be reached and holds tables."""
        if self.file and not self.file.exists():
            return False
        try:
            with self._reader.connect():
                return True
        except AWAY:
            return False

    def tidy(self) -> None:
        """Bring the write-ahead log into the database and empty it: what was deleted must not live on in a log.

        While somebody reads for long this is not possible, and left for later: waiting for it would stop all writers.
        """
        if not self._turn:
            return
        self._turn.take()
        try:
            with contextlib.closing(sqlite.connect(str(self.file), timeout=TIDY_SECONDS)) as connection:
                connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        finally:
            self._turn.give()

    def close(self) -> None:
        """Close all connections."""
        for engine in (self._writer, self._reader, self._replica):
            if engine is not None:
                engine.dispose()
        if self._turn:
            self._turn.close()


def _parsed(url: str) -> URL:
    """Return an address as SQLAlchemy knows it; `postgres://`, as many hosts write it, is PostgreSQL by psycopg."""
    found = make_url(url)
    backend = found.get_backend_name()
    if backend not in ("sqlite", *postgres.NAMES):
        raise ArgumentError(backend)
    return found if backend == "sqlite" else found.set(drivername="postgresql+psycopg")


def _replica(url: str) -> Engine:
    try:
        found = _parsed(url)
    except ArgumentError:
        raise BadSetting(NO_REPLICA) from None
    if found.get_backend_name() == "sqlite":
        raise BadSetting(NO_REPLICA)
    return postgres.engine(found, read_only=True, patience=REPLICA_PATIENCE)


def _prepare(connection: Any, _record: Any) -> None:
    connection.isolation_level = None  # SQLAlchemy's `begin` event below begins, not the driver
    cursor = connection.cursor()
    cursor.execute(f"PRAGMA journal_mode={journal_mode()}")
    cursor.execute("PRAGMA synchronous=FULL")
    cursor.execute("PRAGMA foreign_keys=ON")
    cursor.execute("PRAGMA secure_delete=ON")
    cursor.execute(f"PRAGMA cache_size=-{CACHE_KIB}")
    cursor.close()


def _prepare_reader(connection: Any, record: Any) -> None:
    _prepare(connection, record)
    connection.execute("PRAGMA query_only=ON")


def _begin(connection: Any) -> None:
    connection.exec_driver_sql("BEGIN")
