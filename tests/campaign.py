"""The whole campaign of faults by one command, from a clean clone: `python -m tests.campaign`.

It runs what is too slow for every day (about an hour on two cores) and prints a table for docs/reliability.md.
"""

import os
import platform
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from xml.etree import ElementTree

ROOT = Path(__file__).resolve().parents[1]
NOT_ADDED_UP = ("slowest", "a second")
EVERY_DAY = "tests/test_durability.py tests/test_disk.py tests/test_clock.py tests/test_away.py tests/test_backup.py"
PARTS = {
    "SIGKILL of everything under 64 people": ("nightly", "tests/test_killing.py"),
    "backups while 300 people a second sign": ("nightly", "tests/test_backup_under_load.py"),
    "5,000 lives against a model": ("nightly", "tests/test_life.py"),
    "disk, clock, syncs, a database that is away": ("not nightly", EVERY_DAY),
    "the loss of a PostgreSQL primary": ("nightly or not nightly", "tests/test_failover.py"),
    "each test finds its seeded bug": ("nightly", "tests/test_seeded_bugs.py"),
}


def run(name: str, folder: Path) -> tuple[bool, Counter[str], dict[str, str]]:
    """Run one part; return whether it held, its tests by outcome, and the figures that it recorded, added up."""
    marked, files = PARTS[name]
    report = folder / "report.xml"
    command = [sys.executable, "-m", "pytest", "-q", "-m", marked, "-o", "junit_family=xunit1", f"--junitxml={report}"]
    done = subprocess.run([*command, *files.split()], cwd=ROOT, check=False)
    cases = list(ElementTree.parse(report).iter("testcase"))  # noqa: S314 - our own
    outcomes = Counter(next((child.tag for child in case if child.tag != "properties"), "passed") for case in cases)
    return done.returncode == 0, outcomes, dict(figures(cases))


def figures(cases: list[ElementTree.Element]) -> Iterator[tuple[str, str]]:
    """What the tests recorded by name: sums, or the greatest where a sum means nothing."""
    found: dict[str, list[float]] = {}
    for one in (one for case in cases for one in case.iter("property")):
        found.setdefault(one.attrib["name"], []).append(float(one.attrib["value"]))
    for name, values in found.items():
        yield name, f"{max(values) if any(word in name for word in NOT_ADDED_UP) else sum(values):,g}"


def machine() -> str:
    return f"{os.cpu_count()} cores, {platform.system()} {platform.release()}, Python {platform.python_version()}"


def main() -> int:
    """Run the parts that are named, or all of them; exit 1 if any did not hold."""
    chosen = [name for name in PARTS if not sys.argv[1:] or any(word in name for word in sys.argv[1:])]
    lines, all_held = [], True
    for name in chosen:
        begin = datetime.now(UTC)
        with tempfile.TemporaryDirectory() as folder:
            held, outcomes, recorded = run(name, Path(folder))
        all_held = all_held and held
        told = ", ".join(f"{figure} {what}" for what, figure in recorded.items())
        tests = ", ".join(f"{number} {outcome}" for outcome, number in outcomes.items())
        seconds = (datetime.now(UTC) - begin).seconds
        lines.append(f"| {name} | {'held' if held else 'FAILED'} | {tests} | {told or '–'} | {seconds} s |")
    print(f"\n{datetime.now(UTC):%Y-%m-%d}, {machine()}\n\n| what | | tests | figures | took |\n|---|---|---|---|---|")
    print("\n".join(lines))
    return not all_held


if __name__ == "__main__":
    sys.exit(main())
