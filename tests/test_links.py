from dataclasses import replace

import pytest

from letter import tokens
from letter.config import Settings
from letter.errors import LinkInvalid
from letter.links import PATHS, Links
from letter.tokens import Purpose

UID = "an-opaque-id"


def last(link: str) -> str:
    return link.rpartition("/")[2]


def test_every_link_starts_with_the_base_url(settings: Settings) -> None:
    links = Links(replace(settings, base_url="https://letters.example.org"))
    made = [
        links.letter("library"),
        links.letter("library", "ar"),
        links.confirm(UID),
        links.mine(UID),
        links.not_me(UID),
        links.invitation("secret"),
    ]
    assert len(made) == len(PATHS)
    assert all(link.startswith("https://letters.example.org/") for link in made)


def test_a_letter_has_a_link_for_each_language(settings: Settings) -> None:
    links = Links(settings)
    assert links.letter("library") == "http://letter.example/library"
    assert links.letter("library", "zh-Hant") == "http://letter.example/library/zh-Hant"


@pytest.mark.parametrize("purpose", [Purpose.CONFIRM, Purpose.MINE, Purpose.NOT_ME])
def test_a_link_names_the_signature_for_its_own_purpose_only(settings: Settings, purpose: Purpose) -> None:
    link = getattr(Links(settings), purpose.replace("-", "_"))(UID)
    assert link.startswith(f"http://letter.example/{purpose}/")
    assert tokens.read(settings.keys.secret, purpose, last(link)) == UID
    for other in set(Purpose) - {purpose}:
        with pytest.raises(LinkInvalid):
            tokens.read(settings.keys.secret, other, last(link))


def test_a_link_is_the_same_every_time(settings: Settings) -> None:
    assert Links(settings).confirm(UID) == Links(settings).confirm(UID)


def test_an_invitation_carries_its_secret(settings: Settings) -> None:
    assert Links(settings).invitation("s3cret_-") == "http://letter.example/staff/invitation/s3cret_-"


def test_a_value_cannot_leave_its_place_in_the_path(settings: Settings) -> None:
    assert Links(settings).letter("../staff", "a?b#c") == "http://letter.example/..%2Fstaff/a%3Fb%23c"
