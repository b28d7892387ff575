import asyncio
import ssl
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.headerregistry import Address
from email.message import EmailMessage
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.smtp import AuthResult, LoginPassword
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from letter.config import BadSetting, Settings
from letter.mail import Refused, Unreachable, smtp
from letter.mail.messages import Message, as_email
from tests.mail_server import HANG_UP, OK, MailServer, free_port, part, running

DANA = "dana@example.org"
NOON = datetime(2026, 7, 8, 12, 0, tzinfo=UTC)


def email(
    to: str = DANA, message_id: str = "id-1", text: str = "Hello.\n.\nA line with a dot above.\n"
) -> EmailMessage:
    message = Message("Grüße", text, f"<p>{text}</p>\n")
    sender = Address("Open letters", "letters", "letter.example")
    return as_email(message, sender=sender, to=to, message_id=message_id, date=NOON)


@pytest.fixture
def server() -> Iterator[MailServer]:
    with running(MailServer()) as server:
        yield server


def through(settings: Settings, url: str) -> Settings:
    return replace(settings, smtp_url=url)


def send(settings: Settings, url: str, *tos: str) -> list[str]:
    """What became of a mail to each address, all over one connection."""
    outcomes = []
    with smtp.open_transport(through(settings, url)) as transport:
        for number, to in enumerate(tos):
            try:
                transport.send(email(to, f"id-{number}"), to)
                outcomes.append("taken")
            except Refused as refused:
                outcomes.append(f"{'never' if refused.for_good else 'later'}: {refused.code}")
    return outcomes


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
    with smtp.open_transport(through(settings, server.url)) as transport, pytest.raises(Refused) as refused:
        transport.send(email(), DANA)
    assert "dana" not in f"{refused.value!r} {refused.value} {refused.value.__cause__}"


def test_an_address_beyond_ascii_goes_to_a_server_that_can(settings: Settings) -> None:
    with running(MailServer(), enable_SMTPUTF8=True) as server:
        assert send(settings, server.url, "дана@example.org", DANA) == ["taken", "taken"]
        assert server.tos == ["дана@example.org", DANA]
        assert server.mails[0]["To"] == "дана@example.org"


def test_an_address_beyond_ascii_is_refused_for_good_by_a_server_that_cannot(
    settings: Settings, server: MailServer
) -> None:
    assert send(settings, server.url, "дана@example.org", DANA) == ["never: no SMTPUTF8", "taken"]


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


def test_a_server_that_hung_up_between_two_mails_is_called_again(settings: Settings, server: MailServer) -> None:
    with smtp.open_transport(through(settings, server.url)) as transport:
        transport.send(email(), DANA)
        server.at_data = lambda to: f"250 and {HANG_UP}"
        with pytest.raises(Unreachable):
            transport.send(email(), DANA)
        server.at_data = lambda to: OK
        transport.send(email(), DANA)
    assert server.greetings == 2


def test_a_restarted_server_is_called_again(settings: Settings) -> None:
    server = MailServer()
    with running(server):
        opened = smtp.open_transport(through(settings, server.url))
        transport = opened.__enter__()
        transport.send(email(), DANA)
    with running(server):
        transport.send(email(), DANA)
        opened.__exit__(None, None, None)
    assert len(server.mails) == 2


def test_a_server_that_says_nothing_is_left_after_a_while(
    settings: Settings, server: MailServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(smtp, "TIMEOUT", 0.1)

    async def say_nothing(*_: Any) -> str:
        await asyncio.Event().wait()
        return OK

    monkeypatch.setattr(MailServer, "handle_DATA", say_nothing)
    with pytest.raises(Unreachable, match=r"^SMTPServerDisconnected$"):
        send(settings, server.url, DANA)


# Login and encryption


def knows_the_password(server: Any, session: Any, envelope: Any, mechanism: str, said: Any) -> AuthResult:
    is_right = said == LoginPassword(b"letters@x", b"p:/%d")
    server.event_handler.has_login = is_right
    return AuthResult(success=is_right, handled=False)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate for localhost that nobody vouches for, with its key, in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    names = x509.SubjectAlternativeName([x509.DNSName("localhost"), x509.IPAddress(ip_address("127.0.0.1"))])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), 1, now - timedelta(days=1), now + timedelta(days=1))
        .add_extension(names, critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    file = tmp_path_factory.mktemp("tls") / "certificate.pem"
    file.write_bytes(made.public_bytes(serialization.Encoding.PEM) + secret)
    return file


@pytest.fixture
def tls(certificate: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return context


@pytest.fixture
def vouched(certificate: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))


def test_user_and_password_may_hold_any_character(settings: Settings) -> None:
    with running(MailServer(), authenticator=knows_the_password, auth_require_tls=False) as server:
        url = server.url.replace("://", "://letters%40x:p%3A%2F%25d@")
        assert send(settings, url, DANA) == ["taken"]
        assert server.has_login


def test_a_wrong_password_is_not_the_mails_fault(settings: Settings) -> None:
    with running(MailServer(), authenticator=knows_the_password, auth_require_tls=False) as server:
        with pytest.raises(Unreachable, match=r"^535 5\.7\.8$"):
            send(settings, server.url.replace("://", "://letters:wrong@"), DANA)
        with pytest.raises(Unreachable, match=r"^UnicodeEncodeError$"):
            send(settings, server.url.replace("://", "://letters:пароль@"), DANA)


def test_a_server_without_login_is_not_the_mails_fault(settings: Settings, server: MailServer) -> None:
    with pytest.raises(Unreachable, match=r"^SMTPNotSupportedError$"):
        send(settings, server.url.replace("://", "://letters:secret@"), DANA)


def test_encryption_is_used_where_it_is_offered(settings: Settings, tls: ssl.SSLContext) -> None:
    with running(MailServer(), tls_context=tls) as server:
        assert send(settings, server.url, DANA) == ["taken"]
        assert server.was_encrypted


def test_encryption_can_be_turned_off(settings: Settings, tls: ssl.SSLContext) -> None:
    with running(MailServer(), tls_context=tls) as server:
        assert send(settings, f"{server.url}?tls=none", DANA) == ["taken"]
        assert not server.was_encrypted


def test_required_encryption_wants_a_certificate_that_somebody_vouches_for(
    settings: Settings, tls: ssl.SSLContext
) -> None:
    with running(MailServer(), tls_context=tls) as server, pytest.raises(Unreachable, match="SSLCertVerif"):
        send(settings, f"{server.url}?tls=required", DANA)


@pytest.mark.usefixtures("vouched")
def test_required_encryption_is_used_with_a_good_certificate(settings: Settings, tls: ssl.SSLContext) -> None:
    with running(MailServer(), tls_context=tls) as server:
        assert send(settings, f"{server.url}?tls=required", DANA) == ["taken"]
        assert server.was_encrypted


def test_required_encryption_does_without_no_server(settings: Settings, server: MailServer) -> None:
    with pytest.raises(Unreachable, match=r"^SMTPNotSupportedError$"):
        send(settings, f"{server.url}?tls=required", DANA)
    assert server.tos == []


@pytest.mark.usefixtures("vouched")
def test_smtps_is_encrypted_from_the_first_byte(settings: Settings, tls: ssl.SSLContext) -> None:
    with running(MailServer(), ssl_context=tls) as server:
        assert send(settings, server.url.replace("smtp:", "smtps:"), DANA) == ["taken"]


def test_smtps_wants_a_certificate_that_somebody_vouches_for(settings: Settings, tls: ssl.SSLContext) -> None:
    with running(MailServer(), ssl_context=tls) as server, pytest.raises(Unreachable, match="SSLCertVerif"):
        send(settings, server.url.replace("smtp:", "smtps:"), DANA)


# The setting


@pytest.mark.parametrize(
    ("url", "host", "port", "tls"),
    [
        ("smtp://mail.example", "mail.example", 25, "offered"),
        ("smtp://mail.example:2525?tls=required", "mail.example", 2525, "required"),
        ("smtp://mail.example/?tls=none", "mail.example", 25, "none"),
        ("smtp://me:secret@mail.example", "mail.example", 587, "required"),
        ("smtp://me:secret@mail.example?tls=none", "mail.example", 587, "none"),
        ("smtp://me:secret@127.0.0.1:25", "127.0.0.1", 25, "offered"),
        ("smtp://[2001:db8::25]:587", "2001:db8::25", 587, "offered"),
        ("smtps://me:secret@mail.example", "mail.example", 465, "at once"),
        ("smtps://mail.example?tls=required", "mail.example", 465, "at once"),
    ],
)
def test_the_address_says_how_to_reach_the_server(settings: Settings, url: str, host: str, port: int, tls: str) -> None:
    server = smtp._read(through(settings, url))
    assert isinstance(server, smtp.Server)
    assert (server.host, server.port, server.tls) == (host, port, tls)
    assert "secret" not in repr(server)


@pytest.mark.parametrize(
    "url",
    [
        "smtp://",
        "smtp://me:secret@",
        "smtp://mail.example:99999",
        "smtp://mail.example/path",
        "smtp://mail.example?tls=maybe",
        "smtp://mail.example?tsl=none",
        "smtps://mail.example?tls=none",
        "smtp://me:secret@[::1",
        "file://mail/folder",
        "file:folder",
    ],
)
def test_an_address_that_cannot_be_used_is_refused_without_repeating_it(settings: Settings, url: str) -> None:
    with pytest.raises(BadSetting, match="LETTER_SMTP_URL") as refused:
        smtp.check(through(settings, url))
    assert "secret" not in str(refused.value)
