"""PostgreSQL's own programs for copies of a database: `pg_dump` and `pg_restore`."""

import os
import shutil
import subprocess
from pathlib import Path

from sqlalchemy import URL

from letter.errors import Refusal

MAGIC = b"PGDMP"


def dump(url: URL, file: Path) -> None:
    """Write the database at `url` into `file`, in pg_dump's own compressed form. Raise Refusal with its reason."""
    _run("pg_dump", "--format=custom", "--no-owner", f"--file={file}", url=url)


def demand_readable(file: Path) -> None:
    """Raise Refusal for a dump that has no table of contents."""
    _run("pg_restore", "--list", str(file))


def load(url: URL, file: Path) -> None:
    """Replace the database at `url` by the dump in `file`, wholly or not at all. Raise Refusal with the reason."""
    _run("pg_restore", "--clean", "--if-exists", "--no-owner", "--single-transaction", str(file), url=url)


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
