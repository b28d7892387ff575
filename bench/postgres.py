"""Signing on PostgreSQL: a cluster of our own in a temporary folder, as durable as it comes."""

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from bench import filling, raw, signing
from bench.plan import Plan
from bench.serving import Instance
from bench.table import Figure
from letter import revision

UNPRIVILEGED = ("postgres", "nobody")  # PostgreSQL refuses to run as root
OWNER = "letter"
SETTINGS = "listen_addresses = ''\nmax_connections = 200\nfsync = on\nsynchronous_commit = on\n"
MISSING = "needs PostgreSQL (sudo apt install postgresql) and psycopg (pip install 'letter[postgres]')"


def binaries() -> Path | None:
    """Return the folder of `initdb` and `pg_ctl`: version 15 if it is there, else the newest."""
    found = {int(path.parents[1].name): path.parent for path in Path("/usr/lib/postgresql").glob("*/bin/pg_ctl")}
    on_path = shutil.which("pg_ctl")
    return found.get(15) or (found[max(found)] if found else Path(on_path).parent if on_path else None)


def _user() -> dict[str, Any]:
    if os.geteuid() != 0:
        return {}
    known = {one.pw_name: one for one in pwd.getpwall()}
    chosen = next(known[name] for name in UNPRIVILEGED if name in known)
    return {"user": chosen.pw_uid, "group": chosen.pw_gid, "extra_groups": []}


class Cluster:
    """A PostgreSQL in a folder; its data lie in `data` there."""

    def __init__(self, programs: Path, folder: Path) -> None:
        self._programs, self.folder = programs, folder
        self.environ = {"LETTER_DATABASE_URL": f"postgresql+psycopg://{OWNER}@/postgres?host={folder}"}

    def run(self, program: str, *arguments: str) -> None:
        """Run one of PostgreSQL's programs. Raise RuntimeError if it fails."""
        command = [str(self._programs / program), "-D", str(self.folder / "data"), *arguments]
        done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=self.folder, **_user())
        if done.returncode:
            raise RuntimeError(f"{program}: {done.stdout}{done.stderr}")

    def make(self) -> None:
        """Make an empty one."""
        self.run("initdb", "--auth=trust", f"--username={OWNER}", "--encoding=UTF8", "--locale=C.UTF-8")
        with (self.folder / "data" / "postgresql.conf").open("a") as file:
            file.write(SETTINGS)

    @contextmanager
    def started(self) -> Iterator[None]:
        """Run it until the block ends."""
        self.run("pg_ctl", "start", "-w", "-s", "-l", f"{self.folder}/log", "-o", f"-k {self.folder}")
        try:
            yield
        finally:
            self.run("pg_ctl", "stop", "-w", "-s", "-m", "fast")


@contextmanager
def _folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="letter-bench-") as name:  # a short path: a socket lies in it
        folder = Path(name)
        if user := _user():
            os.chown(folder, user["user"], user["group"])
        yield folder


@contextmanager
def filled(plan: Plan, programs: Path) -> Iterator[Instance]:
    """Give a filled instance whose database is a running PostgreSQL."""
    kept = plan.cache / f"postgres-{revision.newest()}-{plan.signatures}-{plan.pending}"
    if not (kept / "ready").exists():
        shutil.rmtree(kept, ignore_errors=True)
        kept.mkdir(parents=True)
        with _folder() as folder:
            cluster = Cluster(programs, folder)
            cluster.make()
            with cluster.started():
                filling.fill(Instance(folder / "instance", cluster.environ), plan.signatures, plan.pending)
            subprocess.run(["cp", "-a", f"{folder}/data", f"{folder}/instance", str(kept)], check=True)
        (kept / "ready").touch()
    with _folder() as folder:
        subprocess.run(["cp", "-a", f"{kept}/data", f"{kept}/instance", str(folder)], check=True)
        cluster = Cluster(programs, folder)
        with cluster.started():
            yield Instance(folder / "instance", cluster.environ)


def measure(plan: Plan) -> list[Figure]:
    """Measure signing, and confirming beside it."""
    figures = signing.figures_of_signing("PostgreSQL")
    figures[0].least = 700
    confirmed = Figure("postgres-confirm", "`GET` + `POST /confirm`, pairs, PostgreSQL", "/s")
    programs = binaries()
    if not programs or not find_spec("psycopg"):
        figures[0].missing = MISSING
        return figures[:1]
    with (
        filled(plan, programs) as instance,
        plan.serving(instance, "--no-work") as server,
        instance.database() as database,
    ):
        for _ in range(plan.rounds):
            signing.one_round(plan, server, figures, lambda: raw.commits(database, plan.seconds / 2))
            run = signing.confirm(instance, server, plan.seconds, plan.pending // plan.rounds)
            confirmed.values.append(run.confirm.count / run.seconds)
    return [*figures, confirmed]
