"""The store of ready pages, with a clock that is moved by hand and a page that counts how often it is rendered."""

from collections.abc import Iterable
from typing import Any

import pytest

from tests.ready import BRIDGE, LIBRARY, World

pytestmark = pytest.mark.no_database


@pytest.fixture
def world() -> World:
    return World()


def test_a_page_is_rendered_once_and_looked_up_once_a_second(world: World) -> None:
    first = world.ask()
    for _ in range(30):
        world.time += 0.25
        assert world.ask() == first
    assert world.rendered == ["/library"]
    assert world.looks == 8


def test_a_change_is_seen_within_a_second(world: World) -> None:
    old = world.ask()
    world.change()
    world.time += 0.9
    assert world.ask() == old
    world.time += 0.1
    assert world.ask() != old
    assert world.rendered == ["/library"] * 2


def test_a_change_while_a_page_is_rendered_is_seen_at_the_next_look(world: World) -> None:
    inner = world.front.app

    def overtaken(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        body = inner(environ, start_response)
        world.change()
        return body

    world.front.app = overtaken
    world.ask()
    world.front.app = inner
    world.time += 1
    world.ask()
    assert len(world.rendered) == 2


def test_under_changes_without_end_a_page_is_rendered_once_a_second(world: World) -> None:
    for _ in range(100):
        world.ask()
        world.change()
        world.time += 0.1
    assert len(world.rendered) == 10


def test_a_change_of_another_letter_renders_nothing(world: World) -> None:
    world.ask()
    world.change(BRIDGE)
    world.time += 1
    world.ask()
    assert world.rendered == ["/library"]


def test_each_letter_has_its_own_page(world: World) -> None:
    pages = [world.ask(path)[1] for path in ("/library", "/bridge", "/library/en", "/bridge/en")]
    assert [world.ask(path)[1] for path in ("/library", "/bridge", "/library/en", "/bridge/en")] == pages
    assert len(set(pages)) == 4


def test_a_page_is_rendered_anew_each_minute_since_forms_are_dated(world: World) -> None:
    for _ in range(600):
        world.ask()
        world.time += 0.25
    assert len(world.rendered) == 3


def test_a_version_that_went_back_is_a_change_too(world: World) -> None:
    """As after a backup was put back."""
    world.ask()
    world.versions = {0: 1, LIBRARY: 0}
    world.time += 1
    world.ask()
    assert len(world.rendered) == 2


def test_while_the_database_is_away_the_page_of_the_last_look_is_answered(world: World) -> None:
    old = world.ask()
    world.versions, world.status = OSError("away"), "503 Service Unavailable"
    for _ in range(400):
        world.time += 0.25
        assert world.ask() == old
    assert world.looks <= 101 and world.rendered == ["/library"]
    world.versions, world.status = {LIBRARY: 9}, "200 OK"
    world.time += 1
    assert world.ask() != old


def test_a_fault_in_the_rendering_leaves_the_old_page_and_is_tried_once_a_second(world: World) -> None:
    old = world.ask()
    world.status = "503 Service Unavailable"
    world.change()
    world.time += 1
    assert [world.ask() for _ in range(10)] == [old] * 10
    assert len(world.rendered) == 2


def test_a_page_that_is_gone_is_gone(world: World) -> None:
    world.ask()
    world.status = "404 Not Found"
    world.change()
    world.time += 1
    assert world.ask()[0] == world.ask()[0] == "404 Not Found"
    assert world.front.shelf.pages == {}


@pytest.mark.parametrize("header", [("Set-Cookie", "who=ada"), ("Vary", "Cookie")])
def test_an_answer_for_one_reader_is_not_kept_even_if_it_is_marked(world: World, header: tuple[str, str]) -> None:
    world.headers = [header]
    world.ask()
    world.ask()
    assert len(world.rendered) == 2 and world.front.shelf.pages == {}


def test_what_is_not_marked_or_not_public_is_not_kept(world: World) -> None:
    for path in ("/nowhere", "/staff/library", "/mine/x", "/confirm/x", "/static/letter.css", "", "*"):
        world.ask(path)
        world.ask(path)
    world.ask(method="POST")
    assert world.front.shelf.pages == {}


def test_flask_learns_nothing_of_who_asked_for_a_page_that_is_kept(world: World) -> None:
    seen: list[dict[str, Any]] = []
    inner = world.front.app
    world.front.app = lambda environ, start: seen.append(dict(environ)) or inner(environ, start)  # type: ignore[func-returns-value]
    world.ask(HTTP_COOKIE="letter=ada", REMOTE_ADDR="192.0.2.7", HTTP_HOST="evil.example")
    assert not [name for name in seen[0] if name.startswith(("HTTP_", "REMOTE_"))]


def test_what_others_hang_on_to_an_address_changes_nothing_and_fills_no_memory(world: World) -> None:
    page = world.ask()
    for number in range(50):
        assert world.ask(query=f"fbclid={number}") == page
    assert world.rendered == ["/library"] and len(world.front.shelf.pages) == 1


def test_a_page_of_the_list_is_kept_under_its_place_and_a_search_is_not(world: World) -> None:
    queries = ["", "after=QUJD.x1", "after=QUJE.x2", "q=ada", "after=QUJD.x1&q=ada", "after=%41", "z=1"]
    answers = {query: world.ask("/library/signatures", query) for query in queries}
    assert {query: world.ask("/library/signatures", query) for query in queries} == answers
    assert len(set(answers.values())) == len(queries)
    assert {query for _, query in world.front.shelf.pages} == {"", "after=QUJD.x1", "after=QUJE.x2"}


def test_memory_is_bounded_and_what_is_read_stays() -> None:
    world = World(most_bytes=100_000)
    for number in range(200):
        world.time += 0.001
        world.ask("/library")
        world.ask("/library/signatures", f"after=QUJD.{number}")
    shelf = world.front.shelf
    assert shelf.size == sum(page.size for page in shelf.pages.values()) <= 100_000
    assert len(shelf.pages) > 5 and world.rendered.count("/library") == 1


def test_a_tag_belongs_to_one_encoding_and_an_answer_without_news_is_empty(world: World) -> None:
    tags = {}
    for encoding in ("identity", "gzip", "br"):
        assert world.ask(HTTP_ACCEPT_ENCODING=encoding, method="HEAD") == ("200 OK", "")
        tags[encoding] = world.last["ETag"]
        assert world.last.get("Content-Encoding", "identity") == encoding and int(world.last["Content-Length"]) > 20
        assert world.ask(HTTP_ACCEPT_ENCODING=encoding, HTTP_IF_NONE_MATCH=tags[encoding])[0] == "304 Not Modified"
        assert world.last == {"ETag": tags[encoding], "Vary": "Accept-Encoding"}
    assert len(set(tags.values())) == 3 and all(tag.startswith('"') for tag in tags.values())
    assert world.ask(HTTP_ACCEPT_ENCODING="br", HTTP_IF_NONE_MATCH=tags["gzip"], method="HEAD")[0] == "200 OK"
