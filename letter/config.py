"""One frozen, typed Settings: every setting with its type, its default and one sentence.

A setting comes from the environment (`LETTER_…`, or `LETTER_…_FILE` for a file that holds it), else from
`letter.toml` and `keys.toml` in the instance folder, else from its default. Nonsense stops the start by name.
"""

import os
import re
import tomllib
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, fields
from pathlib import Path
from urllib.parse import urlsplit

from cryptography.fernet import Fernet

from letter.errors import Refusal
from letter.sealing import Keys

PACKAGE = Path(__file__).resolve().parent
CHECKOUT = PACKAGE.parent if (PACKAGE.parent / "pyproject.toml").is_file() else None
LOOPBACK = ("127.0.0.1", "localhost", "::1")
DEFAULT_PORT = 8000
SERVED_AT = "served-at"
KEY_NAMES = ("secret_key", "sealing_key", "index_key")
KEY_LENGTH = 44
BOUNCE_ADDRESS = re.compile(r"[A-Za-z0-9._-]{1,20}@[A-Za-z0-9.-]+")  # 43 more come in; 64 may stand there (RFC 5321)
HINT = "Run `letter init` first, or see the table of settings in the README."


class BadSetting(Refusal):
    """A setting that is missing or cannot be used; the sentence names it."""


def shipped(name: str) -> Path:
    """Return the folder `templates` or `static`: beside the package in a checkout, inside it when installed."""
    return (CHECKOUT or PACKAGE) / name


def _about(sentence: str) -> dict[str, str]:
    return {"sentence": sentence}


@dataclass(frozen=True)
class Settings:
    """What an instance is told from outside."""

    instance: Path
    keys: Keys = field(repr=False)
    base_url: str = field(
        default="", metadata=_about("Where people reach the service; every link in a mail starts with it.")
    )
    database_url: str = field(
        default="", metadata=_about("The database, as an SQLAlchemy address; SQLite in the instance folder if unset.")
    )
    replica_url: str = field(
        default="", metadata=_about("A PostgreSQL database that follows that one: lists and letters are read from it.")
    )
    smtp_url: str = field(
        default="",
        metadata=_about(
            "The mail server: `smtp://user:password@host:587`, `smtps://…`, or `file:///folder` for .eml files."
        ),
    )
    mail_from: str = field(default="", metadata=_about("The sender of every mail: `Name <address>` or an address."))
    smtp_connections: int = field(
        default=4, metadata=_about("How many connections to the mail server one worker opens at the same time.")
    )
    smtp_rate: int = field(
        default=100,
        metadata=_about("How many mails a second one worker sends to one receiving domain at most; 0 is no limit."),
    )
    bounce_address: str = field(
        default="",
        metadata=_about("Where mails come back to that cannot be delivered; a token is added: `bounces+…@host`."),
    )
    bounces: str = field(
        default="",
        metadata=_about("The mailbox of these: `maildir:///folder` or `imaps://user:password@host/folder`."),
    )
    contact: str = field(
        default="",
        metadata=_about("Who runs the service and how to reach them; shown at the foot of each page."),
    )
    proxies: int = field(
        default=0, metadata=_about("How many reverse proxies of yours stand in front; 0 believes no forwarding header.")
    )
    demo: bool = field(default=False, metadata=_about("Set by `letter demo`: shows the sent mails on a page."))

    @property
    def is_local(self) -> bool:
        """Tell whether the service is only meant for this machine."""
        return (urlsplit(self.base_url).hostname or "") in LOOPBACK

    @property
    def is_https(self) -> bool:
        """Tell whether people reach the service over TLS."""
        return self.base_url.startswith("https:")


def instance_folder(environ: Mapping[str, str]) -> Path:
    """Return the instance folder. Raise BadSetting where none is chosen and there is no checkout to hold one."""
    if chosen := environ.get("LETTER_INSTANCE"):
        return Path(chosen).resolve()
    if CHECKOUT:
        return CHECKOUT / "instance"
    raise BadSetting("Set LETTER_INSTANCE to the folder that holds your settings and database.")


def load(environ: Mapping[str, str] = os.environ) -> Settings:
    """Return the settings in force. Raise BadSetting, naming the setting, for what is missing or cannot be used."""
    instance = instance_folder(environ)
    stored = {**_toml(instance / "letter.toml"), **_toml(keys_file(environ, instance))}
    _refuse_unknown(stored)
    said = {name: _say(environ, stored, name) for name in (*setting_names(), *KEY_NAMES)}
    settings = Settings(
        instance=instance,
        keys=Keys(*(_key(name, said[name]) for name in KEY_NAMES)),
        base_url=_base_url(said["base_url"] or _served_at(instance)),
        database_url=said["database_url"] or f"sqlite:///{instance / 'letter.sqlite3'}",
        replica_url=said["replica_url"],
        smtp_url=said["smtp_url"] or (instance / "mail").as_uri(),
        mail_from=said["mail_from"] or "letter@localhost",
        smtp_connections=_whole("smtp_connections", said["smtp_connections"] or "4", 1, 50),
        smtp_rate=_whole("smtp_rate", said["smtp_rate"] or "100", 0, 10_000),
        bounce_address=said["bounce_address"],
        bounces=said["bounces"],
        contact=said["contact"],
        proxies=_whole("proxies", said["proxies"] or "0", 0, 10),
        demo=_switch("demo", said["demo"] or "0"),
    )
    _refuse_half_set(settings, said)
    return settings


def setting_names() -> list[str]:
    """Return the names of the settings that are no keys, in the order of the README's table."""
    return [f.name for f in fields(Settings) if f.name not in ("instance", "keys")]


def remember(instance: Path, base_url: str) -> None:
    """Note where `letter serve` listens, so that other commands print links that work while no base_url is set."""
    with suppress(OSError):  # the folder may be kept from this process; then one sets base_url
        (instance / SERVED_AT).write_text(base_url, "utf-8")


def _served_at(instance: Path) -> str:
    try:
        return (instance / SERVED_AT).read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError):
        return f"http://127.0.0.1:{DEFAULT_PORT}"


def is_said(environ: Mapping[str, str], name: str) -> bool:
    """Tell whether the operator has set `name`, in the environment or in letter.toml."""
    return bool(_say(environ, _toml(instance_folder(environ) / "letter.toml"), name))


def keys_file(environ: Mapping[str, str], instance: Path) -> Path:
    """Return where the three keys lie: `LETTER_KEYS`, or `keys.toml` in the instance folder."""
    return Path(environ.get("LETTER_KEYS") or instance / "keys.toml")


def _toml(path: Path) -> dict[str, str]:
    try:
        return {key: str(value) for key, value in tomllib.loads(path.read_text("utf-8")).items()}
    except FileNotFoundError:
        return {}
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BadSetting(f"{path} cannot be read: {error}.") from None
    except OSError as error:
        raise BadSetting(f"{path} cannot be read: {error.strerror}.") from None


def _refuse_unknown(stored: Mapping[str, str]) -> None:
    for name in stored:
        if name not in (*setting_names(), *KEY_NAMES):
            raise BadSetting(f"{name} is no setting of Letter; letter.toml names it.")


def _say(environ: Mapping[str, str], stored: Mapping[str, str], name: str) -> str:
    variable = f"LETTER_{name.upper()}"
    if path := environ.get(f"{variable}_FILE"):
        try:
            return Path(path).read_text("utf-8").strip()
        except (OSError, UnicodeDecodeError):
            raise BadSetting(f"{variable}_FILE names {path}, which cannot be read.") from None
    return environ.get(variable, stored.get(name, "")).strip()


def _key(name: str, value: str) -> bytes:
    if not value:
        raise BadSetting(f"LETTER_{name.upper()} is missing. {HINT}")
    try:
        Fernet(value if len(value) == KEY_LENGTH else "")  # it would read the first of two keys, and drop the second
    except ValueError:
        raise BadSetting(f"LETTER_{name.upper()} must be 32 bytes in URL-safe base64.") from None
    return value.encode()


def _base_url(value: str) -> str:
    try:
        parts = urlsplit(value)
        port_is_fine = parts.port is None or parts.port > 0
    except ValueError:
        raise BadSetting("LETTER_BASE_URL is no web address.") from None
    if parts.scheme not in ("http", "https") or not parts.hostname or not port_is_fine:
        raise BadSetting("LETTER_BASE_URL must be a web address such as https://letter.example.org.")
    if parts.path.strip("/") or parts.query or parts.fragment or "@" in parts.netloc or " " in parts.netloc:
        raise BadSetting("LETTER_BASE_URL must be a host alone, without a path: https://letter.example.org.")
    return f"{parts.scheme}://{parts.netloc}"


def _whole(name: str, value: str, least: int, most: int) -> int:
    if not (value.isascii() and value.isdigit() and len(value) < 9 and least <= int(value) <= most):
        raise BadSetting(f"LETTER_{name.upper()} must be a whole number from {least} to {most}.")
    return int(value)


def _switch(name: str, value: str) -> bool:
    if value.lower() not in ("0", "1", "false", "true"):
        raise BadSetting(f"LETTER_{name.upper()} must be 1 or 0.")
    return value.lower() in ("1", "true")


def _refuse_half_set(settings: Settings, said: Mapping[str, str]) -> None:
    scheme = settings.smtp_url.partition(":")[0].lower()
    if scheme not in ("smtp", "smtps", "file"):
        raise BadSetting("LETTER_SMTP_URL must start with smtp://, smtps:// or file:///.")
    if not settings.is_local and not said["smtp_url"]:
        raise BadSetting("LETTER_SMTP_URL is missing: a service that others reach must be able to send mail.")
    if scheme != "file" and not said["mail_from"]:
        raise BadSetting("LETTER_MAIL_FROM is missing: mail through a server needs a sender.")
    if bool(settings.bounces) != bool(settings.bounce_address):
        raise BadSetting("LETTER_BOUNCES and LETTER_BOUNCE_ADDRESS need each other.")
    if settings.bounce_address and not BOUNCE_ADDRESS.fullmatch(settings.bounce_address):
        raise BadSetting(
            "LETTER_BOUNCE_ADDRESS must be like bounces@example.org, with at most 20 letters before the @."
        )
    if settings.demo and not settings.is_local:
        raise BadSetting("LETTER_DEMO shows every mail to everybody; it is for this machine only.")
    if "@" not in settings.mail_from or any(c in settings.mail_from for c in "\r\n"):
        raise BadSetting("LETTER_MAIL_FROM must be an address such as Letter <letter@example.org>.")
