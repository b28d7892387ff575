"""What a server asked of the kernel, read from strace: so a test sees the order of writes, syncs and answers."""

import re
import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest

HOW = "no strace here: apt-get install strace"
CALLS = "fsync,fdatasync,pwrite64,write,writev,sendto,sendmsg,read,readv,recvfrom"
LONGEST = 6000  # characters of each argument; a page of SQLite with escapes is no more than that as a rule
LINE = re.compile(r"^(?P<start>\d+\.\d+) (?P<call>\w+)\((?P<said>.*)\) = (?P<result>-?\d+).*<(?P<seconds>\d+\.\d+)>$")
SYNCS, WRITES = ("fsync", "fdatasync"), ("pwrite64", "write")
ANSWERS, QUESTIONS = ("write", "writev", "sendto", "sendmsg"), ("read", "readv", "recvfrom")


@dataclass(frozen=True)
class Call:
    start: float
    end: float
    name: str
    said: str  # the file or socket, then what was written or read

    def is_about(self, names: tuple[str, ...], file: str) -> bool:
        return self.name in names and file in self.said.partition(">")[0]


def before(folder: Path) -> tuple[str, ...]:
    """What to put before a command to have it traced into `folder`, one file a thread; skips without strace."""
    if not shutil.which("strace"):
        pytest.skip(HOW)
    return ("strace", "-ff", "-qq", "-y", "-ttt", "-T", "-s", str(LONGEST), "-e", f"trace={CALLS}", "-o",
            str(folder / "trace"))  # fmt: skip


def read(folder: Path) -> list[Call]:
    """Every call of every thread, in the order in which they began."""
    found = []
    for file in folder.glob("trace.*"):
        for line in file.read_text("utf-8", errors="replace").splitlines():
            if match := LINE.match(line):
                start = float(match["start"])
                found.append(Call(start, start + float(match["seconds"]), match["call"], match["said"]))
    return sorted(found, key=lambda call: call.start)
