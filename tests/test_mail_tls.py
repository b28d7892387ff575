"""Login, encryption, and the setting that says how to reach the mail server."""

import ssl
from datetime import UTC, datetime, timedelta
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
from letter.mail import Unreachable, smtp
from tests.mail_server import MailServer, running
from tests.mailing import DANA
from tests.test_mail_smtp import send, through

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
