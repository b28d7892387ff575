"""Names: sorted as their language sorts, found however they are spelt, and never lost."""

from functools import cmp_to_key

import icu
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from letter import names

ALPHABET = "ABCÇDEƏFGĞHXIİJKQLMNOÖPRSŞTUÜVYZ"
NAMES = [
    "Əliyev",
    "Eldar",
    "Fuad",
    "Xədicə",
    "Hafiz",
    "Ilqar",
    "İlqar",
    "Ülvi",
    "Uğur",
    "Çingiz",
    "ada",
    "Ada",
    "王小明",
]
NAMES += [
    "Алиев",
    "محمد",
    "Zoë",
    "Zoe",
    "O’Brien",
    "Ørsted",
    "Ångström",
    "Żak",
    "Ñandú",
    "de la Cruz",
    "Readers’ Union",
]


def by_key(found: list[str], language: str) -> list[str]:
    return sorted(found, key=lambda name: names.sort_key(name, language))


def test_azerbaijani_names_stand_in_the_order_of_its_alphabet():
    assert by_key(sorted(ALPHABET), "az") == list(ALPHABET)
    assert by_key(["Fuad", "İlqar", "Jalə", "Ilqar", "Xədicə", "Hafiz", "Əliyev", "Eldar"], "az") == [
        *("Eldar", "Əliyev", "Fuad", "Hafiz", "Xədicə", "Ilqar", "İlqar", "Jalə")
    ]


@pytest.mark.parametrize(
    ("language", "order"),
    [
        ("de", ["Ada", "Ähre", "Otto", "Ötzi", "Zoe"]),
        ("sv", ["Ada", "Otto", "Zoe", "Ähre", "Ötzi"]),
        ("tr", ["Can", "Çınar", "Ilgaz", "İnci", "Şule", "Tan"]),
        ("ru", ["Ада", "Егор", "Ёлкин", "Жанна"]),
        ("xx", ["Ada", "Ähre", "Zoe"]),
        ("not-a-language", ["Ada", "Ähre", "Zoe"]),
    ],
)
def test_each_language_has_its_own_order(language: str, order: list[str]):
    assert by_key(order[::-1], language) == order


@pytest.mark.parametrize("language", ["az", "en", "de", "sv", "ru", "ar", "zh"])
def test_the_keys_stand_in_the_order_in_which_icu_compares(language: str):
    compare = icu.Collator.createInstance(icu.Locale(language)).compare
    assert by_key(NAMES, language) == sorted(NAMES, key=cmp_to_key(compare))


@settings(deadline=None)
@given(st.text(max_size=40), st.text(max_size=40))
def test_any_two_keys_compare_as_icu_compares_the_names(one: str, other: str):
    a, b = names.sort_key(one, "az"), names.sort_key(other, "az")
    assert (a > b) - (a < b) == icu.Collator.createInstance(icu.Locale("az")).compare(one, other)


@pytest.mark.parametrize(
    ("typed", "folded"),
    [
        *(
            (name, "aliyev")
            for name in ("Əliyev", "əliyev", "ƏLİYEV", "Aliyev", "ALIYEV", "Alıyev", "Алиев", "Aliyev\u0301")
        ),
        ("Әлиев", "aliyev"),
        ("İsmayıl Ğənizadə", "ismayil ganizada"),
        ("Straße", "strasse"),
        ("Łukasz Żółć", "lukasz zolc"),
        ("Øyvind Æsir", "oyvind aesir"),
        ("Советский", "sovetskiy"),
        ("Μαρία", "maria"),
        ("王小明", "wang xiao ming"),
        ("محمد", "mhmd"),
        ("서울", "seoul"),
        ("  Ada   Alder ", "ada alder"),
        ("", ""),
    ],
)
def test_one_search_finds_every_spelling(typed: str, folded: str):
    assert names.fold(typed) == folded


@pytest.mark.parametrize("name", ["محمد علي", "王小明", "דנה", "ดาริน", "დავით", "Արամ", "ተስፋዬ", "かな", "नीला"])
def test_no_script_vanishes_in_folding(name: str):
    assert len(names.fold(name).replace(" ", "")) >= 2
    assert names.fold(name) in names.fold(f"Ada {name} Alder")


@settings(deadline=None)
@given(st.text(max_size=80))
def test_folding_is_short_and_in_one_case(name: str):
    folded = names.fold(name)
    assert len(folded) <= names.FOLDED_LENGTH
    assert folded == " ".join(folded.split())
    assert not any("A" <= letter <= "Z" for letter in folded)


@pytest.mark.parametrize(
    ("line", "is_rtl"),
    [
        ("محمد", True),
        ("1 محمد", True),
        ("דנה Ada", True),
        ("Ada محمد", False),
        ("王", False),
        ("12", False),
        ("", False),
    ],
)
def test_the_first_strong_letter_gives_the_direction(line: str, is_rtl: bool):
    assert names.is_right_to_left(line) is is_rtl


def test_the_version_is_that_of_the_sorting_rules():
    assert names.version() == f"{icu.ICU_VERSION}/{icu.UNICODE_VERSION}"


@pytest.mark.parametrize("written", ["O’Brien", "O'Brien", "Oʻbrien", "OBRIEN"])
def test_an_apostrophe_hides_nobody_from_a_search(written: str) -> None:
    assert names.fold(written) == "obrien"
