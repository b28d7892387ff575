"""Text from strangers: cleaning a line, rendering Markdown safely, taking digests."""

import hashlib
import re
import unicodedata
from functools import lru_cache

import icu
import nh3
from markdown_it import MarkdownIt

# ZWNJ and ZWJ belong to Persian, Sinhala and Indic spelling; every other invisible character has no place in a name.
JOINERS = "\u200c\u200d"
BLANKS = "\u2800\ufffd"  # a symbol by category, but nothing is to be seen; and what a broken encoding leaves
_kinds = icu.UCharCategory
HIDDEN = {_kinds.UNASSIGNED, _kinds.CONTROL_CHAR, _kinds.FORMAT_CHAR, _kinds.SURROGATE, _kinds.PRIVATE_USE_CHAR}
LINK = re.compile(r"://|\bwww\.\w|\S@\S+\.\w|\b[\w-]+\.[a-z]{2,}/", re.I)
MARKS_IN_A_ROW = 4
TAGS = {
    "p",
    "br",
    "em",
    "strong",
    "ul",
    "ol",
    "li",
    "blockquote",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "hr",
    "a",
    "code",
    "pre",
}

_markdown = MarkdownIt("commonmark", {"html": False, "linkify": False})


def clean(line: str) -> str:
    """Return `line` as one line: nothing invisible in it, white space collapsed and trimmed, NFC."""
    is_plain = line.isascii() and line.isprintable()
    return " ".join((line if is_plain else visible(line)).split())


def visible(line: str) -> str:
    """Return `line` in NFC without control, invisible or direction-changing characters; white space stays.

    Joiners are kept where they stand between letters or marks (Unicode Technical Report 36, section 2).
    """
    seen = "".join(c for c in line if not _is_hidden(c))
    near = zip((" " + seen)[:-1], seen, (seen + " ")[1:], strict=True)
    kept = "".join(c for before, c, after in near if c not in JOINERS or (_is_spelling(before) and _is_spelling(after)))
    return unicodedata.normalize("NFC", kept)


def _is_spelling(character: str) -> bool:
    return unicodedata.category(character)[0] in "LM"


def _is_hidden(character: str) -> bool:
    if character in JOINERS or character.isspace():
        return False
    if icu.Char.hasBinaryProperty(character, icu.UProperty.DEFAULT_IGNORABLE_CODE_POINT):
        return True
    return character in BLANKS or icu.Char.charType(character) in HIDDEN


def has_letter(line: str) -> bool:
    """Tell whether `line` holds at least one letter of any script."""
    return any(c.isalpha() for c in line)


def has_link(line: str) -> bool:
    """Tell whether `line` holds a web or mail address that a mail program would make a link of."""
    return LINK.search(line) is not None


def is_piled_up(line: str) -> bool:
    """Tell whether combining marks stand so thick on one letter that the line cannot be read."""
    run = longest = 0
    for character in line:
        run = run + 1 if unicodedata.combining(character) else 0
        longest = max(longest, run)
    return longest > MARKS_IN_A_ROW


def block(text: str) -> str:
    """Return a text of several lines with one kind of line end, NFC, without invisible characters around or in it."""
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    return "\n".join(visible(line) for line in lines).strip()


@lru_cache(maxsize=256)
def render(markdown: str) -> str:
    """Return safe HTML for `markdown`: CommonMark without raw HTML, then an allow-list of tags and link schemes."""
    return nh3.clean(
        _markdown.render(markdown).replace("<h1>", "<h2>").replace("</h1>", "</h2>"),
        tags=TAGS,
        attributes={"a": {"href"}},
        url_schemes={"http", "https", "mailto"},
        link_rel="noopener noreferrer nofollow",
    )


def digest(*parts: str) -> str:
    """Return the SHA-256 of `parts`, each preceded by its length so that no two lists of parts look alike."""
    hashed = hashlib.sha256()
    for part in parts:
        data = part.encode()
        hashed.update(len(data).to_bytes(8, "big") + data)
    return hashed.hexdigest()
