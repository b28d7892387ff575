"""How names are compared and sorted: ICU does both, since no byte order is right for people."""

from functools import lru_cache

import icu

# Cyrillic goes as passports and newspapers write it (Алиев is Aliyev); BGN's dot in "sovet·skiy" is not what one types.
LATIN = "Russian-Latin/BGN; Any-Latin; NFD; [[:Nonspacing Mark:]·] Remove; Latin-ASCII; Lower"
SCHWA = str.maketrans("ƏəӘә", "AaАа")  # Latin-ASCII leaves it; Azerbaijani names are written with a when it is missing
APOSTROPHES = str.maketrans("", "", "'`\u02b9\u02bb\u02bc\u02be\u02bf\u2018\u2019")  # O’Brien is found by obrien
FOLDED_LENGTH = 640  # a name and an affiliation, in scripts whose letters take two of ours


@lru_cache(maxsize=64)
def _collator(language: str) -> icu.Collator:
    return icu.Collator.createInstance(icu.Locale(language))


@lru_cache(maxsize=1)
def _folder() -> icu.Transliterator:
    return icu.Transliterator.createInstance(LATIN)


def sort_key(name: str, language: str) -> bytes:
    """Return bytes that sort `name` as `language` (a BCP 47 tag) sorts: by the Unicode Collation Algorithm and CLDR.

    The same blob gives the same order on every database. Unknown languages sort by CLDR's root.
    """
    return bytes(_collator(language).getSortKey(name)).rstrip(b"\0")


def fold(text: str) -> str:
    """Return `text` in small Latin letters without marks, so that a search for "aliyev" finds Əliyev and Алиев."""
    folded: str = text.lower() if text.isascii() else _folder().transliterate(text.translate(SCHWA))
    return " ".join(folded.translate(APOSTROPHES).split())[:FOLDED_LENGTH]


def version() -> str:
    """Return the collation data's version; stored sort keys are only good for this one (`letter check` compares)."""
    return f"{icu.ICU_VERSION}/{icu.UNICODE_VERSION}"


def is_right_to_left(text: str) -> bool:
    """Tell whether `text` starts in a right-to-left script (Unicode Bidirectional Algorithm, rule P2)."""
    return bool(text and icu.Bidi.getBaseDirection(text) == icu.UBiDiDirection.RTL)
