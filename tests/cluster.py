"""The files of deploy/patroni, started on loopback: etcd, two PostgreSQL nodes under Patroni, HAProxy in front."""

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg

from tests.serving import free_port

FILES = Path(__file__).resolve().parents[1] / "deploy" / "patroni"
BINARIES = Path("/usr/lib/postgresql/15/bin")
NODES = ("one", "two")
PASSWORD = "for-tests-only"
PATIENCE = 60.0
AS_POSTGRES = {"user": "postgres", "group": "postgres", "extra_groups": []} if os.geteuid() == 0 else {}
MISSING = [name for name in ("etcd", "patroni", "haproxy") if not shutil.which(name)]
MISSING += [] if (BINARIES / "postgres").exists() else ["postgresql-15"]


def until(found: Callable[[], Any], what: str, patience: float = PATIENCE) -> Any:
    """Return what `found` returns once it is true; errors of the network count as not yet."""
    end = time.monotonic() + patience
    while True:
        with contextlib.suppress(OSError, psycopg.Error):
            if result := found():
                return result
        assert time.monotonic() < end, what
        time.sleep(0.1)


def given(name: str, **changed: str) -> dict[str, str]:
    """The environment in the file `name`, with changed ports and folders; a setting that is not there is a fault."""
    lines = [line for line in (FILES / name).read_text("utf-8").splitlines() if line and not line.startswith("#")]
    settings = dict(line.split("=", 1) for line in lines)
    assert changed.keys() <= settings.keys(), changed.keys() - settings.keys()
    assert not re.search(r"10\.0\.0\.|/var/|change-me", str({**settings, **changed}))
    return {"PATH": os.environ["PATH"], "LANG": "C.UTF-8", **settings, **changed}


def title(pid: int) -> str:
    """What a process calls itself."""
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_text("utf-8", "replace")
    return ""


class Cluster:
    """What the three or four machines of the example are, on one."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.ports = {name: free_port() for name in ("etcd", "peer", "primary", "standby")}
        self.database_port = {name: free_port() for name in NODES}
        self.rest_port = {name: free_port() for name in NODES}
        self.running: dict[str, subprocess.Popen[bytes]] = {}
        self._fill_in()

    @property
    def url(self) -> str:
        """The database as Letter reaches it: through HAProxy, always with the primary."""
        return f"postgresql+psycopg://letter:{PASSWORD}@127.0.0.1:{self.ports['primary']}/letter"

    @property
    def replica_url(self) -> str:
        """A standby as Letter reaches it, for lists; while there is none, nobody answers there."""
        return f"postgresql+psycopg://letter:{PASSWORD}@127.0.0.1:{self.ports['standby']}/letter"

    @property
    def both(self) -> str:
        """The database without HAProxy: both nodes are named, and the client looks for the one that takes writes."""
        hosts = "&".join(f"host=127.0.0.1:{port}" for port in self.database_port.values())
        return f"postgresql+psycopg://letter:{PASSWORD}@/letter?{hosts}&target_session_attrs=read-write"

    def _fill_in(self) -> None:
        for name in ("haproxy.cfg", "make-database", "patroni.yml"):
            text = (FILES / name).read_text("utf-8")
            text = text.replace("/etc/patroni/", f"{self.folder}/").replace("/var/run/postgresql", str(self.folder))
            (self.folder / name).write_text(text, "utf-8")
            (self.folder / name).chmod(0o755)

    def start(self) -> None:
        """Start everything; return when HAProxy has found the primary. A standby follows soon."""
        local = "http://127.0.0.1"
        client, peer = (f"{local}:{self.ports[name]}" for name in ("etcd", "peer"))
        etcd = given(
            "etcd.env",
            ETCD_DATA_DIR=str(self.folder / "etcd"),
            ETCD_LISTEN_CLIENT_URLS=client,
            ETCD_ADVERTISE_CLIENT_URLS=client,
            ETCD_LISTEN_PEER_URLS=peer,
            ETCD_INITIAL_ADVERTISE_PEER_URLS=peer,
            ETCD_INITIAL_CLUSTER=f"one={peer}",
        )
        self._run("etcd", ["etcd"], etcd)
        self.start_node("one")
        until(lambda: self._rest("one", "/primary"), self.log("one"))
        self.start_node("two")
        balancer = {
            f"HAPROXY_{kind}_{name.upper()}": value
            for name in NODES
            for kind, value in (
                ("NODE", f"127.0.0.1:{self.database_port[name]}"),
                ("REST", str(self.rest_port[name])),
            )
        }
        balancer |= {f"HAPROXY_{name.upper()}": f"127.0.0.1:{self.ports[name]}" for name in ("primary", "standby")}
        command = ["haproxy", "-db", "-f", str(self.folder / "haproxy.cfg")]
        self._run("haproxy", command, given("haproxy.env", **balancer))
        until(lambda: self.ask("SELECT 1"), "HAProxy has found no primary")

    def start_node(self, name: str) -> None:
        """Start Patroni on a node, as its machine does when it boots."""
        rest, database = (f"127.0.0.1:{ports[name]}" for ports in (self.rest_port, self.database_port))
        environ = given(
            "node.env",
            PATRONI_NAME=name,
            PATRONI_RESTAPI_LISTEN=rest,
            PATRONI_RESTAPI_CONNECT_ADDRESS=rest,
            PATRONI_POSTGRESQL_LISTEN=database,
            PATRONI_POSTGRESQL_CONNECT_ADDRESS=database,
            PATRONI_POSTGRESQL_DATA_DIR=str(self.folder / name),
            PATRONI_POSTGRESQL_PGPASS=str(self.folder / f"{name}.pgpass"),
            PATRONI_ETCD_HOSTS=f"127.0.0.1:{self.ports['etcd']}",
            PATRONI_SUPERUSER_PASSWORD=PASSWORD,
            PATRONI_REPLICATION_PASSWORD=PASSWORD,
            PATRONI_REWIND_PASSWORD=PASSWORD,
            LETTER_DATABASE_PASSWORD=PASSWORD,
        )
        self._run(name, ["patroni", str(self.folder / "patroni.yml")], environ)

    def _run(self, name: str, command: list[str], environ: dict[str, str]) -> None:
        with (self.folder / f"{name}.log").open("ab") as log:
            self.running[name] = subprocess.Popen(
                command, env=environ, cwd=self.folder, stdout=log, stderr=log, start_new_session=True, **AS_POSTGRES
            )

    def signal_machine(self, name: str, number: signal.Signals) -> None:
        """Send a signal to Patroni and to everything of PostgreSQL at one node at once."""
        for pid in self._processes(name):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)

    def kill_machine(self, name: str) -> None:
        """What a power cut is to the others: every process of one node is gone, and none could say goodbye."""
        self.signal_machine(name, signal.SIGSTOP)  # so that none sees another die and acts on it
        self.signal_machine(name, signal.SIGKILL)
        self.running.pop(name).wait()

    def cut_off(self, standby: str, seconds: float, then: Callable[[], None]) -> None:
        """Let the standby hear nothing from the primary for some seconds; what is under way to it then is lost."""
        receiver = self._receiver(standby)
        os.kill(receiver, signal.SIGSTOP)
        time.sleep(seconds)
        then()
        os.kill(receiver, signal.SIGTERM)
        os.kill(receiver, signal.SIGCONT)

    def _receiver(self, name: str) -> int:
        return next((pid for pid in self._processes(name) if "walreceiver" in title(pid)), 0)

    def _processes(self, name: str) -> list[int]:
        """Patroni first, then the postmaster and what it has started."""
        parents = {}
        for stat in Path("/proc").glob("[0-9]*/stat"):
            with contextlib.suppress(OSError):
                parents[int(stat.parent.name)] = int(stat.read_text().rpartition(")")[2].split()[1])
        found = [self.running[name].pid] if name in self.running else []
        with contextlib.suppress(OSError, ValueError):
            found.append(int((self.folder / name / "postmaster.pid").read_text().split()[0]))
        for pid in found:
            found += [child for child, parent in parents.items() if parent == pid and child not in found]
        return found

    def _rest(self, name: str, path: str) -> dict[str, object]:
        address = f"http://127.0.0.1:{self.rest_port[name]}{path}"
        with urllib.request.urlopen(address, timeout=3) as answer:
            return dict(json.load(answer))

    def primary(self) -> str:
        """The node that holds the lease."""

        def leads() -> str:
            for name in NODES:
                with contextlib.suppress(OSError):
                    if self._rest(name, "/primary"):
                        return name
            return ""

        return until(leads, "no node is primary")

    def await_standby(self) -> str:
        """Wait until one node follows, and commits wait for it if they shall; return its name."""
        kind = "/sync" if self._rest(self.primary(), "/config")["synchronous_mode"] else "/replica"

        def follows() -> str:
            for name in NODES:
                with contextlib.suppress(OSError):
                    if self._rest(name, kind) and self._receiver(name):
                        return name
            return ""

        return str(until(follows, f"no standby; see {self.folder}/*.log"))

    def ask(self, query: str, **more: object) -> list[tuple[object, ...]]:
        """Ask the primary, as Letter would."""
        address = self.url.replace("+psycopg", "")
        with psycopg.connect(address, connect_timeout=5) as connection:
            return connection.execute(query, more).fetchall()

    def log(self, name: str) -> str:
        return f"see {self.folder / name}.log"

    def stop(self) -> None:
        for name in NODES:
            self.signal_machine(name, signal.SIGKILL)
        for process in self.running.values():
            process.kill()
            process.wait()


@contextlib.contextmanager
def started() -> Iterator[Cluster]:
    """A cluster in a folder that `postgres` may use, with a short path, since sockets lie in it."""
    folder = Path(tempfile.mkdtemp(prefix="ha-"))
    if AS_POSTGRES:
        shutil.chown(folder, "postgres", "postgres")
    cluster = Cluster(folder)
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.stop()
        shutil.rmtree(folder, ignore_errors=True)
