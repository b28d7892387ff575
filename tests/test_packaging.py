"""The wheel: it holds everything that the service shows, nothing that it must keep, and runs from anywhere."""

import os
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from email import message_from_bytes
from pathlib import Path

import pytest

import letter

CHECKOUT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((CHECKOUT / "pyproject.toml").read_text("utf-8"))["project"]
LOCKS = {
    name: (CHECKOUT / name).read_text("utf-8")
    for name in ("requirements.lock", "deploy/requirements.lock", "tests/requirements.lock")
}
SHIPPED = ("letter", "templates", "static")
NOT_COPIED = shutil.ignore_patterns(".*_cache", ".venv", ".git", ".hypothesis", "__pycache__", "instance")
PINNED = re.compile(r"^([\w.-]+)==(\S+)(?: ; .+?)? \\$", re.M)


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the checkout, in use: with keys in its instance folder, and an editor's and Python's leavings."""
    copy = tmp_path_factory.mktemp("source") / "letter"
    shutil.copytree(CHECKOUT, copy, ignore=NOT_COPIED)
    for leaving in ("instance/keys.toml", "instance/letter.sqlite3", "letter/__pycache__/app.cpython-311.pyc"):
        (copy / leaving).parent.mkdir(exist_ok=True)
        (copy / leaving).write_text("secret", encoding="utf-8")
    return copy


@pytest.fixture(scope="module")
def wheel(source: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    pip("wheel", "--no-deps", "--wheel-dir", str(folder), str(source))
    (built,) = folder.iterdir()
    return built


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("installed")
    pip("install", "--no-deps", "--target", str(folder), str(wheel))
    return folder


def pip(*arguments: str) -> None:
    quiet = ("--quiet", "--disable-pip-version-check", "--no-input")
    done = subprocess.run(
        [sys.executable, "-m", "pip", *arguments, *quiet], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def expected(source: Path) -> set[str]:
    """What must be in the wheel, by its names there."""
    files = {path.relative_to(source) for name in SHIPPED for path in (source / name).rglob("*") if path.is_file()}
    return {
        str(path if path.parts[0] == "letter" else "letter" / path) for path in files if "__pycache__" not in path.parts
    }


def within(wheel: Path) -> set[str]:
    with zipfile.ZipFile(wheel) as opened:
        return {name for name in opened.namelist() if ".dist-info/" not in name}


def test_the_wheel_holds_the_package_its_templates_and_static_files_and_nothing_else(source: Path, wheel: Path):
    assert within(wheel) == expected(source)


@pytest.mark.parametrize(
    "name",
    [
        "letter/templates/base.html",
        "letter/templates/mail/confirm/body.txt",
        "letter/static/icon.svg",
        "letter/demo/letter.txt",
        "letter/demo/about.json",
        "letter/demo/supporters.json",
        "letter/migrations/env.py",
        "letter/migrations/versions/0001_the_first_tables.py",
        "letter/__main__.py",
    ],
)
def test_the_wheel_holds_what_is_not_imported(wheel: Path, name: str):
    assert name in within(wheel)


def test_nothing_of_an_instance_or_of_the_tests_is_shipped(wheel: Path):
    with zipfile.ZipFile(wheel) as opened:
        names = opened.namelist()
        assert not any(opened.read(name) == b"secret" for name in names)
    assert [name for name in names if re.search(r"instance/|tests/|\.sqlite3|keys\.toml|\.pyc$", name)] == []


def test_the_wheel_says_what_it_is(wheel: Path):
    with zipfile.ZipFile(wheel) as opened:
        (about,) = [name for name in opened.namelist() if name.endswith(".dist-info/METADATA")]
        folder, said = about.removesuffix("METADATA"), message_from_bytes(opened.read(about))
        assert opened.read(f"{folder}licenses/LICENSE") == (CHECKOUT / "LICENSE").read_bytes()
        assert opened.read(f"{folder}entry_points.txt").split() == [
            b"[console_scripts]",
            b"letter",
            b"=",
            b"letter.__main__:main",
        ]
    assert {key: said[key] for key in ("Name", "Version", "License-Expression", "Requires-Python")} == {
        "Name": "letter",
        "Version": letter.__version__,
        "License-Expression": "MIT",
        "Requires-Python": ">=3.11",
    }
    assert (CHECKOUT / "LICENSE").read_text("utf-8").startswith("MIT License")


# Installed


def run_from_the_root(installed: Path, instance: Path, *arguments: str) -> str:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("LETTER_")}
    environ = {**kept, "PYTHONPATH": str(installed), "LETTER_INSTANCE": str(instance)}
    done = subprocess.run(
        [sys.executable, *arguments], cwd="/", env=environ, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


PAGES = """
from werkzeug.test import Client
from letter import app, config
assert config.CHECKOUT is None
pages = Client(app.from_environment())
print(app.__file__)
for path in ("/", "/nowhere", "/staff/sign-in", "/static/icon.svg"):
    print(path, pages.get(path).status_code)
"""


def test_the_installed_wheel_runs_from_anywhere(installed: Path, tmp_path: Path):
    instance = tmp_path / "instance"
    run_from_the_root(installed, instance, "-m", "letter", "init")
    checked = run_from_the_root(installed, instance, "-m", "letter", "check")
    assert {line[:5] for line in checked.splitlines()} == {"ok   "}
    assert run_from_the_root(installed, instance, "-c", PAGES).splitlines() == [
        str(installed / "letter" / "app.py"),
        "/ 200",
        "/nowhere 404",
        "/staff/sign-in 200",
        "/static/icon.svg 200",
    ]


def test_an_installed_program_asks_where_its_instance_is(installed: Path):
    environ = {name: value for name, value in os.environ.items() if not name.startswith("LETTER_")}
    done = subprocess.run(
        [sys.executable, "-m", "letter", "init"],
        cwd="/",
        env={**environ, "PYTHONPATH": str(installed)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "Set LETTER_INSTANCE to the folder that holds your settings and database.\n"


# The locks


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_names_no_registry(lock: str):
    assert (
        re.findall(r".*(?:://|pypi\.|pythonhosted|--(?:extra-)?index-url|--find-links|--trusted-host).*", LOCKS[lock])
        == []
    )


@pytest.mark.parametrize("lock", LOCKS)
def test_everything_in_a_lock_is_pinned_and_has_its_hashes(lock: str):
    lines = [line for line in LOCKS[lock].splitlines() if line and not line.startswith(("    ", "#"))]
    assert len(lines) == len(PINNED.findall(LOCKS[lock])) > 0
    for block in re.split(r"\n(?=\w)", LOCKS[lock].strip()):
        assert re.search(r"--hash=sha256:[0-9a-f]{64}\b", block), block


def pinned(lock: str) -> dict[str, str]:
    return {name.lower().replace("_", "-"): version for name, version in PINNED.findall(LOCKS[lock])}


def named(requirements: list[str]) -> set[str]:
    return {re.split(r"[<>=;\s\[]", one)[0].lower().replace("_", "-") for one in requirements}


def test_the_locks_hold_what_the_project_asks_for_in_the_same_versions():
    run, postgres, test = (pinned(name) for name in LOCKS)
    extra = PROJECT["optional-dependencies"]
    assert named(PROJECT["dependencies"]) <= run.keys()
    assert named(extra["postgres"]) <= postgres.keys()
    assert named(extra["test"]) <= test.keys()
    assert run.items() <= postgres.items() <= test.items()
