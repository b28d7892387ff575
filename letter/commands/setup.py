"""`init`, `upgrade` and `check`: an instance's folder, keys, tables, and whether all is well."""

import os
import stat
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path

import click
from cryptography.fernet import Fernet
from sqlalchemy import text

from letter import about, audit, config, db, durability, figures, names, outbox, revision, upgrade
from letter.commands.opening import instance
from letter.config import KEY_NAMES, BadSetting
from letter.db import Database
from letter.errors import NotReady, Refusal
from letter.mail import messages, smtp
from letter.sealing import Keys, fingerprint

TOML_HEAD = """\
# Settings of this instance. Each may also come from the environment, as LETTER_BASE_URL and so on, which goes first.
# base_url = "https://letter.example.org"
# smtp_url = "smtp://user:password@mail.example.org:587"
# mail_from = "Open letters <letters@example.org>"
# contact = "Ada Alder, Readers’ Union, ada@example.org"
# proxies = 1
"""
KEYS_HEAD = "# Keep this file as safe as the database, and a copy of it elsewhere than the database's copies.\n"


@click.command()
def init() -> None:
    """Make the instance: folder, keys, database."""
    made = make(os.environ)
    for path in made:
        click.echo(f"made {path}")
    click.echo("Ready. Next: letter person add YOUR@ADDRESS --role organiser, then letter new, then letter serve.")


def make(environ: Mapping[str, str]) -> list[Path]:
    """Make whatever of an instance is missing, and return what was made. Nothing that exists is changed."""
    folder = config.instance_folder(environ)
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        keys = config.keys_file(environ, folder)
        missing = [name for name in KEY_NAMES if not _is_given(environ, name)]
        new_keys = KEYS_HEAD + "".join(f'{name} = "{Fernet.generate_key().decode()}"\n' for name in missing)
        made = [
            path for path, content in ((keys, new_keys), (folder / "letter.toml", TOML_HEAD)) if _new(path, content)
        ]
    except OSError as error:
        raise Refusal(f"{error.filename} cannot be written: {error.strerror}.") from None
    settings = config.load(environ)
    database = Database(settings.database_url)
    if database.file and not database.file.exists():
        made.append(database.file)
    try:
        _upgrade(database, settings.keys)
    except NotReady:
        if keys in made:
            keys.unlink()  # new keys are of no use to this database; the old ones have to come back
        raise
    finally:
        database.close()
    return made


def _is_given(environ: Mapping[str, str], name: str) -> bool:
    return any(environ.get(f"LETTER_{name.upper()}{suffix}") for suffix in ("", "_FILE"))


def _new(path: Path, content: str) -> bool:
    """Write a file that nobody else can read, unless there is one already."""
    try:
        with os.fdopen(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w", encoding="utf-8") as file:
            file.write(content)
    except FileExistsError:
        return False
    return True


@click.command("upgrade")
def upgrade_command() -> None:
    """Bring the database to this program's version."""
    settings = config.load()
    with closing(Database(settings.database_url)) as database:
        before = revision.current(database)
        _upgrade(database, settings.keys)
        after = revision.current(database)
    click.echo(f"The database is at version {after}." if before == after else f"Upgraded from {before} to {after}.")


def _upgrade(database: Database, keys: Keys) -> None:
    upgrade.run(database)
    with database.writing() as session:
        about.note_once(session, about.COLLATION, names.version())
        if not about.note_once(session, about.KEYS, fingerprint(keys)):
            raise NotReady(revision.OTHER_KEYS)
        session.commit()


@click.command()
def check() -> None:
    """Tell whether settings, keys and database are sound."""
    faults = 0
    with instance() as (settings, database):
        for good, sentence in _findings(settings, database):
            click.echo(f"{'ok   ' if good else 'FAULT'}  {sentence}")
            faults += not good
    if faults:
        raise Refusal(f"{faults} of these need attention.")


def _findings(settings: config.Settings, database: Database) -> Iterator[tuple[bool, str]]:
    yield True, f"instance {settings.instance}, reached at {settings.base_url}"
    yield _about_mail(settings)
    for file in (config.keys_file(os.environ, settings.instance), database.file):
        if file and file.exists():
            private = not stat.S_IMODE(file.stat().st_mode) & 0o077
            yield private, f"{file} {'is private' if private else 'can be read by others: chmod 600'}"
    yield True, f"database at version {revision.newest()}"
    if database.is_sqlite:
        yield from _about_sqlite(database)
    with database.reading() as session:
        unsafe = durability.faults(session)
        yield not unsafe, "; ".join(unsafe) or "what is stored is synced to the disk"
        yield from ((True, line) for line in figures.lines(session))
        late = outbox.how_many_late(session)
        yield not late, f"{late or 'no'} mails have waited for more than ten minutes"
        broken = audit.first_broken(session)
        yield broken is None, "audit chain is whole" if broken is None else f"audit chain breaks at row {broken}"
        stored = about.stored(session, about.COLLATION)
        same = stored == names.version()
        yield same, f"names are sorted by ICU {names.version()}{'' if same else f', but were stored with {stored}'}"


def _about_mail(settings: config.Settings) -> tuple[bool, str]:
    try:
        smtp.check(settings)
        return True, f"mail comes from {messages.sender(settings)}"
    except BadSetting as error:
        return False, error.sentence


def _about_sqlite(database: Database) -> Iterator[tuple[bool, str]]:
    sqlite = db.driver()
    yield True, f"SQLite {sqlite.sqlite_version} from {sqlite.__name__}, journal {db.journal_mode()}"
    with database.reading() as session:
        answer = str(session.scalar(text("PRAGMA integrity_check(1)")))
    yield answer == "ok", f"integrity of the database: {answer}"
