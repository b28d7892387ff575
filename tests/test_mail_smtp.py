"""What is said on the wire, and what each answer means."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from letter.config import Settings
from letter.mail import Envelope, Refused, Unreachable, smtp
from letter.mail.messages import Message, as_bytes
from tests.mail_server import HANG_UP, OK, MailServer, free_port, part, running
from tests.mailing import DANA, NOON, SENDER


def envelope(to: str = DANA, message_id: str = "id-1", text: str = "Hello.\n.\nA line with a dot above.\n") -> Envelope:
    message = Message("Grüße", text, f"<p>{text}</p>\n")
    content = as_bytes(message, sender=SENDER, to=to, message_id=message_id, date=NOON)
    return Envelope(SENDER.address, to, message_id, NOON, content)


def through(settings: Settings, url: str) -> Settings:
    return replace(settings, smtp_url=url)


def send(settings: Settings, url: str, *tos: str) -> list[str]:
    """What became of a mail to each address, all over one connection."""
    transport = smtp.transport(through(settings, url))
    try:
        transport.open()
        mails = [envelope(to, f"id-{number}") for number, to in enumerate(tos)]
        return [told(refused) for _, refused in transport.deliver(iter(mails))]
    finally:
        transport.close()


def told(refused: Refused | None) -> str:
    """What became of a mail, in a word and the server's codes."""
    return f"{'never' if refused.for_good else 'later'}: {refused.code}" if refused else "taken"


# What goes over the wire


def test_a_mail_arrives_with_both_parts(settings: Settings, server: MailServer) -> None:
    assert send(settings, server.url, DANA) == ["taken"]
    (mail,) = server.mails
    assert part(mail, "plain") == "Hello.\n.\nA line with a dot above.\n"
    assert "<p>Hello." in part(mail, "html")
    assert (mail["Subject"], mail["To"], mail["Message-ID"]) == ("Grüße", DANA, "<id-0@letter.example>")


def test_the_envelope_says_who_we_are(settings: Settings, server: MailServer) -> None:
    send(settings, server.url, DANA)
    assert (server.froms, server.tos) == (["letters@letter.example"], [DANA])


def test_many_mails_go_over_one_connection(settings: Settings, server: MailServer) -> None:
    assert send(settings, server.url, *[f"supporter{n}@example.org" for n in range(40)]) == ["taken"] * 40
    assert (server.greetings, len(server.mails)) == (1, 40)


def test_we_greet_with_the_name_people_know_us_by() -> None:
    assert [smtp._greeting(host) for host in ("letter.example", "127.0.0.1", "::1", "bücher.example")] == [
        "letter.example",
        "[127.0.0.1]",
        "[IPv6:::1]",
        "xn--bcher-kva.example",
    ]


def test_a_server_at_an_ipv6_address_is_reached(settings: Settings) -> None:
    with running(MailServer(host="[::1]")) as server:
        assert send(settings, server.url, DANA) == ["taken"]


# Refusals of one mail


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        ("450 4.7.1 dana@example.org is greylisted", "later: 450 4.7.1"),
        ("451 try again", "later: 451"),
        ("452 4.2.2 mailbox full", "later: 452 4.2.2"),
        ("550 5.1.1 <dana@example.org>: no such user", "never: 550 5.1.1"),
        ("554 dana@example.org is not welcome", "never: 554"),
    ],
)
def test_a_refused_address_holds_up_no_other(settings: Settings, server: MailServer, answer: str, outcome: str) -> None:
    server.at_rcpt[DANA] = answer
    assert send(settings, server.url, DANA, "eli@example.org") == [outcome, "taken"]
    assert (server.greetings, server.tos) == (1, ["eli@example.org"])


@pytest.mark.parametrize(
    ("answer", "outcome"), [("451 4.3.0 later", "later: 451 4.3.0"), ("554 5.6.0 looks bad", "never: 554 5.6.0")]
)
def test_a_refused_text_holds_up_no_other(settings: Settings, server: MailServer, answer: str, outcome: str) -> None:
    server.at_data = lambda to: answer if to == DANA else OK
    assert send(settings, server.url, DANA, "eli@example.org") == [outcome, "taken"]
    assert server.greetings == 1


def test_what_the_server_says_is_not_repeated(settings: Settings, server: MailServer) -> None:
    server.at_rcpt[DANA] = "550 5.1.1 dana@example.org unknown"
    transport = smtp.transport(through(settings, server.url))
    ((_, refused),) = transport.deliver(iter([envelope()]))
    transport.close()
    assert refused is not None
    assert "dana" not in f"{refused!r} {refused} {refused.__cause__} {refused.__context__}"


# A server that is not there, or goes away


def test_no_server_is_not_the_mails_fault(settings: Settings) -> None:
    with pytest.raises(Unreachable, match=r"^ConnectionRefusedError$"):
        send(settings, f"smtp://127.0.0.1:{free_port()}", DANA)


@pytest.mark.parametrize("answer", ["421 4.3.2 going down", "530 5.7.0 log in first"])
def test_a_refusal_of_all_mails_is_not_one_mails_fault(settings: Settings, server: MailServer, answer: str) -> None:
    server.at_rcpt[DANA] = answer
    with pytest.raises(Unreachable, match=f"^{answer[:9]}$"):
        send(settings, server.url, DANA)


@pytest.mark.parametrize("answer", ["450 4.1.8 not you", "550 5.7.1 not you"])
def test_a_refused_sender_is_not_one_mails_fault(settings: Settings, answer: str) -> None:
    class Choosy(MailServer):
        async def handle_MAIL(self, server: Any, session: Any, envelope: Any, address: str, options: list[str]) -> str:
            return answer

    with running(Choosy()) as server, pytest.raises(Unreachable, match=f"^{answer[:9]}$"):
        send(settings, server.url, DANA)


def test_a_connection_lost_in_the_middle_is_not_taken_for_a_yes(settings: Settings, server: MailServer) -> None:
    server.at_data = lambda to: HANG_UP
    with pytest.raises(Unreachable, match=r"^SMTPServerDisconnected$"):
        send(settings, server.url, DANA)


def test_a_server_that_hung_up_between_two_batches_is_called_again(settings: Settings, server: MailServer) -> None:
    transport = smtp.transport(through(settings, server.url))
    assert [told(one) for _, one in transport.deliver(iter([envelope()]))] == ["taken"]
    server.at_data = lambda to: f"250 and {HANG_UP}"
    with pytest.raises(Unreachable):
        list(transport.deliver(iter([envelope()])))
    server.at_data = lambda to: OK
    transport.open()
    assert [told(one) for _, one in transport.deliver(iter([envelope()]))] == ["taken"]
    transport.close()
    assert server.greetings == 2


def test_a_restarted_server_is_called_again(settings: Settings) -> None:
    server = MailServer()
    with running(server):
        transport = smtp.transport(through(settings, server.url))
        list(transport.deliver(iter([envelope()])))
    with running(server):
        transport.open()
        list(transport.deliver(iter([envelope()])))
        transport.close()
    assert len(server.mails) == 2


def test_a_server_that_says_nothing_is_left_after_a_while(
    settings: Settings, server: MailServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(smtp, "TIMEOUT", 0.1)

    async def say_nothing(*_: Any) -> str:
        await asyncio.Event().wait()
        return OK

    monkeypatch.setattr(MailServer, "handle_DATA", say_nothing)
    with pytest.raises(Unreachable, match=r"^TimeoutError$"):
        send(settings, server.url, DANA)
