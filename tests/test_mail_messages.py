import os
import re
from collections import Counter
from email.message import EmailMessage
from html.parser import HTMLParser
from pathlib import Path

import pytest

from letter.models import Display, Moderation
from letter.outbox import Mail
from tests.mail_server import part
from tests.mailing import ARABIC, NOON, email, sample

GOLDEN = Path(__file__).parent / "mails"
EVERY = list(Mail)


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
    facts = sample(moderation=moderation, **ARABIC) if script == "arabic" else sample(moderation=moderation)
    now, golden = printed(email(kind, facts)), GOLDEN / f"{kind}-{moderation}-{script}.txt"
    if os.environ.get("LETTER_REWRITE_GOLDENS") == "1":
        golden.write_text(now, "utf-8")
    assert now == golden.read_text("utf-8")


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
    facts = sample(language="az", default_language="en")
    assert "http://letter.example/library/az\n" in part(email(Mail.CONFIRMED, facts), "plain")


def test_no_affiliation_leaves_no_gap() -> None:
    whole = printed(email(Mail.CONFIRM, sample(affiliation="")))
    assert "Affiliation" not in whole
    assert "\n\n\n\n" not in part(email(Mail.CONFIRM, sample(affiliation="")), "plain")


def test_right_to_left_text_says_so_and_the_english_around_it_does_not() -> None:
    html = part(email(Mail.ALREADY, sample(**ARABIC)), "html")
    assert '<html lang="en" dir="ltr">' in html
    assert '<p lang="ar" dir="rtl"><strong>افتحوا المكتبة</strong></p>' in html
    assert '<strong dir="rtl">ليلى منصور</strong>' in html
