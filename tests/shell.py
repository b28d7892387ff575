"""Commands run in this process, in an instance of their own."""

import io
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from sqlalchemy import select

from letter import cli, config
from letter.db import Database
from letter.models import Audit, Letter, Signature
from tests import postgres

TEXT = """\
We ask for the library to be opened.

It has been closed for a year.

Sincerely yours,

Ada Alder – Teacher
Ben Birch – Nurse
Readers’ Union
"""
NEW = ("--title", "Open the library", "--signatories-after", "Sincerely yours,")


@dataclass(frozen=True)
class Answer:
    code: int
    out: str
    err: str

    @property
    def refusal(self) -> str:
        """The one sentence of a refusal."""
        assert (self.code, self.out) == (1, "")
        assert self.err.count("\n") == 1
        return self.err.rstrip("\n")


Run = Callable[..., Answer]


@contextmanager
def a_shell(folder: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Iterator[Run]:
    """Give `run("new", "library", …)`; `typed` answers what the command asks."""
    for name in [name for name in os.environ if name.startswith("LETTER_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("LETTER_INSTANCE", str(folder))
    mask = os.umask(0o022)
    if postgres.shared.is_chosen:
        monkeypatch.setenv("LETTER_DATABASE_URL", postgres.address(folder))

    def run(*arguments: str | Path, typed: str = "") -> Answer:
        monkeypatch.setattr(sys, "argv", ["letter", *map(str, arguments)])
        monkeypatch.setattr(sys, "stdin", io.StringIO(typed))
        capfd.readouterr()
        code = 0
        try:
            cli.main()
        except SystemExit as end:
            code = int(end.code or 0)
        return Answer(code, *capfd.readouterr())

    with postgres.made(folder, tables=False):
        yield run
    os.umask(mask)


def stored(*columns: object) -> list[tuple[object, ...]]:
    """Rows of the instance, sorted by the columns asked for."""
    database = Database(config.load().database_url)
    with database.reading() as session:
        rows = [tuple(row) for row in session.execute(select(*columns).order_by(*columns))]  # type: ignore[call-overload]
    database.close()
    return rows


def everything() -> list[list[tuple[object, ...]]]:
    return [stored(Letter.slug, Letter.state), stored(Signature.place, Signature.name), stored(Audit.id, Audit.action)]
