"""Where no wheel carries a sound SQLite, the standard module and the rollback journal have to do the same work."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PAGES = ("confirmation", "moderation", "accounts", "letters", "privacy", "settings", "exporting")


@pytest.mark.sqlite
def test_every_page_that_writes_works_without_a_write_ahead_log(tmp_path: Path) -> None:
    """There a reader keeps a writer from committing, so a page that reads while it writes would wait for itself."""
    (tmp_path / "pysqlite3.py").write_text("raise ImportError('no wheel here')\n")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider"]
        + [f"tests/test_web_{page}.py" for page in PAGES],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(tmp_path), "LETTER_TEST_ALL": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-3000:]
