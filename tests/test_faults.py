"""Things that break while the service runs."""

import contextlib
import os
import pty
import re
import signal
import sys
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path

import pytest

from letter.app import create_app
from letter.config import Settings
from letter.db import Database
from letter.models import Letter
from tests.conftest import Browser
from tests.serving import Server, free_port, serving

PATIENCE = 20.0


def until(happens: Callable[[], bool], what: str) -> None:
    end = time.monotonic() + PATIENCE
    while not happens():
        assert time.monotonic() < end, what
        time.sleep(0.1)


def children(pid: int) -> dict[int, str]:
    """The processes that `pid` has started, with their names and command lines."""
    found = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            if int(stat.read_text().rpartition(")")[2].split()[1]) == pid:
                found[int(stat.parent.name)] = _name(stat.parent)
    return found


def _name(process: Path) -> str:
    """What a list of processes shows: forked ones have their parent's command line and a name of their own."""
    line = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode()
    return f"{(process / 'comm').read_text('utf-8', 'replace').strip()} {line}"


def mail_worker(server: Server) -> int | None:
    assert server.process
    return next((pid for pid, line in children(server.process.pid).items() if "letter-work" in line), None)


needs_proc = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="no /proc here: this needs Linux")


@needs_proc
def test_a_mail_worker_that_dies_is_replaced_and_the_mail_goes_out(tmp_path: Path) -> None:
    with serving(tmp_path) as server:
        until(lambda: mail_worker(server) is not None, "no worker was started")
        first = mail_worker(server)
        assert first
        os.kill(first, signal.SIGKILL)
        assert server.sign("library", server.stamp("library"), name="Dana Ivers", email="dana@example.org") == 303
        until(lambda: any((tmp_path / "mail").glob("*.eml")), "the mail was not sent")
        assert mail_worker(server) not in (None, first)


@needs_proc
def test_when_the_server_is_killed_its_port_is_free_again(tmp_path: Path) -> None:
    with serving(tmp_path) as server:
        assert server.process
        os.kill(server.process.pid, signal.SIGKILL)
        server.process.wait()
        server.process = None
        until(lambda: not answers(server), "somebody still listens")


def answers(server: Server) -> bool:
    try:
        return server.get("/healthz")[0] == 200
    except OSError:
        return False


@pytest.mark.sqlite
def test_a_database_that_is_taken_away_takes_no_signature(
    settings: Settings, database: Database, letter: Letter, tmp_path: Path
) -> None:
    supporter = Browser(create_app(settings, database).test_client())
    stamp = supporter.hidden("/library")
    (tmp_path / "letter.sqlite3").rename(tmp_path / "elsewhere")
    data = {"name": "Dana", "email": "d@example.org", "display": "public", "kind": "person", **stamp}
    assert supporter.client.post("/library/sign", data=data).status_code == 503
    assert supporter.get("/readyz").status_code == 503
    (tmp_path / "elsewhere").rename(tmp_path / "letter.sqlite3")
    assert supporter.client.post("/library/sign", data=data).status_code == 303


@needs_proc
def test_ctrl_c_in_a_terminal_ends_the_demo_every_time() -> None:
    for _ in range(3):
        run_and_interrupt("demo", "--port", str(free_port()))


def run_and_interrupt(*arguments: str) -> None:
    pid, terminal = pty.fork()
    if pid == 0:
        os.execv(sys.executable, [sys.executable, "-m", "letter", *arguments])  # noqa: S606
    said = b""
    while b"Ctrl-C ends" not in said:
        said += os.read(terminal, 4096)
    link = re.search(rb"http://[^/\s]+", said)
    assert link
    until(lambda: is_up(link[0].decode()), "the demo did not start")
    os.write(terminal, b"\x03")
    until(lambda: os.waitpid(pid, os.WNOHANG)[0] == pid, "the demo did not end")
    os.close(terminal)


def is_up(url: str) -> bool:
    with contextlib.suppress(OSError), urllib.request.urlopen(f"{url}/healthz") as answer:
        return bool(answer.status == 200)
    return False
