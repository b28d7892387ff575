"""`python -m bench compare CHECKOUT_A CHECKOUT_B`: two checkouts in turns, measured by this one's scripts."""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from bench.table import Figure

HERE = Path(__file__).resolve().parent
HEAD = ("what", "A", "B", "B / A")


def rows(checkouts: list[Path], names: list[str], rounds: int, arguments: list[str]) -> list[tuple[str, ...]]:
    """Return the table's lines, head first: each figure of both, and the ratio in the same round."""
    found: list[dict[str, Figure]] = [{}, {}]
    for name in names:
        for number in range(rounds):
            print(f"{name}, round {number + 1} …", file=sys.stderr, flush=True)
            for checkout, into in zip(checkouts, found, strict=True):
                for figure in _measure(checkout, [*arguments, "--only", name]):
                    into.setdefault(figure.name, figure)
                    if into[figure.name] is not figure:
                        into[figure.name].values += figure.values
    return [HEAD, *(_row(one, found[1][name]) for name, one in found[0].items() if name in found[1])]


def _row(one: Figure, other: Figure) -> tuple[str, ...]:
    if not one.values or not other.values:
        return one.what, one.cells()[1], other.cells()[1], ""
    both = Figure(one.name, one.what, one.unit, other.values, one.values)
    return one.what, one.cells()[1], other.cells()[1], f"{both.ratio:.2f}"


def _measure(checkout: Path, arguments: list[str]) -> list[Figure]:
    """Run one round with the `letter` of `checkout` and the `bench` of this one."""
    with tempfile.TemporaryDirectory(prefix="letter-compare-") as folder:
        (Path(folder) / "bench").symlink_to(HERE)
        environ = {**os.environ, "PYTHONPATH": f"{folder}{os.pathsep}{checkout.resolve()}"}
        command = [sys.executable, "-m", "bench", "--json", "--rounds", "1", *arguments]
        done = subprocess.run(command, env=environ, cwd=folder, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        sys.exit(f"{checkout} cannot be measured; see above.")
    return [Figure(**one) for one in json.loads(done.stdout)]
