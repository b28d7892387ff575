"""An instance of Letter in a folder, its server, and what the server's processes take."""

import contextlib
import http.client
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from letter import config
from letter.config import Settings
from letter.db import Database

SLUG = "library"
START_SECONDS = 60
STOP_SECONDS = 30
KIB = 1024


def free_port() -> int:
    """Return a port on which nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Instance:
    """An instance folder and the environment in which its commands run."""

    def __init__(self, folder: Path, environ: Mapping[str, str]) -> None:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("LETTER_")}
        kept.pop("PYTHONDONTWRITEBYTECODE", None)  # people run compiled files
        self.folder = folder
        self.environ = {**kept, "LETTER_INSTANCE": str(folder), **environ}

    def command(self, *arguments: str) -> list[str]:
        """Return a command line of `letter`."""
        return [sys.executable, "-m", "letter", *arguments]

    def run(self, *arguments: str) -> str:
        """Run a command and return what it prints. Raise RuntimeError if it fails."""
        done = subprocess.run(self.command(*arguments), env=self.environ, capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(f"letter {' '.join(arguments)}: {done.stderr}")
        return done.stdout

    @property
    def settings(self) -> Settings:
        """The instance's settings."""
        return config.load(self.environ)

    @contextlib.contextmanager
    def database(self) -> Iterator[Database]:
        """Give the instance's database."""
        database = Database(self.settings.database_url)
        try:
            yield database
        finally:
            database.close()


class Running:
    """A command in a process group of its own."""

    def __init__(self, command: list[str], environ: Mapping[str, str], port: int) -> None:
        self.port = port
        self.url = f"http://127.0.0.1:{port}"
        self.process = subprocess.Popen(command, env=dict(environ), start_new_session=True)

    @property
    def pids(self) -> list[int]:
        """The process and all that it has started."""
        return family(self.process.pid)

    def wait_for(self, path: str) -> None:
        """Wait until `path` is answered with 200. Raise RuntimeError after a minute."""
        end = time.monotonic() + START_SECONDS
        while time.monotonic() < end and self.process.poll() is None:
            with contextlib.suppress(OSError, http.client.HTTPException):
                if self.get(path)[0] == 200:
                    return
            time.sleep(0.01)
        raise RuntimeError("The server did not start.")

    def get(self, path: str, **headers: str) -> tuple[int, dict[str, str], bytes]:
        """Return status, headers and body of an answer."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=START_SECONDS)
        with contextlib.closing(connection):
            connection.request("GET", path, headers=headers)
            answer = connection.getresponse()
            return answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read()

    def stamp(self, path: str = f"/{SLUG}") -> str:
        """Return the stamp of a page's form."""
        found = re.search(rb'name="stamp"[^>]*value="([^"]+)"', self.get(path)[2])
        if not found:
            raise RuntimeError(f"There is no form at {path}.")
        return found[1].decode()

    def stop(self) -> None:
        """End it and all it has started."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(STOP_SECONDS)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


@contextlib.contextmanager
def running(command: list[str], environ: Mapping[str, str], port: int = 0, ready: str = "") -> Iterator[Running]:
    """Run a command until the block ends; with `ready`, begin when that path is answered."""
    started = Running(command, environ, port)
    try:
        if ready:
            started.wait_for(ready)
        yield started
    finally:
        started.stop()


@contextlib.contextmanager
def serving(instance: Instance, *arguments: str, ready: str = "/healthz") -> Iterator[Running]:
    """`letter serve` on an instance."""
    port = free_port()
    command = instance.command("serve", "--port", str(port), *arguments)
    with running(command, instance.environ, port, ready) as server:
        yield server


def family(pid: int) -> list[int]:
    """Return `pid` and all that it has started, and they again."""
    parents: dict[int, list[int]] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            parent = int(stat.read_text("utf-8", "replace").rpartition(")")[2].split()[1])
            parents.setdefault(parent, []).append(int(stat.parent.name))
    found = [pid]
    for one in found:
        found += parents.get(one, [])
    return found


def memory(pids: list[int]) -> float:
    """Return the memory of processes in MB: proportional set size, which counts what is shared once (Linux only)."""
    total = 0
    for pid in pids:
        with contextlib.suppress(OSError):
            rollup = Path(f"/proc/{pid}/smaps_rollup").read_text("ascii")
            total += sum(int(line.split()[1]) for line in rollup.splitlines() if line.startswith("Pss:"))
    return total * KIB / 1_000_000


def processor(pids: list[int]) -> float:
    """Return the seconds of processor time that processes have taken so far (Linux only)."""
    ticks = 0
    for pid in pids:
        with contextlib.suppress(OSError):
            fields = Path(f"/proc/{pid}/stat").read_text("utf-8", "replace").rpartition(")")[2].split()
            ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")
