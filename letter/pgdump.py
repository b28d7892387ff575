"""PostgreSQL's own programs for copies of a database: `pg_dump` and `pg_restore`."""

import os
import secrets
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import URL, Engine, text
from sqlalchemy.exc import ProgrammingError

from letter.errors import Refusal

MAGIC = b"PGDMP"
MAY_NOT_CREATE = (
    "A backup is checked in a database of its own before it replaces anything, and this role may not create one. "
    "Let it, as PostgreSQL's superuser: ALTER ROLE … CREATEDB."
)
IS_IN_USE = "The service is connected to the database. Stop web and worker everywhere, restore, and start them again."
LIKE_THIS = text("""
    SELECT format('CREATE DATABASE %I TEMPLATE template0 ENCODING %L LC_COLLATE %L LC_CTYPE %L',
        CAST(:name AS text), pg_encoding_to_char(encoding), datcollate, datctype)
    FROM pg_database WHERE datname = current_database()
""")
OTHERS = text("""
    SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()
    AND application_name = current_setting('application_name')
""")
LOOKS, SECONDS_BETWEEN = 5, 0.4  # what has just disconnected is still seen for a moment


def dump(url: URL, file: Path) -> None:
    """Write the database at `url` into `file`, in pg_dump's own compressed form. Raise Refusal with its reason."""
    _run("pg_dump", "--format=custom", "--no-owner", f"--file={file}", url=url)


def load(url: URL, file: Path) -> None:
    """Replace the database at `url` by the dump in `file`, wholly or not at all. Raise Refusal with the reason."""
    _run("pg_restore", "--clean", "--if-exists", "--no-owner", "--single-transaction", str(file), url=url)


@contextmanager
def aside(engine: Engine, url: URL) -> Iterator[URL]:
    """Give the address of an empty database beside the one at `url`, to which `engine` leads; dropped in the end.

    Raise Refusal where the role may not create a database.
    """
    name = f"letter_restore_{secrets.token_hex(4)}"
    alone = engine.execution_options(isolation_level="AUTOCOMMIT")
    with alone.connect() as connection:
        statement = connection.scalar(LIKE_THIS, {"name": name})
        try:
            connection.exec_driver_sql(str(statement))
        except ProgrammingError:
            raise Refusal(MAY_NOT_CREATE) from None
    try:
        yield url.set(database=name)
    finally:
        with alone.connect() as connection:
            connection.exec_driver_sql(f"DROP DATABASE IF EXISTS {name}")


def demand_alone(engine: Engine) -> None:
    """Raise Refusal while a process of Letter has a connection to the database, other than the one of `engine`."""
    for is_last in (*[False] * (LOOKS - 1), True):
        with engine.connect() as connection:
            if not connection.scalar(OTHERS):
                return
        if not is_last:
            time.sleep(SECONDS_BETWEEN)
    raise Refusal(IS_IN_USE)


def _run(program: str, *arguments: str, url: URL | None = None) -> None:
    path = shutil.which(program)
    if path is None:
        raise Refusal(f"{program} is missing. Install PostgreSQL's client programs (postgresql-client).")
    environ = dict(os.environ)
    command = [path, *arguments]
    if url is not None:
        named = _named(url)
        if password := named.pop("password", None):
            environ["PGPASSWORD"] = password  # the command line can be read by everybody on the machine
        command.insert(1, f"--dbname={_conninfo(named)}")
    done = subprocess.run(command, env=environ, capture_output=True, text=True, check=False)  # noqa: S603
    if done.returncode:
        reason = (done.stderr.strip().splitlines() or ["no reason given"])[0]
        raise Refusal(f"{program} failed: {reason.rstrip('.')}.")


def _named(url: URL) -> dict[str, str]:
    """Return what libpq is told of connecting; several hosts have become one list. The rest is for psycopg alone."""
    plain = url.difference_update_query(["prepare_threshold"])
    _, named = plain.get_dialect()().create_connect_args(plain)
    return {name: str(value) for name, value in named.items()}


def _conninfo(named: dict[str, str]) -> str:
    """Write a connection string (libpq, 34.1.1.1)."""
    escaped = ((name, value.replace("\\", "\\\\").replace("'", "\\'")) for name, value in named.items())
    return " ".join(f"{name}='{value}'" for name, value in escaped)
