"""What goes over the wire: strangers' words stay words, and every server and reader can take it."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from letter.config import BadSetting, Settings
from letter.mail import messages
from letter.outbox import Mail
from letter.text import clean
from tests.mail_server import part
from tests.mailing import ARABIC, LINKS, email, raw, sample
from tests.test_mail_messages import Parsed

EVERY = list(Mail)
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


def headers(mail: bytes) -> list[str]:
    """The names that stand at the beginning of the head's lines, as it is sent."""
    head = mail.decode("ascii").partition("\r\n\r\n")[0]
    return [line.partition(":")[0] for line in head.split("\r\n") if line[:1] not in " \t"]


@pytest.mark.parametrize("title", ["a\r\nBcc: cleo@example.org", "=?utf-8?q?a=0D=0ABcc:_cleo@example.org?=", "x" * 200])
def test_a_title_cannot_add_a_header(title: str) -> None:
    mail = email(Mail.ALREADY, sample(title=title))
    assert mail["Bcc"] is None
    assert headers(raw(Mail.ALREADY, sample(title=title))) == headers(raw(Mail.ALREADY, sample()))


@given(title=st.text(min_size=1, max_size=200))
@hypothesis_settings(max_examples=100, deadline=None)
def test_every_title_makes_a_mail_whose_subject_is_one_line(title: str) -> None:
    mail = email(Mail.ALREADY, sample(title=title))
    assert "\n" not in mail["Subject"]
    assert headers(raw(Mail.ALREADY, sample(title=title))) == headers(raw(Mail.ALREADY, sample()))


@pytest.mark.parametrize("kind", EVERY)
def test_every_line_is_short_enough_for_every_server_and_ascii(kind: Mail) -> None:
    sent = raw(kind, sample(**{**ARABIC, "name": "ليلى " * 24}))
    assert sent.isascii()
    assert max(len(line) for line in sent.split(b"\r\n")) <= 998
    assert sent.count(b"\n") == sent.count(b"\r") == sent.count(b"\r\n")


@pytest.mark.parametrize("kind", EVERY)
def test_a_mail_is_the_same_bytes_every_time(kind: Mail) -> None:
    first = raw(kind, sample())
    messages._moulds.cache_clear()
    messages._header.cache_clear()
    assert raw(kind, sample()) == first


@pytest.mark.parametrize("kind", EVERY)
@given(values=st.lists(st.text(max_size=80), min_size=3, max_size=3))
@hypothesis_settings(max_examples=60, deadline=None)
def test_the_bytes_are_read_as_what_was_written(kind: Mail, values: list[str]) -> None:
    facts = sample(**dict(zip(("name", "affiliation", "title"), values, strict=True)))
    message = messages.build(LINKS, kind, facts)
    mail = email(kind, facts)
    assert part(mail, "plain") == message.text.replace("\r", " ")
    assert part(mail, "html") == message.html.replace("\r", " ")


@pytest.mark.parametrize("address", ["", "dana", "@a.org", "dana@", "дана@a.org", "d a@a.org", "a\r\n@a.org"])
def test_what_no_mail_can_be_sent_to_is_refused(address: str) -> None:
    with pytest.raises(ValueError, match="no address"):
        email(Mail.CONFIRM, sample(), to=address)


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
