"""The files of deploy/, read by the programs they are for, and against the settings and commands that there are."""

import getpass
import os
import re
import shutil
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import click
import pytest
import yaml

from letter import cli, config
from letter.config import KEY_NAMES
from tests.cluster import until
from tests.serving import free_port, serving

pytestmark = pytest.mark.no_database

ROOT = Path(__file__).resolve().parents[1]
DEPLOY = ROOT / "deploy"
UNITS = sorted((DEPLOY / "systemd").glob("*.service"))
TIMERS = sorted((DEPLOY / "systemd").glob("*.timer"))
COMPOSE = yaml.safe_load((DEPLOY / "compose.yaml").read_text("utf-8"))
TEXTS = {
    path.relative_to(ROOT): path.read_text("utf-8")
    for path in sorted([*DEPLOY.rglob("*"), ROOT / "docs" / "growing.md"])
    if path.is_file() and path.suffix != ".lock" and not {"secrets", "certificates", ".env"} & {*path.parts}
}
OTHERS = {"LETTER_INSTANCE", "LETTER_KEYS", "LETTER_DATABASE_PASSWORD", "LETTER_SITE", "LETTER_WEB"}
KEY = "dGVzdHMgb25seTogdGhlIHNlY3JldCBrZXkuLi4uLi4="


def needs(program: str, package: str) -> pytest.MarkDecorator:
    return pytest.mark.skipif(not shutil.which(program), reason=f"{program} is missing: apt install {package}")


def run(*command: str | Path, **environ: str) -> str:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("LETTER_")}
    done = subprocess.run(command, env={**kept, **environ}, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.mark.parametrize("path", TEXTS, ids=str)
def test_every_setting_that_is_named_exists(path: Path) -> None:
    named = set(re.findall(r"LETTER_[A-Z_]+[A-Z]", TEXTS[path]))
    known = {f"LETTER_{name.upper()}" for name in (*config.setting_names(), *KEY_NAMES)}
    assert named - OTHERS <= known | {f"{name}_FILE" for name in known}


def commands() -> list[tuple[str, list[str]]]:
    """Every command of Letter that these files run, with its arguments, and the file."""
    found = [
        (unit.name, line.split('"')[0].split())
        for unit in UNITS
        for line in re.findall(r"/opt/letter/\.venv/bin/letter (.+)", unit.read_text("utf-8"))
    ]
    found += [(name, one["command"]) for name, one in COMPOSE["services"].items() if one.get("image") == "letter"]
    return found


@pytest.mark.parametrize(("where", "arguments"), commands(), ids=str)
def test_every_command_exists_with_its_options(where: str, arguments: list[str]) -> None:
    command = cli.letter.get_command(click.Context(cli.letter), arguments[0])
    assert command
    options = {name for one in command.params if isinstance(one, click.Option) for name in one.opts}
    assert {one for one in arguments if one.startswith("--")} <= options


def test_the_container_serves_pages_and_runs_what_is_copied_into_it() -> None:
    text = (DEPLOY / "Dockerfile").read_text("utf-8")
    sources = re.findall(r"^COPY (?!--from)(\S+)", text, re.M)
    assert all((ROOT / source).exists() for source in sources)
    let_through = (DEPLOY / "Dockerfile.dockerignore").read_text("utf-8")
    assert {f"!{source}" for source in sources} == set(re.findall(r"^!.*", let_through, re.M))
    assert "--require-hashes" in text
    assert re.findall(r"^FROM (\S+)", text, re.M) == ["python:3.11-slim-bookworm"] * 2  # by name, from nobody's host
    assert text.rindex("\nUSER letter") > text.rindex("\nRUN ")


# Containers


def test_every_service_is_confined() -> None:
    for name, service in COMPOSE["services"].items():
        assert service["read_only"] and service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert service["image"] == "letter" or service["user"].split(":")[0] not in ("0", "root"), name
        assert name == "upgrade" or "healthcheck" in service, name


def test_every_file_and_secret_that_compose_names_is_there_or_made_by_the_first_steps() -> None:
    steps = (DEPLOY / "README.md").read_text("utf-8")
    for name, service in COMPOSE["services"].items():
        assert {*service.get("secrets", [])} <= COMPOSE["secrets"].keys(), name
        for mount in service.get("volumes", []):
            source = mount.split(":")[0]
            is_made = source in COMPOSE["volumes"] or source.removeprefix("./") in steps
            assert is_made or (DEPLOY / source).exists(), source
    for secret, where in COMPOSE["secrets"].items():
        assert where == {"file": f"./secrets/{secret}"}
        assert secret in steps


def test_the_container_of_nginx_has_the_folders_that_its_file_names() -> None:
    service = COMPOSE["services"]["nginx"]
    text = (DEPLOY / "nginx.conf").read_text("utf-8")
    own = [one.split(":")[0] for one in service["tmpfs"]] + [one.split(":")[1] for one in service["volumes"]]
    wanted = re.findall(r"^\s*(?:pid|proxy_cache_path|ssl_certificate|ssl_certificate_key) (\S+?);?\s", text, re.M)
    assert len(wanted) == 4
    assert [path for path in wanted if not path.startswith(tuple(f"{folder}/" for folder in own))] == []


def test_what_compose_sets_is_all_that_an_instance_needs(tmp_path: Path) -> None:
    secrets = dict.fromkeys(("secret_key", "sealing_key", "index_key"), KEY)
    secrets |= {"database_url": f"sqlite:///{tmp_path}/letter.sqlite3", "smtp_url": "smtp://mail.example.org"}
    for name, value in secrets.items():
        (tmp_path / name).write_text(f"{value}\n", "utf-8")
    said = {"LETTER_BASE_URL": "https://letter.example.org", "LETTER_MAIL_FROM": "letters@example.org"}
    environ = {
        name: said.get(name, "" if value.startswith("${") else value.replace("/run/secrets", str(tmp_path)))
        for name, value in COMPOSE["services"]["web"]["environment"].items()
    }
    letter = [sys.executable, "-m", "letter"]
    run(*letter, "upgrade", LETTER_INSTANCE=str(tmp_path / "instance"), **environ)
    run(*letter, "check", LETTER_INSTANCE=str(tmp_path / "instance"), **environ)


def test_docker_reads_the_compose_file() -> None:
    """Where Docker has its compose plugin; any YAML reader has read the file above."""
    if shutil.which("docker") and run("docker", "--help").find("  compose") > 0:
        said = {"LETTER_BASE_URL": "https://letter.example.org", "LETTER_MAIL_FROM": "letters@example.org"}
        run("docker", "compose", "--file", DEPLOY / "compose.yaml", "config", "--quiet", **said)


# systemd


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """What the first steps put into place, in a folder: the program, its settings, the command and the units."""
    places = {"/opt/letter/.venv/bin/letter": f"{tmp_path}/bin/letter-program", "/etc/letter": f"{tmp_path}/etc"}
    places |= {"/var/lib/letter": f"{tmp_path}/instance", "= letter ]": f"= {getpass.getuser()} ]"}
    for folder in ("bin", "etc", "units"):
        (tmp_path / folder).mkdir()
    program = tmp_path / "bin" / "letter-program"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m letter "$@"\n', "utf-8")
    (tmp_path / "etc" / "letter.env").write_text((DEPLOY / "letter.env.example").read_text("utf-8"), "utf-8")
    for unit in (*UNITS, *TIMERS):
        shutil.copy(unit, tmp_path / "units" / unit.name)
    shutil.copy(DEPLOY / "systemd" / "letter", tmp_path / "bin" / "letter")
    for file in [one for one in tmp_path.rglob("*") if one.is_file() and one != program]:
        text = file.read_text("utf-8")
        for place, here in places.items():
            text = text.replace(place, here)
        file.write_text(text, "utf-8")
    for command in (tmp_path / "bin").iterdir():
        command.chmod(0o755)
    return tmp_path


@needs("systemd-analyze", "systemd")
def test_systemd_finds_no_fault_in_the_units(installed: Path) -> None:
    said = run("systemd-analyze", "verify", *sorted((installed / "units").iterdir()))
    assert [line for line in said.splitlines() if "letter" in line] == []


@needs("systemd-analyze", "systemd")
@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_a_unit_is_left_hardly_more_than_it_needs(unit: Path) -> None:
    try:
        said = run("systemd-analyze", "security", "--offline=yes", "--no-pager", unit)
    except AssertionError as error:
        if "unrecognized option" in str(error):
            pytest.skip("this systemd cannot look at a unit that is not installed: it needs version 250")
        raise
    level = re.search(r"exposure level for \S+ ([\d.]+)", said)
    assert level and float(level[1]) < 2, said


def test_the_command_speaks_for_the_service(installed: Path) -> None:
    assert (DEPLOY / "systemd" / "letter").stat().st_mode & stat.S_IXUSR
    command = installed / "bin" / "letter"
    said = run(command, "init", PYTHONPATH=str(ROOT))
    assert (installed / "etc" / "keys.toml").exists() and (installed / "instance" / "letter.sqlite3").exists(), said
    assert "https://letter.example.org" in run(command, "check", PYTHONPATH=str(ROOT))


def test_every_unit_has_the_same_settings_keys_and_walls() -> None:
    parts: list[Any] = []
    for unit in UNITS:
        lines = set(unit.read_text("utf-8").splitlines())
        own = ("#", "Description", "Exec", "Restart", "Type", "Nice", "IOS", "OOM", "LimitN", "ReadW", "WantedBy", "[I")
        parts.append({line for line in lines if not line.startswith(own)})
    assert parts[0] == parts[1] == parts[2]


# Proxies


@needs("caddy", "caddy")
def test_caddy_takes_its_file(tmp_path: Path) -> None:
    file = DEPLOY / "Caddyfile"
    home = {"HOME": str(tmp_path), "XDG_DATA_HOME": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path)}
    run("caddy", "validate", "--adapter", "caddyfile", "--config", file, **home)
    assert "127.0.0.1:8000" in run("caddy", "adapt", "--adapter", "caddyfile", "--config", file, **home)


@needs("caddy", "caddy")
def test_through_caddy_people_sign_and_see_nothing_that_is_for_machines(tmp_path: Path) -> None:
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    with serving(tmp_path, "--no-work", LETTER_PROXIES="1", LETTER_BASE_URL=url) as server:
        environ = {"LETTER_SITE": url, "LETTER_WEB": f"127.0.0.1:{server.port}", "HOME": str(tmp_path)}
        environ |= {"CADDY_ADMIN": f"127.0.0.1:{free_port()}", "PATH": os.environ["PATH"]}
        assert server.get("/readyz")[0] == 200
        command = ["caddy", "run", "--adapter", "caddyfile", "--config", str(DEPLOY / "Caddyfile")]
        with (tmp_path / "caddy.log").open("wb") as log:
            caddy = subprocess.Popen(command, env=environ, cwd=tmp_path, stdout=log, stderr=log)
        try:
            server.port = port  # from here on, through Caddy
            until(lambda: server.get("/healthz")[0] == 200, (tmp_path / "caddy.log").read_text())
            signed = server.sign("library", server.stamp("library"), name="Dana Ivers", email="dana@example.org")
            assert (signed, server.get("/readyz")[0], server.get("/metrics")[0]) == (303, 404, 404)
        finally:
            caddy.kill()
            caddy.wait()
    assert "dana" not in (tmp_path / "caddy.log").read_text().lower()


@needs("haproxy", "haproxy")
def test_haproxy_takes_its_file() -> None:
    folder = DEPLOY / "patroni"
    lines = [line for line in (folder / "haproxy.env").read_text("utf-8").splitlines() if not line.startswith("#")]
    run("haproxy", "-c", "-q", "-f", folder / "haproxy.cfg", **dict(line.split("=", 1) for line in lines))
