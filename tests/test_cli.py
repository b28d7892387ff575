"""The `letter` command: its instance, its people, and what it refuses in one sentence."""

import re
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from letter import config
from letter.app import create_app
from letter.db import Database
from tests.conftest import PASSWORD, Browser
from tests.shell import NEW, TEXT, Run, a_shell, everything

COMMANDS = [
    "demo",
    "init",
    "upgrade",
    "check",
    "serve",
    "work",
    "person",
    "new",
    "import",
    "export",
    "backup",
    "restore",
    "move",
]


@pytest.fixture(name="run")
def the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Iterator[Run]:
    with a_shell(tmp_path / "instance", monkeypatch, capfd) as run:
        yield run


@pytest.fixture
def init(run: Run) -> None:
    assert run("init").code == 0


@pytest.fixture
def text(tmp_path: Path) -> Path:
    file = tmp_path / "letter.txt"
    file.write_text(TEXT, encoding="utf-8")
    return file


# The command itself


def test_help_lists_the_commands_in_the_order_in_which_one_meets_them():
    answer = subprocess.run([sys.executable, "-m", "letter", "--help"], capture_output=True, text=True, check=True)
    listed = answer.stdout.partition("Commands:\n")[2]
    assert re.findall(r"^  (\w+)  +\S.*\.$", listed, re.M) == COMMANDS


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(run: Run, command: str):
    answer = run(command, "--help")
    assert (answer.code, answer.err) == (0, "")
    assert re.match(rf"Usage: \S.* {command} ", answer.out)


@pytest.mark.parametrize(
    "arguments",
    [
        ["nonsense"],
        ["init", "--nonsense"],
        ["new", "library"],
        ["new", "library", "letter.txt"],
        ["export", "library"],
        ["export", "library", "--format", "nonsense"],
        ["import", "library", "letter.txt", "--json"],
        ["person", "add", "ada@example.org", "--role", "queen"],
        ["serve", "--port", "0"],
    ],
)
@pytest.mark.usefixtures("init", "text")
def test_wrong_usage_exits_2(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str]):
    monkeypatch.chdir(tmp_path)
    answer = run(*arguments)
    assert (answer.code, answer.out) == (2, "")
    assert answer.err.startswith("Usage: ")


# The instance


@pytest.mark.sqlite
def test_init_makes_an_instance_that_nobody_else_can_read(run: Run, tmp_path: Path):
    answer = run("init")
    instance = tmp_path / "instance"
    assert answer.out.splitlines()[:-1] == [
        f"made {instance / n}" for n in ("keys.toml", "letter.toml", "letter.sqlite3")
    ]
    modes = {path.name: oct(stat.S_IMODE(path.stat().st_mode)) for path in [instance, *instance.iterdir()]}
    files = ("keys.toml", "letter.toml", "letter.sqlite3", "letter.sqlite3-next", "letter.sqlite3-turn")
    assert modes == {"instance": "0o700", **dict.fromkeys(files, "0o600")}
    assert run("check").code == 0


@pytest.mark.usefixtures("init")
def test_a_second_init_changes_nothing(run: Run, tmp_path: Path, text: Path):
    run("new", "library", text, *NEW, "--yes")
    files, rows = {path: path.read_bytes() for path in (tmp_path / "instance").glob("*.toml")}, everything()
    answer = run("init")
    assert (answer.code, len(answer.out.splitlines())) == (0, 1)
    assert ({path: path.read_bytes() for path in (tmp_path / "instance").glob("*.toml")}, everything()) == (files, rows)


@pytest.mark.parametrize(
    "command", [["check"], ["export", "library", "--format", "csv"], ["serve"], ["work"], ["upgrade"]]
)
def test_before_init_every_command_asks_for_it(run: Run, command: list[str]):
    assert "Run `letter init` first" in run(*command).refusal


@pytest.mark.parametrize(
    ("said", "missing"),
    [
        ({"LETTER_BASE_URL": "https://letter.example"}, "LETTER_SMTP_URL is missing"),
        ({"LETTER_SMTP_URL": "smtp://mail.example"}, "LETTER_MAIL_FROM is missing"),
        ({"LETTER_SMTP_URL": "smtp://", "LETTER_MAIL_FROM": "a@b.example"}, "LETTER_SMTP_URL must be"),
        ({"LETTER_MAIL_FROM": "@"}, "LETTER_MAIL_FROM must be"),
        ({"LETTER_DATABASE_URL": "nonsense"}, "LETTER_DATABASE_URL must be"),
        ({"LETTER_SECRET_KEY_FILE": "/nowhere"}, "LETTER_SECRET_KEY_FILE names /nowhere"),
    ],
)
@pytest.mark.usefixtures("init")
def test_a_half_set_server_names_the_setting(
    run: Run, monkeypatch: pytest.MonkeyPatch, said: dict[str, str], missing: str
):
    for name, value in said.items():
        monkeypatch.setenv(name, value)
    assert run("serve").refusal.startswith(missing)
    checked = run("check")
    assert (checked.code, missing in checked.out + checked.err) == (1, True)


@pytest.mark.usefixtures("init")
def test_a_server_for_others_that_cannot_start_does_not_spoil_the_instance(run: Run):
    assert run("serve", "--host", "192.0.2.7").refusal.startswith("LETTER_SMTP_URL is missing")
    assert run("check").code == 0


@pytest.mark.usefixtures("init")
def test_a_port_that_is_taken_is_named(run: Run):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        said = run("serve", "--port", str(port)).refusal
    assert re.fullmatch(rf"Cannot listen on 127\.0\.0\.1, port {port}: .+\. Choose another --port\.", said)


@pytest.mark.usefixtures("init")
def test_check_finds_keys_that_others_can_read(run: Run, tmp_path: Path):
    (tmp_path / "instance" / "keys.toml").chmod(0o644)
    answer = run("check")
    assert (answer.code, answer.err) == (1, "1 of these need attention.\n")
    assert "keys.toml can be read by others: chmod 600" in answer.out


@pytest.mark.sqlite
@pytest.mark.usefixtures("init")
def test_a_database_of_another_version_asks_for_an_upgrade(run: Run, tmp_path: Path):
    (tmp_path / "instance" / "letter.sqlite3").unlink()
    (tmp_path / "instance" / "letter.sqlite3").touch()
    assert run("check").refusal.endswith("Run `letter upgrade`.")
    assert run("upgrade").code == 0
    assert run("check").code == 0


# People


@pytest.mark.usefixtures("init")
def test_a_new_person_gets_a_link_that_the_app_accepts(run: Run):
    said, _, link = run("person", "add", "ada@example.org", "--role", "organiser").out.splitlines()
    assert said == "ada@example.org is organiser of every letter."
    settings = config.load()
    assert link.startswith(f"{settings.base_url}/staff/invitation/")
    path, database = link.removeprefix(settings.base_url), Database(settings.database_url)
    ada = Browser(create_app(settings, database).test_client())
    assert ada.get(path).status_code == 200
    assert ada.post(path, {"password": PASSWORD}, page=path).status_code == 303
    assert ada.get("/staff/").status_code == 200
    assert ada.get(path).status_code == 404
    database.close()
    assert run("person", "list").out == "ada@example.org: organiser of every letter\n"
    assert run("person", "add", "ada@example.org", "--role", "viewer").out.count("\n") == 1  # she has a password


@pytest.mark.usefixtures("init")
def test_a_person_of_no_letter_or_without_an_address_is_refused(run: Run):
    add = ("person", "add", "ben@example.org", "--role", "moderator", "--letter", "none")
    assert run(*add).refusal == "There is no letter at /none."
    assert run("person", "add", "ben", "--role", "viewer").refusal == "“ben” is no e-mail address."
    assert run("person", "invite", "ben@example.org").refusal == "Nobody here has the address ben@example.org."
    assert everything() == [[], [], []]


# Keys


def test_lost_keys_are_not_replaced_by_new_ones(run: Run, init: None, tmp_path: Path):
    keys = tmp_path / "instance" / "keys.toml"
    kept = keys.read_text("utf-8")
    keys.unlink()
    assert "Put keys.toml back" in run("init").refusal
    assert not keys.exists()
    keys.write_text(kept, "utf-8")
    assert run("check").code == 0


def test_a_database_knows_the_keys_it_was_made_with(run: Run, init: None, tmp_path: Path):
    keys = tmp_path / "instance" / "keys.toml"
    index = re.findall(r'"(.*)"', keys.read_text("utf-8"))[-1]
    keys.write_text(keys.read_text("utf-8").replace(index, "A" * 43 + "="), "utf-8")
    for command in ("check", "work"):
        assert "not the keys that the database was made with" in run(command).refusal


# People


def test_somebody_who_is_shut_out_cannot_sign_in_until_let_in_again(run: Run, init: None):
    run("person", "add", "ben@example.org", "--role", "moderator")
    assert run("person", "disable", "ben@example.org").out == "ben@example.org is shut out.\n"
    assert "(shut out)" in run("person", "list").out
    assert run("person", "disable", "ben@example.org", "--undo").code == 0
    assert "(shut out)" not in run("person", "list").out


def test_a_service_that_listens_everywhere_must_know_its_address(run: Run, init: None):
    assert "LETTER_BASE_URL" in run("serve", "--host", "0.0.0.0").refusal  # noqa: S104
