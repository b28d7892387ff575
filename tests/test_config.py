"""Settings: every way to say one, which way wins, and that nonsense stops the start by name."""

from collections.abc import Mapping
from dataclasses import Field, fields
from pathlib import Path

import pytest

from letter import config
from letter.config import KEY_NAMES, BadSetting, Settings, load, setting_names
from letter.sealing import Keys

README = Path(__file__).resolve().parents[1] / "README.md"
SECRET, SEALING, INDEX = (letter * 43 + "=" for letter in "AEI")
SAID = {
    "LETTER_BASE_URL": "http://127.0.0.1:9000",
    "LETTER_DATABASE_URL": "sqlite:////srv/elsewhere.sqlite3",
    "LETTER_REPLICA_URL": "postgresql://ada@replica.example/letter",
    "LETTER_SMTP_URL": "smtp://ada:secret@mail.example:587",
    "LETTER_MAIL_FROM": "Letters <letters@letter.example>",
    "LETTER_SMTP_CONNECTIONS": "2",
    "LETTER_SMTP_RATE": "20",
    "LETTER_BOUNCE_ADDRESS": "bounces@letter.example",
    "LETTER_BOUNCES": "maildir:///srv/bounces",
    "LETTER_CONTACT": "Ada Alder, ada@example.org",
    "LETTER_PROXIES": "2",
    "LETTER_DEMO": "1",
}
MEANT = {
    "base_url": "http://127.0.0.1:9000",
    "database_url": "sqlite:////srv/elsewhere.sqlite3",
    "replica_url": "postgresql://ada@replica.example/letter",
    "smtp_url": "smtp://ada:secret@mail.example:587",
    "mail_from": "Letters <letters@letter.example>",
    "smtp_connections": 2,
    "smtp_rate": 20,
    "bounce_address": "bounces@letter.example",
    "bounces": "maildir:///srv/bounces",
    "contact": "Ada Alder, ada@example.org",
    "proxies": 2,
    "demo": True,
}
TOML = """
base_url = "http://127.0.0.1:9000"
database_url = "sqlite:////srv/elsewhere.sqlite3"
replica_url = "postgresql://ada@replica.example/letter"
smtp_url = "smtp://ada:secret@mail.example:587"
mail_from = "Letters <letters@letter.example>"
smtp_connections = 2
smtp_rate = 20
bounce_address = "bounces@letter.example"
bounces = "maildir:///srv/bounces"
contact = "Ada Alder, ada@example.org"
proxies = 2
demo = true
"""


@pytest.fixture(name="bare")
def an_instance_with_keys_alone(tmp_path: Path) -> dict[str, str]:
    keys = zip(KEY_NAMES, (SECRET, SEALING, INDEX), strict=True)
    (tmp_path / "keys.toml").write_text("".join(f'{name} = "{key}"\n' for name, key in keys), encoding="utf-8")
    return {"LETTER_INSTANCE": str(tmp_path)}


def in_files(folder: Path, said: Mapping[str, str]) -> dict[str, str]:
    for name, value in said.items():
        (folder / name).write_text(value + "\n", encoding="utf-8")
    return {f"{name}_FILE": str(folder / name) for name in said}


def said_by(settings: Settings) -> dict[str, object]:
    return {name: getattr(settings, name) for name in setting_names()}


# Every way to say a setting


def test_what_nobody_says_has_its_default(bare: dict[str, str], tmp_path: Path):
    assert load(bare) == Settings(
        instance=tmp_path,
        keys=Keys(SECRET.encode(), SEALING.encode(), INDEX.encode()),
        base_url="http://127.0.0.1:8000",
        database_url=f"sqlite:///{tmp_path}/letter.sqlite3",
        smtp_url=f"file://{tmp_path}/mail",
        mail_from="letter@localhost",
        proxies=0,
        demo=False,
    )


def test_the_environment_can_say_every_setting(bare: dict[str, str]):
    assert said_by(load({**bare, **SAID})) == MEANT


def test_a_file_that_the_environment_names_can_say_every_setting(bare: dict[str, str], tmp_path: Path):
    assert said_by(load({**bare, **in_files(tmp_path, SAID)})) == MEANT


def test_letter_toml_can_say_every_setting(bare: dict[str, str], tmp_path: Path):
    (tmp_path / "letter.toml").write_text(TOML, encoding="utf-8")
    assert said_by(load(bare)) == MEANT


def test_the_file_goes_before_the_environment_and_that_before_letter_toml(bare: dict[str, str], tmp_path: Path):
    (tmp_path / "letter.toml").write_text("proxies = 1", encoding="utf-8")
    assert load(bare).proxies == 1
    assert load({**bare, "LETTER_PROXIES": "2"}).proxies == 2
    assert load({**bare, "LETTER_PROXIES": "2", **in_files(tmp_path, {"LETTER_PROXIES": "3"})}).proxies == 3


@pytest.mark.parametrize("way", [dict, in_files], ids=["in the environment", "in files"])
def test_the_keys_can_be_said_outside_the_instance(tmp_path: Path, way: type):
    said = {f"LETTER_{name.upper()}": key for name, key in zip(KEY_NAMES, (SECRET, SEALING, INDEX), strict=True)}
    environ = {"LETTER_INSTANCE": str(tmp_path / "none"), **(way(said) if way is dict else way(tmp_path, said))}
    assert load(environ).keys == Keys(SECRET.encode(), SEALING.encode(), INDEX.encode())


def test_the_keys_can_lie_in_a_file_of_their_own(bare: dict[str, str], tmp_path: Path):
    (tmp_path / "keys.toml").rename(tmp_path / "elsewhere.toml")
    assert load({**bare, "LETTER_KEYS": str(tmp_path / "elsewhere.toml")}).keys.secret == SECRET.encode()


def test_an_instance_is_chosen_or_that_of_the_checkout_or_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    assert config.instance_folder({"LETTER_INSTANCE": str(tmp_path)}) == tmp_path
    assert config.instance_folder({}) == README.parent / "instance"
    monkeypatch.setattr(config, "CHECKOUT", None)
    with pytest.raises(BadSetting, match="LETTER_INSTANCE"):
        config.instance_folder({})


def test_it_is_known_whether_somebody_said_a_setting(bare: dict[str, str], tmp_path: Path):
    assert not config.is_said(bare, "base_url")
    assert config.is_said({**bare, "LETTER_BASE_URL": "http://localhost"}, "base_url")
    (tmp_path / "letter.toml").write_text('base_url = "http://localhost"', encoding="utf-8")
    assert config.is_said(bare, "base_url")


def test_where_the_server_listens_is_remembered_and_goes_last(bare: dict[str, str], tmp_path: Path):
    config.remember(tmp_path, "http://127.0.0.1:8765")
    assert load(bare).base_url == "http://127.0.0.1:8765"
    assert load({**bare, "LETTER_BASE_URL": "http://localhost"}).base_url == "http://localhost"
    config.remember(tmp_path / "none", "http://127.0.0.1:8765")  # a folder that cannot be written is no fault


# Nonsense


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("LETTER_BASE_URL", value) for value in ("letter.example", "ftp://localhost", "http://", "https:///x", "3")),
        *(("LETTER_BASE_URL", f"http://localhost{rest}") for rest in ("/letters", "?a=b", "#a", ":99999", ":0", ":x")),
        *(("LETTER_BASE_URL", value) for value in ("http://[", "http://ada@localhost", "http://:x@localhost")),
        ("LETTER_BASE_URL", "http://local host"),
        *(("LETTER_PROXIES", value) for value in ("-1", "11", "1.5", "one", "²", "٣", "true")),
        *(("LETTER_DEMO", value) for value in ("yes", "2", "on")),
        *(("LETTER_SMTP_URL", value) for value in ("mail.example", "http://mail.example", "lmtp://mail.example", "[")),
        *(("LETTER_MAIL_FROM", value) for value in ("Letters", "Letters <a@b.example>\nBcc: c@d.example")),
        *(
            (f"LETTER_{name.upper()}", value)
            for name in KEY_NAMES
            for value in ("short", SECRET * 2, "é" * 43, "A" * 43)
        ),
    ],
)
def test_nonsense_is_refused_by_name(bare: dict[str, str], name: str, value: str):
    with pytest.raises(BadSetting, match=rf"^{name} ") as refusal:
        load({**bare, name: value})
    assert "\n" not in refusal.value.sentence


@pytest.mark.parametrize("name", [*SAID, *(f"LETTER_{name.upper()}" for name in KEY_NAMES)])
def test_a_file_that_is_not_there_is_refused_by_name(bare: dict[str, str], name: str):
    with pytest.raises(BadSetting, match=rf"^{name}_FILE names /nowhere, which cannot be read\.$"):
        load({**bare, f"{name}_FILE": "/nowhere"})


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b'base_ulr = "http://localhost"', "base_ulr is no setting of Letter; letter.toml names it."),
        (b"[mail]\nfrom = 1", "mail is no setting of Letter; letter.toml names it."),
        (b'instance = "/srv"', "instance is no setting of Letter; letter.toml names it."),
        (b"base_url = [1]", "LETTER_BASE_URL must be a web address such as https://letter.example.org."),
        (b"base_url", "letter.toml cannot be read: "),
        (b"\xff", "letter.toml cannot be read: "),
    ],
)
def test_a_letter_toml_with_nonsense_is_refused(bare: dict[str, str], tmp_path: Path, content: bytes, sentence: str):
    (tmp_path / "letter.toml").write_bytes(content)
    with pytest.raises(BadSetting) as refusal:
        load(bare)
    assert sentence in refusal.value.sentence


# Half set


@pytest.mark.parametrize(
    ("said", "missing"),
    [
        ({"LETTER_BASE_URL": "https://letter.example"}, "LETTER_SMTP_URL"),
        ({"LETTER_BASE_URL": "http://192.0.2.7:8000", "LETTER_MAIL_FROM": "a@b.example"}, "LETTER_SMTP_URL"),
        ({"LETTER_SMTP_URL": "smtp://mail.example"}, "LETTER_MAIL_FROM"),
        ({"LETTER_BASE_URL": "https://letter.example", "LETTER_SMTP_URL": "smtps://mail.example"}, "LETTER_MAIL_FROM"),
        *(({f"LETTER_{name.upper()}": ""}, f"LETTER_{name.upper()}") for name in KEY_NAMES),
    ],
)
def test_half_a_setting_is_refused_by_the_name_of_what_is_missing(
    bare: dict[str, str], said: dict[str, str], missing: str
):
    with pytest.raises(BadSetting, match=rf"^{missing} is missing"):
        load({**bare, **said})


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]"])
def test_a_service_for_this_machine_alone_needs_no_mail_server(bare: dict[str, str], host: str):
    settings = load({**bare, "LETTER_BASE_URL": f"http://{host}:8000/"})
    assert (settings.base_url, settings.is_local, settings.is_https) == (f"http://{host}:8000", True, False)


def test_no_key_is_ever_shown(bare: dict[str, str]):
    settings = load(bare)
    for shown in (repr(settings), str(settings), repr(settings.keys), f"{settings.keys}"):
        assert not any(key in shown for key in (SECRET, SEALING, INDEX))


# The README


KEY_ROWS = {
    "LETTER_SECRET_KEY": "Signs links, forms and sessions.",
    "LETTER_SEALING_KEY": "Seals the addresses to which a mail is due.",
    "LETTER_INDEX_KEY": "Makes the keyed hashes by which an address is recognised.",
}


def table(settings: tuple[Field[object], ...], defaults: Mapping[str, object]) -> str:
    """The README's rows: each setting with its sentence and default, then the three keys."""
    rows = [
        f"| `LETTER_{f.name.upper()}` | {f.metadata['sentence']} | `{defaults[f.name]}` |"
        for f in settings
        if f.name in setting_names()
    ]
    rows += [f"| `{name}` | {sentence} | made by `letter init` |" for name, sentence in KEY_ROWS.items()]
    return "\n".join(["| setting | what it is | default |", "|---|---|---|", *rows])


def test_the_readme_has_every_setting_with_its_sentence_and_default(bare: dict[str, str], tmp_path: Path):
    found = said_by(load(bare))
    shown = {name: str(int(x) if isinstance(x, bool) else x) or "none" for name, x in found.items()}
    shown = {name: x.replace(str(tmp_path), "INSTANCE") for name, x in shown.items()}
    expected = table(fields(Settings), shown)
    assert expected in README.read_text("utf-8"), f"README.md must hold this table of settings:\n\n{expected}\n"


def test_the_mails_of_a_service_that_others_reach_are_never_shown(bare: dict[str, str]) -> None:
    public = {name: value for name, value in SAID.items() if name != "LETTER_BASE_URL"}
    with pytest.raises(BadSetting, match="LETTER_DEMO"):
        load({**bare, **public, "LETTER_BASE_URL": "https://letter.example"})
