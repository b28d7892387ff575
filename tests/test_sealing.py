"""Addresses at rest: a keyed hash that recognises, and a sealed copy that only our key opens."""

import base64
import itertools

import pytest
from cryptography.fernet import Fernet
from hypothesis import given, settings
from hypothesis import strategies as st

from letter.sealing import PADDED_TO, Keys, Unsealable, email_key, keyed, normal, seal, unseal

SECRET, SEALING, INDEX = (b"dGVzdHMgb25seTogdGhlIHNlY3JldCBrZXkuLi4uLi4=", b"A" * 43 + b"=", b"I" * 43 + b"=")
KEYS = Keys(SECRET, SEALING, INDEX)
OTHER = Keys(*(Fernet.generate_key() for _ in range(3)))
ADDRESS = "ada@example.org"


@settings(deadline=None)
@given(st.text(max_size=254).map(lambda text: text.rstrip("\0")))
def test_what_was_sealed_can_be_unsealed(text: str):
    assert unseal(KEYS, seal(KEYS, text)) == text


@settings(deadline=None)
@given(st.integers(1, PADDED_TO), st.integers(1, PADDED_TO))
def test_the_padding_hides_how_long_an_address_is(one: int, other: int):
    assert len(seal(KEYS, "a" * one)) == len(seal(KEYS, "a" * other))


def test_sealing_twice_gives_two_values_without_the_address():
    one, other = seal(KEYS, ADDRESS), seal(KEYS, ADDRESS)
    assert one != other
    assert b"ada" not in one


def test_another_sealing_key_does_not_open_it():
    with pytest.raises(Unsealable):
        unseal(Keys(SECRET, OTHER.sealing, INDEX), seal(KEYS, ADDRESS))


def test_no_changed_byte_is_accepted():
    sealed = base64.urlsafe_b64decode(seal(KEYS, ADDRESS))  # base64 itself has spare bits that mean nothing
    for at, bit in itertools.product(range(len(sealed)), (1, 128)):
        changed = sealed[:at] + bytes([sealed[at] ^ bit]) + sealed[at + 1 :]
        with pytest.raises(Unsealable):
            unseal(KEYS, base64.urlsafe_b64encode(changed))


@pytest.mark.parametrize("sealed", [b"", b"\0", b"x" * 140, ADDRESS.encode(), seal(KEYS, ADDRESS)[:-1]])
def test_what_was_never_sealed_is_refused(sealed: bytes):
    with pytest.raises(Unsealable):
        unseal(KEYS, sealed)


def test_a_seal_of_last_year_still_opens():
    sealed = (
        b"gAAAAABrAgIfRyk04mN6zI8-Pd2qCS1gTMHzR7Hes7gZZB8Kilkw7Tpj8pF6Y9sQgkpETVNvuuhRYnF7T9EjNOJMdcMKepVuM_zaYdabUhPi"
        b"YZ-z-thIGN5LYlpTqSBBaNsDQywor8MoYM_iSod6JLQeGdRkapBW6I2Rfc-B20dRSb02dKGSSlw="
    )
    assert unseal(KEYS, sealed) == ADDRESS


@pytest.mark.parametrize(
    "typed",
    [
        "ADA@EXAMPLE.ORG",
        "Ada@Example.org",
        " ada@example.org\n",
        "ａｄａ＠ｅｘａｍｐｌｅ．ｏｒｇ",
        "ＡＤＡ＠example.org",
        "𝐚𝐝𝐚@example.org",
        "ⓐda@example.org",
        "ada@example\uff0eorg",
    ],
)
def test_an_address_is_recognised_however_it_is_typed(typed: str):
    assert normal(typed) == ADDRESS
    assert email_key(KEYS, "letter", typed) == email_key(KEYS, "letter", ADDRESS)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("straße@example.org", "STRASSE@example.org"),
        ("ﬁlm@example.org", "FILM@example.org"),
        ("Ame\u0301lie@example.org", "amélie@example.org"),
        ("ΣΊΣΥΦΟΣ@example.org", "σίσυφος@example.org"),
        ("ſam@example.org", "sam@example.org"),
    ],
)
def test_letters_that_unicode_takes_for_the_same_are_the_same(one: str, other: str):
    assert normal(one) == normal(other)


@pytest.mark.parametrize(
    "other", ["a.da@example.org", "ada+letters@example.org", "ada@example.com", "adа@example.org", "ada"]
)
def test_what_may_be_another_person_stays_another(other: str):
    assert email_key(KEYS, "letter", other) != email_key(KEYS, "letter", ADDRESS)


def test_the_keyed_hash_of_last_year_is_still_the_same():
    assert (
        email_key(KEYS, "letter", ADDRESS).hex() == "4ab986ab042fc253b658902c41b5d2ad6e8888dcc75131a614a3259a72debffd"
    )


def test_letters_cannot_be_joined_by_their_keys():
    found = {email_key(KEYS, scope, ADDRESS) for scope in ("one", "two", "", "scope:one", "onea")}
    assert len(found) == 5
    assert {len(key) for key in found} == {32}


def test_the_scope_and_the_value_cannot_run_into_each_other():
    assert keyed(KEYS, "one", "two") != keyed(KEYS, "onet", "wo")


def test_only_the_index_key_makes_the_keyed_hash():
    assert keyed(Keys(OTHER.secret, OTHER.sealing, INDEX), "letter", ADDRESS) == keyed(KEYS, "letter", ADDRESS)
    assert keyed(Keys(SECRET, SEALING, OTHER.index), "letter", ADDRESS) != keyed(KEYS, "letter", ADDRESS)


def test_keys_do_not_show_themselves():
    assert not any(key.decode() in f"{KEYS!r} {KEYS}" for key in (SECRET, SEALING, INDEX))
