"""Copies of the database: taken while the service runs, checked before they count, and put back with care.

The keys are never in a copy: who finds one learns no address, and who lost the keys cannot use one.
"""

import os
import secrets
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import delete, text, update
from sqlalchemy.exc import DatabaseError

from letter import about, audit, clock, db, pgdump, revision, upgrade
from letter.config import Settings
from letter.db import Database
from letter.errors import NotReady, Refusal
from letter.models import Person, StaffSession
from letter.sealing import Keys, fingerprint

PAGES_A_STEP = 2000
SECONDS_TO_WAIT = 2.0
MAGIC = (b"SQLite format 3\0", pgdump.MAGIC)
LOGS = ("-wal", "-shm", "-journal")
SIDES = (*LOGS, "-next", "-turn")
IS_RUNNING = "The service is running. Stop it, restore, and start it again."

Progress = Callable[[int, int], None]  # what is done, and of how much


class Unusable(Refusal):
    """A backup that cannot be written, or a file that cannot be restored."""


@dataclass(frozen=True)
class Contents:
    """What a backup holds; `is_old` if the database must be upgraded after it is restored."""

    letters: int
    signatures: int
    is_old: bool


def write(database: Database, file: Path, progress: Progress) -> int:
    """Copy the database as it is now into `file`, while others write, and return the number of bytes.

    The copy has its name only once it is complete, checked and synced. Raise Unusable if that cannot be done.
    """
    demand_replaceable(database, file)
    with _new(file) as copy:
        if database.is_sqlite:
            _copy(Path(database.file or ""), copy, progress)
            _demand_sound(copy)
        else:
            pgdump.dump(database.url, copy)
        _put(copy, file)
    return file.stat().st_size


def demand_replaceable(database: Database, file: Path) -> None:
    """Raise Unusable for a name at which something else than an earlier backup stands."""
    if not file.exists():
        return
    with _telling(file), file.open("rb") as there:
        is_backup = there.read(16).startswith(MAGIC)
    if not is_backup or (database.file and file.samefile(database.file)):
        raise Unusable(f"{file} is no backup, so it is left alone. Choose another name.")


def _copy(source: Path, copy: Path, progress: Progress) -> None:
    """SQLite's online backup, in steps out of one reading transaction: writers go on, and none makes it start anew."""
    with _open(source) as old, _open(copy) as new:
        old.execute("BEGIN")
        old.execute("SELECT count(*) FROM sqlite_schema").fetchone()  # the moment of which this is the copy
        old.backup(new, pages=PAGES_A_STEP, sleep=0, progress=lambda _, left, total: progress(total - left, total))
        old.execute("ROLLBACK")
        new.execute("PRAGMA journal_mode=DELETE")  # one file, with no log beside it


def examine(database: Database, keys: Keys) -> Contents:
    """Return what `database` holds. Raise Unusable if it is damaged, of other keys or of a newer program."""
    found = revision.current(database)
    if found is None:
        raise Unusable("There is no database of Letter in it.")
    if not upgrade.is_known(found):
        raise Unusable("It is of a newer version than the program. Install the newer program.")
    with database.reading() as session:
        if about.stored(session, about.KEYS) != fingerprint(keys):
            raise Unusable(revision.OTHER_KEYS)
        broken = audit.first_broken(session)
        if broken is not None:
            raise Unusable(f"The chain of records breaks at row {broken}. Use another backup.")
        letters, signed = (session.scalar(text(f"SELECT count(*) FROM {name}")) for name in ("letter", "signature"))  # noqa: S608
    return Contents(int(letters or 0), int(signed or 0), found != revision.newest())


def holds_data(database: Database) -> bool:
    """Tell whether there is a letter in the database that would be replaced; one that cannot be read may hold some."""
    try:
        if database.is_there() and revision.current(database) is None:
            return False
        with database.reading() as session:
            return session.scalar(text("SELECT 1 FROM letter LIMIT 1")) is not None
    except NotReady:
        return False
    except DatabaseError:
        return True


def restore(settings: Settings, file: Path, *, is_rehearsal: bool = False) -> tuple[Contents, Path | None]:
    """Put the backup in place of the database; return what it holds, and where the old database is kept now.

    The copy is checked before it takes the place, in one step: a file beside the old one, or a database of PostgreSQL's
    beside the old one, which is not kept. A rehearsal only checks. Raise Refusal if it is no good or the service runs.
    """
    with closing(Database(settings.database_url)) as database:
        if not database.is_sqlite:
            return _restore_dump(database, settings.keys, file, is_rehearsal), None
        return _restore_file(database, settings.keys, file, is_rehearsal)


def _restore_file(database: Database, keys: Keys, file: Path, is_rehearsal: bool) -> tuple[Contents, Path | None]:
    here = Path(database.file or "")
    with _telling(file), file.open("rb") as opened:
        if opened.read(16) != MAGIC[0]:
            raise Unusable(f"{file} is no backup of Letter.")
    with _new(here) as copy:
        with _open(file, read_only=True) as old, _open(copy) as new:
            old.backup(new)
        _demand_sound(copy)
        contents = _ready(Database(f"sqlite:///{copy}"), keys)
        if is_rehearsal:
            return contents, None
        kept = _set_aside(here)
        _put(copy, here)
    return contents, kept


def _ready(copy: Database, keys: Keys) -> Contents:
    with closing(copy):
        contents = examine(copy, keys)
        sign_everybody_out(copy)
    return contents


def _restore_dump(database: Database, keys: Keys, file: Path, is_rehearsal: bool) -> Contents:
    with _telling(file), file.open("rb") as opened:
        if not opened.read(16).startswith(pgdump.MAGIC):
            raise Unusable(f"{file} is no backup of a PostgreSQL database.")
    with pgdump.aside(database.engine, database.url) as url:  # where it can replace nothing
        pgdump.load(url, file)
        contents = _ready(Database(url.render_as_string(hide_password=False)), keys)
    if not is_rehearsal:
        pgdump.demand_alone(database.engine)
        pgdump.load(database.url, file)
        sign_everybody_out(database)
    return contents


def sign_everybody_out(database: Database) -> None:
    """End every staff session and open invitation: who was shut out after the backup must not come back in with it."""
    with database.writing() as session:
        session.execute(delete(StaffSession))
        session.execute(update(Person).values(invite_hash=None, invite_until=None))
        audit.note(session, "restore", "instance")
        session.commit()


def _set_aside(here: Path) -> Path | None:
    """Move the old database out of the way, with its logs. Raise Unusable while somebody uses it."""
    if not here.exists():
        return None
    _demand_idle(here)
    kept = here.with_name(f"{here.name}.before-restore-{clock.now():%Y%m%dT%H%M%SZ}")
    for side in ("", *LOGS):  # a log that stayed would be taken for the new database's
        with suppress(FileNotFoundError):
            Path(f"{here}{side}").rename(f"{kept}{side}")
    return kept


def _demand_idle(here: Path) -> None:
    with _open(here) as old:
        try:
            old.execute("PRAGMA journal_mode=DELETE")  # refused while anybody else has it open
            old.execute("BEGIN EXCLUSIVE")
        except db.driver().OperationalError:
            raise Unusable(IS_RUNNING) from None
        except db.driver().DatabaseError:
            return  # it is damaged, which may be why it is to be replaced


def _demand_sound(file: Path) -> None:
    with _open(file) as opened:
        if (found := opened.execute("PRAGMA integrity_check(1)").fetchone()[0]) != "ok":
            raise Unusable(f"The copy is damaged: {found}.")


@contextmanager
def _open(file: Path, read_only: bool = False) -> Iterator[Any]:
    """Give a plain connection to an SQLite file. Raise Unusable with what SQLite says."""
    address = f"{file.resolve().as_uri()}{'?mode=ro' if read_only else ''}"
    with _telling(file):
        opened = db.driver().connect(address, uri=True, timeout=SECONDS_TO_WAIT, isolation_level=None)
        try:
            yield opened
        finally:
            opened.close()


@contextmanager
def _telling(file: Path) -> Iterator[None]:
    try:
        yield
    except db.driver().Error as error:
        raise Unusable(f"{file} cannot be used: {error}.") from None
    except OSError as error:
        raise Unusable(f"{file} cannot be used: {error.strerror}.") from None


@contextmanager
def _new(file: Path) -> Iterator[Path]:
    """Give a name beside `file` for what is to become it, readable by us alone; what is left there is removed."""
    copy = file.with_name(f".{file.name}.{secrets.token_hex(4)}")
    with _telling(file):
        os.close(os.open(copy, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    try:
        yield copy
    finally:
        for side in ("", *SIDES):
            with suppress(OSError):
                Path(f"{copy}{side}").unlink()


def _put(copy: Path, file: Path) -> None:
    """Let the copy become `file` in one step that outlives a loss of power."""
    with _telling(file):
        _sync(copy)
        copy.replace(file)
        _sync(file.parent)


def _sync(path: Path) -> None:
    opened = os.open(path, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)
