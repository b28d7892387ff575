"""Encodings and tags, in the words of RFC 9110."""

import gzip

import brotli
import pytest

from letter import negotiation

pytestmark = pytest.mark.no_database

PAGE = b"<p>We ask for the library to be opened.</p>" * 40


@pytest.mark.parametrize(
    ("accepted", "wanted"),
    [
        ("gzip, deflate, br, zstd", "br"),
        ("gzip, deflate", "gzip"),
        ("GZIP", "gzip"),
        ("br;q=0, gzip", "gzip"),
        ("br;q=0.5, gzip;q=0.8", "gzip"),
        ("*", "br"),
        ("*;q=0", "identity"),
        ("br;q=0, *", "gzip"),
        ("identity", "identity"),
        ("identity;q=1, gzip;q=0.5", "identity"),
        ("identity;q=0, gzip;q=0.5", "gzip"),
        ("deflate", "identity"),
        ("gzip;q=nonsense", "identity"),
        ("gzip;q=", "identity"),
        (";;;,,=,", "identity"),
        ("", "identity"),
    ],
)
def test_the_encoding_is_the_one_that_the_browser_likes_best(accepted: str, wanted: str) -> None:
    assert negotiation.best(accepted) == wanted


def test_every_encoding_holds_the_same_page_and_is_smaller() -> None:
    forms = negotiation.forms(PAGE)
    assert brotli.decompress(forms["br"]) == gzip.decompress(forms["gzip"]) == forms["identity"] == PAGE
    assert len(forms["br"]) < len(forms["gzip"]) < len(PAGE)


def test_what_is_small_is_left_as_it_is_and_the_same_page_gives_the_same_bytes() -> None:
    assert negotiation.forms(b"{}") == {"identity": b"{}"}
    assert negotiation.forms(PAGE) == negotiation.forms(PAGE)


@pytest.mark.parametrize(
    ("asked", "is_known"),
    [('"a"', True), ('W/"a"', True), ('"x", "a"', True), ("*", True), ('"a-br"', False), ("a", False), ('"', False)],
)
def test_a_page_is_known_by_its_tag(asked: str, is_known: bool) -> None:
    assert negotiation.is_known(asked, '"a"') is is_known
