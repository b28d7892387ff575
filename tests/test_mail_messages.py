import os
import re
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.headerregistry import Address
from email.message import EmailMessage
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from letter.config import BadSetting, Settings
from letter.links import Links
from letter.mail import messages
from letter.models import Display, Kind, Letter, LetterText, Moderation, Signature, State
from letter.outbox import Mail
from letter.sealing import Keys
from letter.text import clean
from tests.mail_server import part

GOLDEN = Path(__file__).parent / "mails"
NOON = datetime(2026, 7, 8, 12, 0, tzinfo=UTC)
SENDER = Address("Open letters", "letters", "letter.example")
KEYS = Keys(b"Z29sZGVuLi4uLi4uLi4uLi4uLi4uLi4uLi4uLi4uLi4=", b"", b"")
LINKS = Links(Settings(instance=Path(), keys=KEYS, base_url="http://letter.example"))
EVERY = list(Mail)
ARABIC: dict[str, Any] = {"title": "افتحوا المكتبة", "name": "ليلى منصور", "affiliation": "معلمة", "language": "ar"}


def sample(
    *,
    title: str = "Open the library",
    name: str = "Dana Ivers",
    affiliation: str = "Nurse, St Mary’s",
    language: str = "en",
    moderation: Moderation = Moderation.BEFORE,
    display: Display = Display.PUBLIC,
) -> Signature:
    letter = Letter(slug="library", default_language=language, moderation=moderation)
    return Signature(
        uid="the-signatures-uid-000",
        letter=letter,
        text=LetterText(title=title, language=language, letter=letter),
        kind=Kind.PERSON,
        name=name,
        affiliation=affiliation,
        display=display,
        state=State.PENDING,
        expires_at=NOON + timedelta(days=7),
    )


def email(kind: Mail, signature: Signature, to: str = "dana@example.org") -> EmailMessage:
    message = messages.build(LINKS, kind, signature)
    return messages.as_email(message, sender=SENDER, to=to, message_id="the-message-id", date=NOON)


def printed(mail: EmailMessage) -> str:
    """The whole mail as a reader's program shows it."""
    headers = "".join(f"{name}: {value}\n" for name, value in mail.items())
    return f"{headers}\n--- text\n{part(mail, 'plain')}\n--- html\n{part(mail, 'html')}"


class Parsed(HTMLParser):
    """The elements, with their attributes, and the text of a page."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, tuple[str, ...]]] = []
        self.links: list[str] = []
        self.words: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, tuple(name for name, _ in attrs)))
        self.links += [value or "" for name, value in attrs if name in ("href", "src", "background", "action")]

    def handle_data(self, data: str) -> None:
        self.words.append(data)


@pytest.mark.parametrize("script", ["latin", "arabic"])
@pytest.mark.parametrize("moderation", list(Moderation))
@pytest.mark.parametrize("kind", EVERY)
def test_a_mail_is_word_for_word_the_agreed_one(kind: Mail, moderation: Moderation, script: str) -> None:
    signature = sample(moderation=moderation, **ARABIC) if script == "arabic" else sample(moderation=moderation)
    now, golden = printed(email(kind, signature)), GOLDEN / f"{kind}-{moderation}-{script}.txt"
    if os.environ.get("LETTER_REWRITE_GOLDENS") == "1":
        golden.write_text(now, "utf-8")
    assert now == golden.read_text("utf-8")


@pytest.mark.parametrize("kind", EVERY)
def test_a_mail_is_the_same_bytes_every_time(kind: Mail) -> None:
    assert email(kind, sample()).as_bytes() == email(kind, sample()).as_bytes()


@pytest.mark.parametrize("kind", EVERY)
def test_text_and_html_hold_the_same_links_each_once(kind: Mail) -> None:
    mail = email(kind, sample())
    in_text = re.findall(r"https?://\S+", part(mail, "plain"))
    assert Counter(in_text) == Counter(Parsed(part(mail, "html")).links)
    assert max(Counter(link.split("/")[3] for link in in_text).values()) == 1
    assert {link.split("/")[2] for link in in_text} == {"letter.example"}


def test_each_mail_has_the_links_it_is_for() -> None:
    found = {kind: re.findall(r"letter\.example/([\w-]+)", part(email(kind, sample()), "plain")) for kind in EVERY}
    assert found[Mail.CONFIRM] == ["confirm", "not-me"]
    assert found[Mail.CONFIRMED] == ["library", "mine", "not-me"]
    assert found[Mail.ALREADY] == ["mine", "not-me"]


@pytest.mark.parametrize("kind", EVERY)
@pytest.mark.parametrize("display", list(Display))
def test_no_mail_asks_anybody_to_sign_in(kind: Mail, display: Display) -> None:
    whole = printed(email(kind, sample(display=display))).lower()
    assert not re.search(r"sign[ -]?in\b|log[ -]?in\b|password|/staff", whole)


@pytest.mark.parametrize("kind", EVERY)
def test_nothing_is_loaded_and_nothing_is_counted(kind: Mail) -> None:
    html = part(email(kind, sample()), "html")
    tags = {tag for tag, _ in Parsed(html).elements}
    assert tags <= {"html", "head", "meta", "title", "body", "p", "br", "strong", "a", "hr"}
    assert "url(" not in html
    assert not any("?" in link for link in Parsed(html).links)


@pytest.mark.parametrize("kind", EVERY)
def test_the_headers_say_that_a_machine_wrote_it(kind: Mail) -> None:
    mail = email(kind, sample())
    assert mail["Auto-Submitted"] == "auto-generated"
    assert mail["Content-Language"] == "en"
    assert mail["Message-ID"] == "<the-message-id@letter.example>"
    assert mail["From"] == "Open letters <letters@letter.example>"
    assert mail["Date"].datetime == NOON


def test_the_confirming_mail_says_until_when_and_that_a_button_follows() -> None:
    text = " ".join(part(email(Mail.CONFIRM, sample()), "plain").split())
    assert "The page that opens shows a button; nothing happens before you press it." in text
    assert "until 15 July 2026, 12:00 UTC: 7 days" in text
    assert "It was not you? Do nothing" in text


SHOWN = {
    (Display.PUBLIC, Moderation.BEFORE): ("a person here has looked at it, everybody", "A person looks at each name"),
    (Display.PUBLIC, Moderation.AFTER): ("confirmed, everybody can read it", "Your name is on the letter now"),
    (Display.RECIPIENTS, Moderation.BEFORE): ("it is not published", "each name before it goes on the list"),
    (Display.RECIPIENTS, Moderation.AFTER): ("it is not published", "It is now on the list"),
    (Display.COUNTED, Moderation.BEFORE): ("only those who check the signatures", "your name is not shown"),
    (Display.COUNTED, Moderation.AFTER): ("only those who check the signatures", "your name is not shown"),
}


@pytest.mark.parametrize(("display", "moderation"), SHOWN)
def test_a_mail_says_who_will_read_the_name(display: Display, moderation: Moderation) -> None:
    for kind, words in zip((Mail.CONFIRM, Mail.CONFIRMED), SHOWN[display, moderation], strict=True):
        mail = email(kind, sample(display=display, moderation=moderation))
        assert words in " ".join(part(mail, "plain").split())
        assert words in " ".join(part(mail, "html").split())


def test_a_letter_in_another_language_is_linked_in_that_language() -> None:
    signature = sample()
    signature.text.language = "az"
    assert "http://letter.example/library/az\n" in part(email(Mail.CONFIRMED, signature), "plain")


def test_no_affiliation_leaves_no_gap() -> None:
    whole = printed(email(Mail.CONFIRM, sample(affiliation="")))
    assert "Affiliation" not in whole
    assert "\n\n\n\n" not in part(email(Mail.CONFIRM, sample(affiliation="")), "plain")


def test_right_to_left_text_says_so_and_the_english_around_it_does_not() -> None:
    html = part(email(Mail.ALREADY, sample(**ARABIC)), "html")
    assert '<html lang="en" dir="ltr">' in html
    assert '<p lang="ar" dir="rtl"><strong>افتحوا المكتبة</strong></p>' in html
    assert '<strong dir="rtl">ليلى منصور</strong>' in html


HOSTILE = [
    "<img src=x onerror=alert(1)>",
    "</strong></p><a href=https://evil.example>Confirm</a>",
    "\" onmouseover='x'",
    "{{ links.mine('x') }}{% raw %}",
    "&lt;b&gt; &amp;amp;",
    "=?utf-8?q?=0ABcc:_cleo@example.org?=",
    "Cleo" * 30,
    "مرحبا Cleo <b>",
]


@pytest.mark.parametrize("kind", EVERY)
@pytest.mark.parametrize("value", HOSTILE)
def test_what_a_stranger_typed_stays_text(kind: Mail, value: str) -> None:
    html = part(email(kind, sample(title=value, name=value, affiliation=value)), "html")
    assert Parsed(html).elements == Parsed(part(email(kind, sample()), "html")).elements
    assert Parsed(html).words.count(value) == 3
    assert Parsed(html).links == Parsed(part(email(kind, sample()), "html")).links


@pytest.mark.parametrize("kind", EVERY)
@given(value=st.text(min_size=1, max_size=200).map(clean).filter(bool))
@hypothesis_settings(max_examples=60, deadline=None)
def test_a_name_stands_alone_on_one_line(kind: Mail, value: str) -> None:
    usual = part(email(kind, sample()), "plain").splitlines()
    text = part(email(kind, sample(name=value)), "plain").splitlines()
    assert [line for line in text if line not in usual] in ([f"    {value}"], [])
    assert len(text) == len(usual)


def headers(mail: EmailMessage) -> list[str]:
    """The names that stand at the beginning of the head's lines, as it is sent."""
    head = mail.as_bytes().decode("ascii").partition("\r\n\r\n")[0]
    return [line.partition(":")[0] for line in head.split("\r\n") if line[:1] not in " \t"]


@pytest.mark.parametrize("title", ["a\r\nBcc: cleo@example.org", "=?utf-8?q?a=0D=0ABcc:_cleo@example.org?=", "x" * 200])
def test_a_title_cannot_add_a_header(title: str) -> None:
    mail = email(Mail.ALREADY, sample(title=title))
    assert mail["Bcc"] is None
    assert headers(mail) == headers(email(Mail.ALREADY, sample()))


@given(title=st.text(min_size=1, max_size=200))
@hypothesis_settings(max_examples=100, deadline=None)
def test_every_title_makes_a_mail_whose_subject_is_one_line(title: str) -> None:
    mail = email(Mail.ALREADY, sample(title=title))
    assert "\n" not in mail["Subject"]
    assert headers(mail) == headers(email(Mail.ALREADY, sample()))


@pytest.mark.parametrize("kind", EVERY)
def test_every_line_is_short_enough_for_every_server_and_ascii(kind: Mail) -> None:
    raw = email(kind, sample(**{**ARABIC, "name": "ليلى " * 24})).as_bytes()
    assert raw.isascii()
    assert max(len(line) for line in raw.split(b"\r\n")) <= 998


def test_a_domain_beyond_ascii_is_written_in_ascii() -> None:
    assert messages.routable("dana@bücher.example.org") == "dana@xn--bcher-kva.example.org"
    assert messages.routable("dana@straße.de") == "dana@xn--strae-oqa.de"
    assert messages.routable("дана@example.org") == "дана@example.org"


@pytest.mark.parametrize("address", ["", "dana", "@example.org", "dana@", "дана@"])
def test_what_is_no_address_is_refused(address: str) -> None:
    with pytest.raises(ValueError, match=r"address|@"):
        messages.routable(address)


def test_an_address_beyond_ascii_makes_a_mail_in_utf8() -> None:
    mail = email(Mail.CONFIRM, sample(), to="дана@example.org")
    assert "To: дана@example.org\r\n".encode() in mail.as_bytes()


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("letters@letter.example", "letters@letter.example"),
        ("Open letters <letters@letter.example>", "Open letters <letters@letter.example>"),
        ('"Letters, open" <letters@letter.example>', '"Letters, open" <letters@letter.example>'),
        ("Məktublar <letters@bücher.example.org>", "Məktublar <letters@xn--bcher-kva.example.org>"),
    ],
)
def test_the_sender_is_the_one_in_the_settings(settings: Settings, said: str, shown: str) -> None:
    assert str(messages.sender(replace(settings, mail_from=said))) == shown


@pytest.mark.parametrize("said", ["", "@", "Letters, open <letters@letter.example>", "листы@letter.example"])
def test_a_sender_that_cannot_be_used_is_refused_by_name(settings: Settings, said: str) -> None:
    with pytest.raises(BadSetting, match="LETTER_MAIL_FROM"):
        messages.sender(replace(settings, mail_from=said))
