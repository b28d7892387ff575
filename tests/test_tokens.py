"""Links that cannot be made up: each opens for its own purpose, and nothing else opens anything."""

import random
import string

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from itsdangerous import BadSignature, SignatureExpired, URLSafeSerializer

from letter.errors import LinkInvalid
from letter.tokens import TOKEN_LENGTH, Purpose, new_uid, read, stamper, write

SECRET = b"dGVzdHMgb25seTogdGhlIHNlY3JldCBrZXkuLi4uLi4="
OTHER = b"b3RoZXIgdGVzdHM6IHRoZSBzZWNyZXQga2V5Li4uLi4="
UID = "Zm9yIHRlc3RzIG9ubHkuLg"
TOKEN = write(SECRET, Purpose.CONFIRM, UID)
LETTERS = string.ascii_letters + string.digits + "-_.=!>~%é"


def test_a_token_is_the_one_that_was_sent_last_year():
    assert TOKEN == "IlptOXlJSFJsYzNSeklHOXViSGt1TGci.QvSZU4HzaNk3fhT3DQszWiDod8TY1b3Ep3QfpLU6ziQ"


@pytest.mark.parametrize("asked", Purpose)
@pytest.mark.parametrize("meant", Purpose)
def test_a_token_opens_for_its_own_purpose_alone(meant: Purpose, asked: Purpose):
    token = write(SECRET, meant, UID)
    if asked is meant:
        assert read(SECRET, asked, token) == UID
    else:
        with pytest.raises(LinkInvalid):
            read(SECRET, asked, token)


def test_another_instance_does_not_open_it():
    with pytest.raises(LinkInvalid):
        read(OTHER, Purpose.CONFIRM, TOKEN)


def mutated(chance: random.Random) -> str:
    """The token with one character changed, put in, taken out, or two exchanged; maybe several times."""
    token = list(TOKEN)
    for _ in range(chance.choice((1, 1, 1, 2, 5))):
        at = chance.randrange(len(token))
        match chance.randrange(4):
            case 0:
                token[at] = chance.choice(LETTERS)
            case 1:
                token.insert(chance.randrange(len(token) + 1), chance.choice(LETTERS))
            case 2:
                del token[at]
            case _:
                to = chance.randrange(len(token))
                token[at], token[to] = token[to], token[at]
    return "".join(token)


def test_ten_thousand_mutated_tokens_open_nothing():
    chance = random.Random(20)  # noqa: S311
    tried = 0
    while tried < 10_000:
        token = mutated(chance)
        if token == TOKEN:
            continue
        tried += 1
        with pytest.raises(LinkInvalid):
            read(SECRET, Purpose.CONFIRM, token)


def test_every_other_last_letter_is_refused_although_base64_would_take_three():
    for letter in set(LETTERS) - {TOKEN[-1]}:
        with pytest.raises(LinkInvalid):
            read(SECRET, Purpose.CONFIRM, TOKEN[:-1] + letter)


@pytest.mark.parametrize("length", range(len(TOKEN)))
def test_a_token_that_lost_its_end_is_refused(length: int):
    with pytest.raises(LinkInvalid):
        read(SECRET, Purpose.CONFIRM, TOKEN[:length])


@pytest.mark.parametrize(
    "token",
    [
        "",
        ".",
        "..",
        "é",
        "\0",
        "\ud800",
        "🖋" * 50,
        "a" * TOKEN_LENGTH,
        "a" * 10_000_000,
        f"{TOKEN} ",
        f" {TOKEN}",
        f"{TOKEN}>",
    ],
    ids=lambda token: f"{token[:8]!a} of {len(token)}",
)
def test_nonsense_is_refused(token: str):
    with pytest.raises(LinkInvalid):
        read(SECRET, Purpose.CONFIRM, token)


@settings(deadline=None)
@given(st.text(st.characters(), max_size=TOKEN_LENGTH + 1))
def test_no_text_at_all_is_a_token(text: str):
    with pytest.raises(LinkInvalid):
        read(SECRET, Purpose.CONFIRM, text)


@pytest.mark.parametrize("content", [None, 1, True, ["a"], {"uid": UID}, "x" * 300])
def test_a_signed_value_that_is_no_id_is_refused(content: object):
    token = URLSafeSerializer(SECRET, salt="letter.confirm").dumps(content)
    with pytest.raises(LinkInvalid):
        read(SECRET, Purpose.CONFIRM, str(token))


def test_ids_are_long_random_and_fit_into_a_path():
    uids = {new_uid() for _ in range(1000)}
    assert len(uids) == 1000
    assert {len(uid) for uid in uids} == {22}
    assert set("".join(uids)) <= set(string.ascii_letters + string.digits + "-_")


def test_a_token_fits_into_a_path_and_within_the_limit():
    assert set(TOKEN) <= set(string.ascii_letters + string.digits + "-_.")
    assert len(TOKEN) < TOKEN_LENGTH


def test_a_dated_stamp_is_for_one_purpose_and_of_one_time():
    stamp = stamper(SECRET, "form").sign("letter")
    assert stamper(SECRET, "form").unsign(stamp, max_age=60) == b"letter"
    with pytest.raises(BadSignature):
        stamper(SECRET, "session").unsign(stamp)
    with pytest.raises(SignatureExpired):
        stamper(SECRET, "form").unsign(stamp, max_age=-1)
