"""`deploy/nginx.conf` in a real nginx before a real server: public pages are kept, everything else passes by."""

import gzip
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlencode

import brotli
import pytest

from tests.nginx import Proxy, proxying
from tests.serving import Server, serving

pytestmark = pytest.mark.no_database

FORM = {"Content_Type": "application/x-www-form-urlencoded"}


@dataclass(frozen=True)
class Site:
    server: Server
    proxy: Proxy


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("site")
    more = {"LETTER_PROXIES": "1", "LETTER_BASE_URL": "https://127.0.0.1"}
    with serving(folder, "--no-work", **more) as server, proxying(folder / "nginx", server.port) as proxy:
        yield Site(server, proxy)


def test_each_encoding_is_kept_once_and_is_the_page(site: Site) -> None:
    browsers = ("br, gzip, zstd", "gzip, deflate, br", "gzip", "gzip;q=1.0", "", "deflate", "br;q=0", "GZIP")
    decode = {"br": brotli.decompress, "gzip": gzip.decompress, None: bytes}
    pages = [site.proxy.ask("/library", Accept_Encoding=accepted) for accepted in browsers]
    assert {decode[page.headers.get("content-encoding")](page.body) for page in pages} == {pages[4].body}
    assert {page.headers.get("content-encoding") for page in pages} == {"br", "gzip", None}
    assert {key for key in site.proxy.kept() if key.endswith(":/library")} == {
        "br:/library",
        "gzip:/library",
        ":/library",
    }
    assert b"Zelda Quist" in pages[4].body and pages[0].headers["vary"] == "Accept-Encoding"
    again = site.proxy.ask("/library", Accept_Encoding="br", If_None_Match=pages[0].headers["etag"])
    assert (again.status, again.body) == (304, b"")
    assert again.headers["content-security-policy"] == pages[0].headers["content-security-policy"]


def test_a_form_passes_and_too_much_does_not(site: Site) -> None:
    found = re.search(rb'name="stamp"[^>]*value="([^"]+)"', site.proxy.ask("/library").body)
    assert found
    data = {"stamp": found[1].decode(), "name": "Dana", "email": "d@example.org", "display": "public", "kind": "person"}
    answer = site.proxy.ask("/library/sign", "POST", urlencode({**data, "language": "en"}), **FORM)
    assert (answer.status, answer.headers["location"]) == (303, "/library/thanks")
    assert site.proxy.ask("/library/sign", "POST", "x" * 140_000, **FORM).status == 413


def test_only_public_pages_are_kept(site: Site) -> None:
    for path in ("/staff/sign-in", "/mine/x", "/confirm/x", "/not-me/x", "/library?x=1", "/library/signatures?q=zelda",
                 "/library/signatures?%71=zelda", "/library/nothing", "/nowhere", "/staff"):  # fmt: skip
        site.proxy.ask(path)
    for path in ("/", "/library.json", "/library/badge.svg", "/library/signatures"):
        assert site.proxy.ask(path).status == 200
    assert {path for _, _, path in (key.partition(":") for key in site.proxy.kept())} - {"/library"} == {
        "/", "/library.json", "/library/badge.svg", "/library/signatures"
    }  # fmt: skip


def test_what_is_for_machines_is_closed_and_style_is_compressed(site: Site) -> None:
    assert [site.proxy.ask(path).status for path in ("/metrics", "/readyz", "/healthz")] == [404, 404, 200]
    style = site.proxy.ask("/static/letter.css", Accept_Encoding="gzip")
    assert style.headers["content-encoding"] == "gzip" and b"body" in gzip.decompress(style.body)


def test_a_change_arrives_within_seconds(site: Site, tmp_path: Path) -> None:
    names = tmp_path / "names.txt"
    names.write_text("Yara Young – Teacher\n", "utf-8")
    site.server.run("import", "library", str(names), "--yes")
    end = time.monotonic() + 20
    while b"Yara Young" not in site.proxy.ask("/library").body:
        assert time.monotonic() < end
        time.sleep(0.2)


def test_public_pages_outlive_the_service_and_no_log_is_left(site: Site) -> None:
    """Last, since it ends the service."""
    page = site.proxy.ask("/library")
    site.server.stop()
    time.sleep(6)  # past stale-while-revalidate
    assert {site.proxy.ask("/library").body for _ in range(5)} == {page.body}
    assert site.proxy.ask("/staff/sign-in").status == 502
    assert site.proxy.ask("/library", Cookie="__Host-letter=key").status == 502  # staff are never shown a copy
    written = [file for file in site.proxy.folder.rglob("*") if file.is_file() and "copies" not in file.parts]
    assert not [file for file in written if b"sign-in" in file.read_bytes() or b"/mine/" in file.read_bytes()]
