"""Text from strangers: what is taken out of a line, what is kept, and what Markdown may become."""

import hashlib
import unicodedata
from html.parser import HTMLParser

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from letter import text

ANYTHING = st.text(st.characters(), max_size=200)  # lone surrogates too


@pytest.mark.parametrize(
    ("typed", "kept"),
    [
        ("  Ada   Alder ", "Ada Alder"),
        ("Ada\u00a0Alder", "Ada Alder"),
        ("Ada\tAlder\r\nTeacher", "Ada Alder Teacher"),
        ("Ada\u2028Alder", "Ada Alder"),
        ("\ufeffAda\u200b", "Ada"),
        ("Ada \u202eredlA", "Ada redlA"),
        ("\u2066Ada\u2069", "Ada"),
        ("A\u00adda", "Ada"),
        ("A\0d\x07a", "Ada"),
        ("Ada\ue000\U0010fffd\ufdd0\U0001ffff\ufffd\ud800", "Ada"),
        ("\U000e0041Ada", "Ada"),
        ("\u3164\u2800\u115f", ""),
        ("Ame\u0301lie", "Amélie"),
        ("\u200cAda\u200d", "Ada"),
        ("Ada \u200c Alder", "Ada Alder"),
    ],
)
def test_a_line_loses_what_cannot_be_seen(typed: str, kept: str):
    assert text.clean(typed) == kept


@pytest.mark.parametrize(
    "name", ["Əliyeva Günel", "می‌خواهم", "क्‍षमा", "王小明", "O’Brien-Łoś", "Nguyễn Thị Ánh", "محمد علي"]
)
def test_names_of_every_script_stay_as_they_are(name: str):
    assert text.clean(name) == name


@settings(deadline=None)
@given(ANYTHING)
def test_a_clean_line_is_one_line_in_nfc_and_cleaning_it_again_changes_nothing(line: str):
    clean = text.clean(line)
    assert clean == text.clean(clean) == unicodedata.normalize("NFC", clean) == " ".join(clean.split())
    assert not {unicodedata.category(c) for c in clean} & {"Cc", "Cs", "Co", "Zl", "Zp"}
    clean.encode()


def test_a_block_keeps_its_lines_and_has_one_kind_of_line_end():
    assert text.block("\n\n  One\r\ntwo\rthree\u202e\n\n\tfour\n \n") == "One\ntwo\nthree\n\n\tfour"


@pytest.mark.parametrize(("line", "has"), [("王", True), ("Ж", True), ("é", True), ("", False), ("12 !?", False)])
def test_a_name_without_any_letter_is_known(line: str, has: bool):
    assert text.has_letter(line) is has


@pytest.mark.parametrize(
    ("line", "is_piled"), [("Z" + "\u0351\u036b\u0343\u036a\u033d", True), ("Nguyê\u0303\u0323n", False)]
)
def test_piled_up_marks_are_known(line: str, is_piled: bool):
    assert text.is_piled_up(line) is is_piled


@pytest.mark.parametrize(
    ("markdown", "html"),
    [
        ("One *two* **three**", "<p>One <em>two</em> <strong>three</strong></p>\n"),
        ("# One", "<h2>One</h2>\n"),
        ("- One\n- Two", "<ul>\n<li>One</li>\n<li>Two</li>\n</ul>\n"),
        ("<script>x</script>", "<p>&lt;script&gt;x&lt;/script&gt;</p>\n"),
        ("a <img src=x onerror=x>", "<p>a &lt;img src=x onerror=x&gt;</p>\n"),
        ("![a](https://elsewhere.example/a.png)", "<p></p>\n"),
        ("[a](javascript:x)", "<p>[a](javascript:x)</p>\n"),
        ("http://letter.example", "<p>http://letter.example</p>\n"),
        (
            "[a](https://letter.example/?b=1&c=2)",
            '<p><a href="https://letter.example/?b=1&amp;c=2" rel="noopener noreferrer nofollow">a</a></p>\n',
        ),
    ],
)
def test_markdown_becomes_safe_html(markdown: str, html: str):
    assert text.render(markdown) == html


class Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.seen = list[tuple[str, dict[str, str | None]]]()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))


PIECES = ["<script>", "<a href=", "javascript:", "data:x", "](", "[x]", "![", "<svg/onload=x>", "\n\n", "> ", "&#x6a;"]
PIECES += [
    "&lt;",
    '"',
    "'",
    "`",
    "<javascript:x>",
    "\t",
    "\\",
    "(",
    ")",
    "</p>",
    " style=x",
    "[x]: vbscript:x",
    "HTTPS://a.b",
]


@settings(deadline=None)
@given(st.lists(st.sampled_from(PIECES) | st.text(max_size=5), max_size=12).map("".join))
def test_nothing_but_the_listed_tags_and_links_comes_out(markdown: str):
    tags = Tags()
    tags.feed(text.render(markdown))
    for tag, attributes in tags.seen:
        assert tag in text.TAGS
        assert attributes.keys() <= ({"href", "rel", "title"} if tag == "a" else set())
        scheme, colon, _ = (attributes.get("href") or "").partition(":")
        assert (
            not colon
            or "/" in scheme
            or "?" in scheme
            or "#" in scheme
            or scheme.lower() in ("http", "https", "mailto")
        )


def test_a_digest_tells_where_one_part_ends():
    assert text.digest("a", "b") == hashlib.sha256(b"\0\0\0\0\0\0\0\1a\0\0\0\0\0\0\0\1b").hexdigest()
    assert len({text.digest(*parts) for parts in (("a", "b"), ("ab",), ("", "ab"), ("ab", ""), ())}) == 5
