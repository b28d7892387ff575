"""The measurements themselves, in their smallest round: what they say of this machine does not matter here."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from bench import load
from bench.table import HEAD, Figure, show

pytestmark = pytest.mark.skipif(not load.is_there(), reason=load.HOW_TO_INSTALL)


def bench(folder: Path, *arguments: str) -> str:
    command = [sys.executable, "-m", "bench", "--quick", "--cache", str(folder), *arguments]
    return subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout


def test_a_quick_round_measures_signing_and_confirming(tmp_path: Path) -> None:
    figures = {
        one["name"]: one for one in json.loads(bench(tmp_path, "--json", "--only", "signing", "--only", "confirming"))
    }
    assert list(figures) == [
        "sign-sqlite",
        "sign-sqlite-p50",
        "sign-sqlite-p99",
        "sign-sqlite-cpu",
        "confirm",
        "confirm-cpu",
    ]
    assert all(len(one["values"]) == 1 and one["values"][0] > 0 for one in figures.values())
    assert figures["sign-sqlite"]["reference"][0] > 0


def test_a_table_says_what_was_wanted_and_whether_it_was_met() -> None:
    figures = [
        Figure("a", "signing", "/s", [900.0, 1000.0, 1100.0], [2000.0, 4000.0, 2000.0], least=940, ratio_least=0.5),
        Figure("b", "99 % within", " ms", [200.0], most=150),
        Figure("c", "elsewhere", "/s", least=1, missing="no server here"),
    ]
    assert list(show([HEAD, *(figure.cells() for figure in figures)], markdown=True)) == [
        "| what        | figure         | reference | ratio | wanted         | met |",
        "| ----------- | -------------- | --------- | ----- | -------------- | --- |",
        "| signing     | 1,000/s        | 2,000/s   | 0.45  | ≥ 940, ≥ 0.5 × | NO  |",
        "| 99 % within | 200 ms         |           |       | ≤ 150          | NO  |",
        "| elsewhere   | no server here |           |       | ≥ 1            |     |",
    ]
