"""A PostgreSQL cluster of the tests' own, in a temporary folder, on a unix socket."""

import hashlib
import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql
from sqlalchemy import create_engine

from letter.models import Base

MISSING = "PostgreSQL is not installed: `apt install postgresql`"
UNPRIVILEGED = ("postgres", "nobody")  # PostgreSQL refuses to run as root
OWNER, TEMPLATE = "letter", "tables"
START_SECONDS = 30
# Nothing of a test outlives a power cut; where durability is the question, the test says `durable=True`.
HASTY = {"fsync": "off", "full_page_writes": "off", "synchronous_commit": "off"}
SETTINGS = {"max_connections": "200", "shared_buffers": "128MB", "listen_addresses": "", "timezone": "Asia/Baku"}


def binaries() -> Path | None:
    """The folder of `initdb` and `pg_ctl`, of the newest version that is installed."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/pg_ctl"), key=lambda path: int(path.parents[1].name))
    on_path = shutil.which("pg_ctl")
    return found[-1].parent if found else Path(on_path).parent if on_path else None


def _user() -> dict[str, Any]:
    """How to run a program as somebody other than root."""
    if os.geteuid() != 0:
        return {}
    names = {one.pw_name: one for one in pwd.getpwall()}
    chosen = next(names[name] for name in UNPRIVILEGED if name in names)
    return {"user": chosen.pw_uid, "group": chosen.pw_gid, "extra_groups": []}


class Cluster:
    """One running PostgreSQL, with a template of all tables, from which each test gets a copy."""

    def __init__(self, *, durable: bool = False, **settings: str) -> None:
        """`settings` go into postgresql.conf."""
        self.bin = binaries()
        if self.bin is None:
            pytest.skip(MISSING)
        self.folder = Path(tempfile.mkdtemp(prefix="letter-pg-", dir="/tmp"))  # a path in reach, and a short one
        self.data = self.folder / "data"
        if user := _user():
            os.chown(self.folder, user["user"], user["group"])
        self._run("initdb", "--auth=trust", f"--username={OWNER}", "--encoding=UTF8", "--locale=C.UTF-8", "--no-sync")
        lines = {**SETTINGS, **({} if durable else HASTY), "unix_socket_directories": str(self.folder), **settings}
        with (self.data / "postgresql.conf").open("a") as file:
            file.writelines(f"{name} = '{value}'\n" for name, value in lines.items())
        self.has_template = False

    def _run(self, program: str, *arguments: str) -> None:
        assert self.bin
        command = [str(self.bin / program), "-D", str(self.data), *arguments]
        done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=self.folder, **_user())
        assert done.returncode == 0, done.stdout + done.stderr

    def start(self) -> None:
        """Start, or start again; return when it answers."""
        self._run("pg_ctl", "start", "-w", "-t", str(START_SECONDS), "-s", "-l", str(self.folder / "log"))

    def stop(self, how: str = "fast") -> None:
        """Stop: `fast` ends every connection, `immediate` is a crash."""
        self._run("pg_ctl", "stop", "-w", "-s", "-m", how)

    def remove(self) -> None:
        """Stop and leave nothing behind."""
        with suppress(AssertionError):
            self.stop("immediate")
        shutil.rmtree(self.folder, ignore_errors=True)

    def url(self, name: str) -> str:
        """The address of a database, for SQLAlchemy."""
        return f"postgresql+psycopg://{OWNER}@/{name}?host={self.folder}"

    def execute(self, statement: str, *names: str) -> None:
        """Run a statement outside any transaction; `{}` stands for a quoted name."""
        with psycopg.connect(host=str(self.folder), user=OWNER, dbname="postgres", autocommit=True) as connection:
            connection.execute(sql.SQL(statement).format(*map(sql.Identifier, names)))  # type: ignore[arg-type]

    def end_connections(self, name: str) -> None:
        """End every connection to a database."""
        with psycopg.connect(host=str(self.folder), user=OWNER, dbname="postgres", autocommit=True) as connection:
            connection.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [name])

    def create(self, name: str, *, tables: bool) -> str:
        """Make a database, empty or with all tables; return its address."""
        if tables and not self.has_template:
            engine = create_engine(self.create(TEMPLATE, tables=False))
            Base.metadata.create_all(engine)
            engine.dispose()
            self.has_template = True
        self.execute("CREATE DATABASE {} TEMPLATE {}", name, TEMPLATE if tables else "template0")
        return self.url(name)

    def drop(self, name: str) -> None:
        """Take a database away, whoever is still connected."""
        self.execute("DROP DATABASE IF EXISTS {} WITH (FORCE)", name)


@contextmanager
def a_cluster(*, durable: bool = False, **settings: str) -> Iterator[Cluster]:
    """A cluster of one's own, which may be stopped and started."""
    cluster = Cluster(durable=durable, **settings)
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.remove()


class Shared:
    """The cluster that all tests of a run share, started when the first one asks."""

    def __init__(self) -> None:
        self.is_chosen = False  # by `--database postgres`
        self._cluster: Cluster | None = None

    @property
    def cluster(self) -> Cluster:
        """The cluster, running. Skip the test where PostgreSQL is missing."""
        if self._cluster is None:
            self._cluster = Cluster()
            self._cluster.start()
        return self._cluster

    def end(self) -> None:
        """Take the cluster away, if there is one."""
        if self._cluster:
            self._cluster.remove()


shared = Shared()


def _name(folder: Path) -> str:
    return "t" + hashlib.sha256(str(folder).encode()).hexdigest()[:20]


def address(folder: Path, name: str = "letter") -> str:
    """The address of the database `name` of a test whose folder is `folder`, whether it is there or not."""
    return shared.cluster.url(_name(folder / name)) if shared.is_chosen else f"sqlite:///{folder / name}.sqlite3"


@contextmanager
def made(folder: Path, name: str = "letter", *, tables: bool = True) -> Iterator[str]:
    """That database, empty or with all tables, until the end of the block; an empty one on SQLite is no file yet."""
    url = address(folder, name)
    if shared.is_chosen:
        shared.cluster.create(_name(folder / name), tables=tables)
    elif tables:
        engine = create_engine(url)
        Base.metadata.create_all(engine)
        engine.dispose()
    try:
        yield url
    finally:
        if shared.is_chosen:
            shared.cluster.drop(_name(folder / name))
