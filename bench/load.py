"""Load from wrk, on this machine: the generator takes its share of the processors, and that is part of each figure."""

import json
import shutil
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
CLIENTS = 64
TIMEOUT_SECONDS = 30
HOW_TO_INSTALL = "wrk makes the load: sudo apt install wrk (macOS: brew install wrk)."


class Faulty(Exception):
    """A measurement whose answers were not all what they should be."""


def is_there() -> bool:
    """Tell whether wrk is installed."""
    return shutil.which("wrk") is not None


def _wrk(script: str, url: str, seconds: float, *arguments: str, threads: int, headers: Iterable[str] = ()) -> Any:
    how = [f"-t{threads}", f"-c{CLIENTS}", f"-d{seconds:g}s", f"--timeout={TIMEOUT_SECONDS}s", f"-s{HERE / script}"]
    command = ["wrk", *how, *(f"-H{header}" for header in headers), url, "--", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise Faulty(f"wrk ended with {done.returncode}: {done.stderr.strip() or done.stdout.strip()}")
    return json.loads(done.stdout.rstrip().rpartition("\n")[2])


def same(url: str, seconds: float, *headers: str) -> float:
    """Send one unchanging request again and again and return how many were answered in a second.

    Raise Faulty for any answer of 400 and more.
    """
    told = _wrk("pages.lua", url, seconds, threads=1, headers=headers)
    if told["broken"]:
        raise Faulty(f"{told['broken']} requests for {url} failed.")
    return float(told["count"] / told["seconds"])


@dataclass(frozen=True)
class Step:
    """How often one kind of request was answered rightly, and how long it took, in milliseconds."""

    count: int
    p50: float
    p99: float
    max: float


@dataclass(frozen=True)
class Run:
    """What clients met with within some seconds."""

    seconds: float
    sign: Step
    confirm: Step
    read: Step
    errors: str

    def demand_good(self) -> "Run":
        """Return this run. Raise Faulty if any answer was not what it should be."""
        if self.errors:
            raise Faulty(self.errors)
        return self


def clients(
    kind: str,
    url: str,
    seconds: float,
    *,
    slug: str,
    stamp: str,
    label: str,
    tokens: Path | None = None,
    between: float = 0,
    reads: Iterable[str] = (),
) -> Run:
    """Let 64 people sign, confirm or do all there is to do (`mixed`), each with one connection of its own.

    `label` makes the addresses of this run unlike all others'; `between` paces each client, in seconds from one request
    to the next. `tokens` is what the names of the files with the clients' tokens begin with.
    """
    words = (kind, slug, stamp, str(tokens or "/nowhere/"), f"{between:g}", label, *reads)
    told = _wrk("client.lua", url, seconds, *words, threads=CLIENTS)
    others = [f"{times} answers were {status}" for status, times in told["others"].items()]
    others += [f"{told['broken']} connections broke"] if told["broken"] else []
    steps = {name: Step(**told[name]) for name in ("sign", "confirm", "read")}
    return Run(seconds=told["seconds"], errors=", ".join(others), **steps)
