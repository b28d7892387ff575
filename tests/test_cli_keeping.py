"""`letter backup` and `letter restore`, as an operator types them."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from letter.models import Signature
from tests.shell import NEW, TEXT, Run, a_shell, stored


@pytest.fixture(name="run")
def the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Iterator[Run]:
    with a_shell(tmp_path / "instance", monkeypatch, capfd) as run:
        assert run("init").code == 0
        yield run


@pytest.fixture
def copy(run: Run, tmp_path: Path) -> Path:
    text = tmp_path / "letter.txt"
    text.write_text(TEXT, "utf-8")
    assert run("new", "library", text, *NEW, "--open", "--yes").code == 0
    said = run("backup", tmp_path / "copy.sqlite3").out
    assert said.startswith(f"Backed up to {tmp_path / 'copy.sqlite3'}, ")
    assert said.endswith(" MB. The keys are not in it: keep keys.toml, too.\n")
    return tmp_path / "copy.sqlite3"


def test_a_database_with_letters_is_replaced_only_after_a_yes(run: Run, copy: Path) -> None:
    assert run("restore", copy).refusal == ("There are letters in the database. Say --yes to replace it by the backup.")
    sound = "The backup is sound: 1 letters, 3 signatures. Nothing was changed.\n"
    assert run("restore", copy, "--dry-run").out == sound
    first, second, third = run("restore", copy, "--yes").out.splitlines()
    assert first == "Restored: 1 letters, 3 signatures."
    assert "before-restore-" in second and third.startswith("Everybody who works here has to sign in again.")
    assert run("check").code == 0


def test_a_new_machine_needs_the_keys_and_the_backup(run: Run, copy: Path, tmp_path: Path) -> None:
    (tmp_path / "instance" / "letter.sqlite3").unlink()
    assert run("restore", copy).code == 0
    assert len(stored(Signature.id)) == 3


def test_before_there_is_a_database_there_is_nothing_to_back_up(run: Run, tmp_path: Path) -> None:
    (tmp_path / "instance" / "letter.sqlite3").unlink()
    assert "The database is not there" in run("backup", tmp_path / "copy.sqlite3").refusal
    assert not (tmp_path / "copy.sqlite3").exists()
