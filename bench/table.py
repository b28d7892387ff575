"""Figures, and the table that they are shown in."""

import os
import platform
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any

from letter import __version__, db

HEAD = ("what", "figure", "reference", "ratio", "wanted", "met")


@dataclass
class Figure:
    """One figure: a value for each round, and what was measured beside it in the same round."""

    name: str
    what: str
    unit: str
    values: list[float] = field(default_factory=list)
    reference: list[float] = field(default_factory=list)
    least: float | None = None
    most: float | None = None
    ratio_least: float | None = None
    ratio_most: float | None = None
    missing: str = ""

    @property
    def value(self) -> float:
        """The median of the rounds."""
        return median(self.values)

    @property
    def ratio(self) -> float | None:
        """The median of each round's value by its reference."""
        pairs = list(zip(self.values, self.reference, strict=False))
        return median(one / other for one, other in pairs) if pairs else None

    @property
    def is_met(self) -> bool | None:
        """Tell whether the figure is what is wanted; None where nothing is wanted or nothing was measured."""
        limits = (self.least, self.most, self.ratio_least, self.ratio_most)
        if not self.values or all(limit is None for limit in limits):
            return None
        return _within(self.value, self.least, self.most) and (
            self.ratio is None or _within(self.ratio, self.ratio_least, self.ratio_most)
        )

    @property
    def wanted(self) -> str:
        """What is wanted, as one reads it."""
        parts = [f"≥ {_number(self.least)}" if self.least is not None else ""]
        parts += [f"≤ {_number(self.most)}" if self.most is not None else ""]
        parts += [f"≥ {self.ratio_least:g} ×" if self.ratio_least is not None else ""]
        parts += [f"≤ {self.ratio_most:g} ×" if self.ratio_most is not None else ""]
        return ", ".join(part for part in parts if part)

    def cells(self) -> tuple[str, ...]:
        """Return the line of the table."""
        if not self.values:
            return self.what, self.missing or "not measured", "", "", self.wanted, ""
        reference = f"{_number(median(self.reference))}{self.unit}" if self.reference else ""
        ratio = f"{self.ratio:.2f}" if self.ratio is not None else ""
        met = {True: "yes", False: "NO", None: ""}[self.is_met]
        return self.what, f"{_number(self.value)}{self.unit}", reference, ratio, self.wanted, met

    def plain(self) -> dict[str, Any]:
        """Return the figure as JSON takes it."""
        return asdict(self)


def _within(value: float, least: float | None, most: float | None) -> bool:
    return (least is None or value >= least) and (most is None or value <= most)


def _number(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def show(lines: Sequence[Sequence[str]], markdown: bool) -> Iterator[str]:
    """Yield the lines of a table whose first one is its head."""
    widths = [max(len(line[place]) for line in lines) for place in range(len(lines[0]))]
    for number, line in enumerate(lines):
        cells = [cell.ljust(width) for cell, width in zip(line, widths, strict=True)]
        yield f"| {' | '.join(cells)} |" if markdown else "  ".join(cells).rstrip()
        if number == 0:
            dashes = ["-" * width for width in widths]
            yield f"| {' | '.join(dashes)} |" if markdown else "  ".join(dashes)


def machine() -> str:
    """Return when and on what this was measured."""
    sqlite = db.driver()
    parts = (
        f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
        f"Letter {__version__}",
        f"{os.cpu_count()} cores of {_cpu()}",
        f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 2**30:.0f} GiB memory",
        f"{platform.system()} {platform.release()}",
        f"Python {platform.python_version()}",
        f"SQLite {sqlite.sqlite_version}",
    )
    return ", ".join(parts)


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()
