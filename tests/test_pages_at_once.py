"""Ready pages when many ask at once."""

import threading
from collections.abc import Iterable
from typing import Any

import pytest

from letter import pages
from tests.ready import LIBRARY, World

pytestmark = pytest.mark.no_database


@pytest.fixture
def world() -> World:
    return World()


def test_many_who_come_first_wait_for_one_rendering(world: World) -> None:
    inner, start = world.front.app, threading.Barrier(8)

    def slow(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        threading.Event().wait(0.05)
        return inner(environ, start_response)

    def ask() -> None:
        start.wait()
        list(world.front({"REQUEST_METHOD": "GET", "PATH_INFO": "/library"}, lambda *_: None))  # type: ignore[arg-type]

    world.front.app = slow
    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert world.rendered == ["/library"]


def test_a_database_that_hangs_holds_up_one_reader_and_no_more(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pages, "PATIENCE_SECONDS", 0.01)
    old = world.ask()
    comes_back, asked = threading.Event(), threading.Event()

    def hang() -> dict[int, int]:
        asked.set()
        comes_back.wait(20)
        return {LIBRARY: 7}

    monkeypatch.setattr(world.front.watch, "_read", hang)
    world.time += 10
    one = threading.Thread(target=world.ask)
    one.start()
    assert asked.wait(5)
    assert [world.ask() for _ in range(100)] == [old] * 100
    comes_back.set()
    one.join()
    world.time += 1
    assert world.ask() and len(world.rendered) == 2
