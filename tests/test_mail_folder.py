from dataclasses import replace
from email import message_from_bytes, policy
from pathlib import Path

import pytest

from letter.config import Settings
from letter.mail import Envelope, Unreachable, smtp
from letter.mail.messages import Message, as_bytes
from tests.mailing import DANA, ELI, NOON, SENDER


def envelope(to: str, message_id: str) -> Envelope:
    message = Message("Hello", "Hello.\n", "<p>Hello.</p>\n")
    content = as_bytes(message, sender=SENDER, to=to, message_id=message_id, date=NOON)
    return Envelope(SENDER.address, to, message_id, NOON, content)


def send(settings: Settings, folder: Path, **mails: str) -> None:
    """Write a mail for each Message-ID and address."""
    transport = smtp.transport(replace(settings, smtp_url=folder.as_uri()))
    list(transport.deliver(envelope(to, message_id) for message_id, to in mails.items()))


def test_a_folder_holds_each_mail_once_and_for_this_user_alone(settings: Settings, tmp_path: Path) -> None:
    folder = tmp_path / "a mail folder" / "out"
    send(settings, folder, first=DANA, second=ELI)
    send(settings, folder, first=DANA)
    files = sorted(folder.iterdir())
    assert [file.name for file in files] == ["20260708T120000Z-first.eml", "20260708T120000Z-second.eml"]
    assert {file.stat().st_mode & 0o777 for file in files} == {0o600}
    mail = message_from_bytes(files[0].read_bytes(), policy=policy.default)
    assert mail["To"] == DANA


def test_a_mail_that_is_there_already_stays_as_it_is(settings: Settings, tmp_path: Path) -> None:
    there = tmp_path / "20260708T120000Z-first.eml"
    there.write_text("first")
    send(settings, tmp_path, first=DANA)
    assert there.read_text() == "first"


def test_a_message_id_cannot_lead_out_of_the_folder(settings: Settings, tmp_path: Path) -> None:
    send(settings, tmp_path, **{"../../etc.passwd": DANA})
    assert [file.name for file in tmp_path.iterdir()] == ["20260708T120000Z-______etc_passwd.eml"]


def test_a_folder_that_cannot_be_written_is_not_the_mails_fault(settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(Unreachable, match=r"^(NotADirectory|FileExists)Error$"):
        send(settings, tmp_path / "file" / "folder", first=DANA)


def test_a_full_disk_leaves_no_half_mail(settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(Unreachable, match=r"^OSError$"):
        send(settings, tmp_path, first=DANA)
    assert list(tmp_path.iterdir()) == []
