"""Backups are taken while people sign, are checked before they count, and come back without whoever was shut out."""

import sqlite3
from pathlib import Path

import pytest
from sqlalchemy import func, select, text

from letter import accounts, audit, backup, signatures, tally, upgrade
from letter.backup import Contents, Unusable
from letter.config import Settings
from letter.db import Database
from letter.models import Audit, Letter, Person, Role, Signature, StaffSession
from letter.sealing import Keys
from tests.conftest import KEYS, make_letter, submission

SOUND = Contents(letters=1, signatures=3, is_old=False)


def quiet(_done: int, _total: int) -> None:
    pass


@pytest.fixture
def database(settings: Settings) -> Database:
    """An instance as `letter init` makes it, with a letter, a signature and Ada at the desk; closed."""
    database = Database(settings.database_url)
    upgrade.run(database)
    fill(database)
    database.close()
    return database


def fill(database: Database) -> None:
    """Put in what `letter init` does, a letter, a signature, Ada at the desk, and Ben, who is invited."""
    with database.writing() as session:
        session.execute(text("INSERT INTO about (name, value) VALUES ('keys', :f)"), {"f": backup.fingerprint(KEYS)})
        letter = make_letter(session, "library")
        signatures.sign(session, KEYS, letter, submission())
        accounts.sign_in(session, accounts.add(session, "ada@example.org", Role.ORGANISER, letter))
        accounts.invite(session, accounts.add(session, "ben@example.org", Role.MODERATOR, letter))
        session.commit()


@pytest.fixture
def copy(database: Database, tmp_path: Path) -> Path:
    backup.write(database, tmp_path / "copy.sqlite3", quiet)
    database.close()
    return tmp_path / "copy.sqlite3"


def sign_one_more(database: Database) -> None:
    with database.writing() as session:
        signatures.sign(session, KEYS, session.scalars(select(Letter)).one(), submission(email="late@example.org"))
        session.commit()
    database.close()


def how_many(database: Database, model: type) -> int:
    with database.reading() as session:
        return session.scalar(select(func.count()).select_from(model)) or 0


def test_a_backup_is_one_private_file_without_any_key_or_address(copy: Path, tmp_path: Path) -> None:
    assert copy.stat().st_mode & 0o777 == 0o600
    assert [file.name for file in tmp_path.iterdir() if "copy" in file.name] == ["copy.sqlite3"]
    bytes_of_it = copy.read_bytes()
    assert not any(secret in bytes_of_it for secret in (KEYS.secret, KEYS.sealing, KEYS.index, b"dana@example.org"))


def test_what_is_restored_is_what_was_backed_up(settings: Settings, database: Database, copy: Path) -> None:
    sign_one_more(database)
    contents, kept = backup.restore(settings, copy)
    assert contents == SOUND
    assert kept and how_many(Database(f"sqlite:///{kept}"), Signature) == 4
    with database.writing() as session:
        assert (tally.mend(session), audit.first_broken(session)) == ({}, None)
    assert how_many(database, Signature) == 3


def test_a_restored_instance_lets_nobody_in_who_does_not_sign_in_again(
    settings: Settings, database: Database, copy: Path
) -> None:
    backup.restore(settings, copy)
    assert how_many(database, StaffSession) == 0
    with database.reading() as session:
        assert session.scalars(select(Person.invite_hash)).all() == [None, None]
        assert session.scalars(select(Audit.action).order_by(Audit.id.desc())).first() == "restore"


def test_a_rehearsal_changes_nothing(settings: Settings, database: Database, copy: Path, tmp_path: Path) -> None:
    before = {file: file.read_bytes() for file in tmp_path.iterdir() if file.is_file()}
    assert backup.restore(settings, copy, is_rehearsal=True) == (SOUND, None)
    assert {file: file.read_bytes() for file in tmp_path.iterdir() if file.is_file()} == before


def test_nothing_is_restored_under_a_running_service(settings: Settings, database: Database, copy: Path) -> None:
    with database.reading() as session:
        session.scalar(select(func.count(Signature.id)))
        with pytest.raises(Unusable, match="Stop it"):
            backup.restore(settings, copy)
    assert how_many(database, StaffSession) == 1


def test_a_restore_replaces_a_database_that_was_damaged_with_its_logs(
    settings: Settings, database: Database, copy: Path, tmp_path: Path
) -> None:
    (tmp_path / "letter.sqlite3").write_bytes(b"not a database at all" * 1000)
    (tmp_path / "letter.sqlite3-wal").write_bytes(b"a log that fits nothing")
    assert backup.holds_data(database)
    database.close()
    assert backup.restore(settings, copy)[0] == SOUND
    assert how_many(database, Signature) == 3


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("UPDATE about SET value = 'other' WHERE name = 'keys'", "not the keys"),
        ("UPDATE alembic_version SET version_num = '9999'", "newer program"),
        ("UPDATE audit SET action = 'nothing' WHERE id = 1", "chain of records breaks at row 1"),
        ("DROP TABLE alembic_version", "no database of Letter"),
    ],
)
def test_a_backup_that_would_not_work_is_refused(
    settings: Settings, database: Database, copy: Path, change: str, said: str
) -> None:
    with sqlite3.connect(copy) as opened:
        opened.execute(change)
    opened.close()
    with pytest.raises(Unusable, match=said):
        backup.restore(settings, copy)
    assert how_many(database, StaffSession) == 1


def test_a_damaged_backup_is_refused(settings: Settings, copy: Path) -> None:
    whole = copy.read_bytes()
    copy.write_bytes(whole[:5000] + b"\xff" * 60000 + whole[65000:])
    with pytest.raises(Unusable):
        backup.restore(settings, copy)


def test_a_file_of_something_else_is_refused(settings: Settings, tmp_path: Path, database: Database) -> None:
    (tmp_path / "notes.txt").write_text("milk, bread", "utf-8")
    with pytest.raises(Unusable, match="no backup of Letter"):
        backup.restore(settings, tmp_path / "notes.txt")
    with pytest.raises(Unusable, match="No such file"):
        backup.restore(settings, tmp_path / "nowhere")


def test_a_backup_of_the_version_before_says_so(settings: Settings, database: Database, copy: Path) -> None:
    old = Database(f"sqlite:///{copy}")
    upgrade.undo(old, "0001")
    old.close()
    assert backup.restore(settings, copy)[0].is_old


def test_only_an_earlier_backup_is_written_over(database: Database, copy: Path, tmp_path: Path) -> None:
    sign_one_more(database)
    backup.write(database, copy, quiet)
    assert how_many(Database(f"sqlite:///{copy}"), Signature) == 4
    (tmp_path / "keys.toml").write_text("secret_key = 1", "utf-8")
    for other in (tmp_path / "keys.toml", tmp_path / "letter.sqlite3"):
        with pytest.raises(Unusable, match="left alone"):
            backup.write(database, other, quiet)


def test_a_backup_that_fails_leaves_the_one_before_and_nothing_else(
    database: Database, copy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = copy.read_bytes()

    def damaged(_file: Path) -> None:
        raise Unusable("The copy is damaged.")

    monkeypatch.setattr(backup, "_demand_sound", damaged)
    with pytest.raises(Unusable):
        backup.write(database, copy, quiet)
    assert copy.read_bytes() == before
    assert not [file.name for file in tmp_path.iterdir() if file.name.startswith(".")]


def test_keys_of_another_instance_open_no_backup(settings: Settings, copy: Path) -> None:
    other = Settings(**{**vars(settings), "keys": Keys(KEYS.index, KEYS.sealing, KEYS.secret)})
    with pytest.raises(Unusable, match="not the keys"):
        backup.restore(other, copy)
