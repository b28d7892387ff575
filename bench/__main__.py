"""`python -m bench`: measures what is wanted of this version, on the machine at hand."""

import argparse
import json
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from bench import compare, growth, idle, load, mails, mixed, pages, postgres, signing, table
from bench.plan import Plan
from bench.table import Figure

CACHE = Path.home() / ".cache" / "letter-bench"
MEASURES: dict[str, Callable[[Plan], list[Figure]]] = {
    "pages": pages.measure,
    "signing": signing.measure,
    "postgres": postgres.measure,
    "confirming": signing.measure_confirming,
    "mixed": mixed.measure,
    "mails": mails.measure,
    "growth": growth.measure,
    "idle": idle.measure,
}


def arguments() -> argparse.Namespace:
    """Return what was asked for."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("compare", nargs="*", metavar="compare A B", help="measure two checkouts in turns")
    parser.add_argument("--rounds", type=int, default=5, help="measure each figure so often (5)")
    parser.add_argument("--seconds", type=float, default=8, help="seconds for each (8)")
    parser.add_argument("--signatures", type=int, default=1_000_000, help="signatures on the letter (1,000,000)")
    parser.add_argument("--processes", type=int, default=0, help="web processes (as `letter serve` has by itself)")
    parser.add_argument("--quick", action="store_true", help="one short round on a small letter, to try it out")
    parser.add_argument("--only", action="append", choices=list(MEASURES), help="measure only this; more than once")
    parser.add_argument("--markdown", action="store_true", help="print a table in Markdown")
    parser.add_argument("--json", action="store_true", help="print figures for programs")
    parser.add_argument("--cache", type=Path, default=CACHE, help=f"where filled databases are kept ({CACHE})")
    said = parser.parse_args()
    said.cache = said.cache.resolve()
    if said.compare and (said.compare[0] != "compare" or len(said.compare) != 3):
        parser.error("two checkouts are compared by: python -m bench compare A B")
    return said


def plan(said: argparse.Namespace) -> Plan:
    """Return how much to measure."""
    if said.quick:
        return Plan(rounds=1, seconds=1, signatures=2000, cache=said.cache, processes=said.processes)
    return Plan(said.rounds, said.seconds, said.signatures, said.cache, said.processes)


def main() -> None:
    """Measure, and print."""
    said = arguments()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that all servers are stopped
    if not load.is_there():
        sys.exit(load.HOW_TO_INSTALL)
    names = said.only or list(MEASURES)
    if said.compare:
        how = [f"--signatures={said.signatures}", f"--seconds={said.seconds:g}", f"--cache={said.cache}"]
        how += [f"--processes={said.processes}"]
        how += ["--quick"] * said.quick
        lines = compare.rows([Path(one) for one in said.compare[1:]], names, 1 if said.quick else said.rounds, how)
        _print(lines, said.markdown)
        return
    figures: list[Figure] = []
    for name in names:
        print(f"{name} …", file=sys.stderr, flush=True)
        figures += MEASURES[name](plan(said))
    if said.json:
        print(json.dumps([figure.plain() for figure in figures]))
        return
    _print([table.HEAD, *(figure.cells() for figure in figures)], said.markdown)


def _print(lines: Sequence[Sequence[str]], markdown: bool) -> None:
    for line in table.show(lines, markdown):
        print(line)
    print(f"\n{table.machine()}")


if __name__ == "__main__":
    main()
