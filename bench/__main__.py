"""`python -m bench`: measures what is wanted of this version, on the machine at hand."""

import argparse
import json
import sys
from collections.abc import Callable
from pathlib import Path

from bench import idle, load, pages, signing, table
from bench.plan import Plan
from bench.table import Figure

CACHE = Path.home() / ".cache" / "letter-bench"
MEASURES: dict[str, Callable[[Plan], list[Figure]]] = {
    "pages": pages.measure,
    "signing": signing.measure,
    "confirming": signing.measure_confirming,
    "idle": idle.measure,
}


def arguments() -> argparse.Namespace:
    """Return what was asked for."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="measure each figure so often (5)")
    parser.add_argument("--seconds", type=float, default=8, help="seconds for each (8)")
    parser.add_argument("--signatures", type=int, default=1_000_000, help="signatures on the letter (1,000,000)")
    parser.add_argument("--quick", action="store_true", help="one short round on a small letter, to try it out")
    parser.add_argument("--only", action="append", choices=list(MEASURES), help="measure only this; more than once")
    parser.add_argument("--markdown", action="store_true", help="print a table in Markdown")
    parser.add_argument("--json", action="store_true", help="print figures for programs")
    parser.add_argument("--cache", type=Path, default=CACHE, help=f"where filled databases are kept ({CACHE})")
    return parser.parse_args()


def plan(said: argparse.Namespace) -> Plan:
    """Return how much to measure."""
    if said.quick:
        return Plan(rounds=1, seconds=1, signatures=2000, cache=said.cache)
    return Plan(said.rounds, said.seconds, said.signatures, said.cache)


def main() -> None:
    """Measure, and print."""
    said = arguments()
    if not load.is_there():
        sys.exit(load.HOW_TO_INSTALL)
    figures: list[Figure] = []
    for name in said.only or MEASURES:
        print(f"{name} …", file=sys.stderr, flush=True)
        figures += MEASURES[name](plan(said))
    if said.json:
        print(json.dumps([figure.plain() for figure in figures]))
        return
    for line in table.show([table.HEAD, *(figure.cells() for figure in figures)], said.markdown):
        print(line)
    print(f"\n{table.machine()}")


if __name__ == "__main__":
    main()
