"""Reading the mailbox of what came back: a folder, or one on an IMAP server."""

import socketserver
import ssl
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
import time_machine

from letter.config import BadSetting, Settings
from letter.db import Database
from letter.mail import bounces, mailboxes
from letter.mail.collecting import Collector
from letter.mail.worker import Worker
from tests.conftest import KEYS
from tests.mail_server import MailServer, change, rows, sign
from tests.mailing import DANA
from tests.test_mail_bounces import ADDRESS, report
from tests.test_mail_tls import certificate, tls, vouched

pytestmark = pytest.mark.usefixtures("noon", "letter")
__all__ = ["certificate", "tls", "vouched"]


@pytest.fixture
def maildir(tmp_path: Path) -> Path:
    folder = tmp_path / "bounces"
    for name in ("new", "cur", "tmp"):
        (folder / name).mkdir(parents=True)
    return folder


@pytest.fixture
def told(settings: Settings, maildir: Path) -> Settings:
    return replace(settings, bounce_address=ADDRESS, bounces=f"maildir://{maildir}")


def send(database: Database, told: Settings, server: MailServer) -> str:
    """Let a mail to Dana be sent; return where it comes back to."""
    sign(database, DANA)
    worker = Worker(database, replace(told, smtp_url=server.url))
    worker.run_once()
    worker.close()
    return server.froms[-1]


def noted(database: Database) -> list[str]:
    """What is noted beside the signature."""
    found: list[str] = []
    change(database, lambda _, signature: found.append(signature.bounced))
    return found


def test_a_report_in_a_folder_is_noted_and_deleted_and_what_is_none_is_kept(
    database: Database, told: Settings, maildir: Path, server: MailServer
) -> None:
    back = send(database, told, server)
    assert back == bounces.sender(ADDRESS, KEYS.secret, rows(database)[0].message_id)
    (maildir / "new" / "1.report").write_bytes(report(back))
    (maildir / "new" / "2.forged").write_bytes(report(ADDRESS))
    (maildir / "cur" / "3.spam:2,").write_bytes(b"Subject: Buy now\n\nCheap.")
    Collector(database, told).collect()
    assert (noted(database), rows(database)[0].state) == (["5.1.1"], "bounced")
    assert sorted(file.name for file in maildir.rglob("*") if file.is_file()) == ["2.forged:2,S", "3.spam:2,S"]


def test_what_bears_our_token_is_deleted_whatever_it_says(
    database: Database, told: Settings, maildir: Path, server: MailServer
) -> None:
    back = send(database, told, server)
    for action in ("delayed", "relayed", "delivered", "expanded"):
        (maildir / "new" / action).write_bytes(report(back, action=action, status="4.4.1"))
    (maildir / "new" / "away").write_bytes(f"To: {back}\nSubject: On holiday\n\nDana is away.".encode())
    Collector(database, told).collect()
    assert (noted(database), rows(database)[0].state) == ([""], "sent")
    assert [file.name for file in maildir.rglob("*") if file.is_file()] == []


def test_the_mailbox_is_read_once_a_minute(
    database: Database, told: Settings, maildir: Path, server: MailServer, noon: time_machine.Traveller
) -> None:
    back, collector = send(database, told, server), Collector(database, told)
    collector.collect()
    (maildir / "new" / "1").write_bytes(report(back))
    noon.shift(timedelta(seconds=59))
    collector.collect()
    assert noted(database) == [""]
    noon.shift(timedelta(seconds=1))
    collector.collect()
    assert noted(database) == ["5.1.1"]


def test_a_mailbox_that_is_away_is_logged_without_its_password(
    database: Database, settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    for place in ("maildir:///nowhere/at/all", "imaps://ada:secret@127.0.0.1:1/INBOX"):
        Collector(database, replace(settings, bounce_address=ADDRESS, bounces=place)).collect()
    assert len(caplog.messages) == 2
    assert "secret" not in caplog.text


@pytest.mark.parametrize(
    "place",
    ["maildir:folder", "maildir://host/folder", "imaps://host/folder", "imap://a:b@host", "x", "imaps://a:b@[::1"],
)
def test_a_mailbox_that_cannot_be_read_stops_the_start_without_repeating_it(settings: Settings, place: str) -> None:
    with pytest.raises(BadSetting, match="LETTER_BOUNCES"):
        mailboxes.read(replace(settings, bounces=place))


# IMAP


class Folder(socketserver.StreamRequestHandler):
    """As much of RFC 3501 as a client needs that reads, marks and deletes."""

    def handle(self) -> None:
        self.say("* OK ready")
        for line in self.rfile:
            tag, command, *rest = line.decode().split()
            self.server.heard.append(" ".join([command, *rest[:4]]))  # type: ignore[attr-defined]
            self.answer(command, rest)
            self.say(f"{tag} OK done")
            if command == "LOGOUT":
                return

    def say(self, line: str) -> None:
        self.wfile.write(f"{line}\r\n".encode())

    def answer(self, command: str, rest: list[str]) -> None:
        mails: dict[str, bytes] = self.server.mails  # type: ignore[attr-defined]
        if command == "CAPABILITY":
            self.say("* CAPABILITY IMAP4rev1")
        elif command == "SELECT":
            self.say(f"* {len(mails)} EXISTS")
        elif rest[:1] == ["SEARCH"]:
            self.say(f"* SEARCH {' '.join(mails)}")
        elif rest[:1] == ["FETCH"]:
            data = mails[rest[1]]
            self.wfile.write(b"* 1 FETCH (UID %b BODY[]<0> {%d}\r\n%b)\r\n" % (rest[1].encode(), len(data), data))


@pytest.fixture
def imap(tls: ssl.SSLContext) -> Iterator[socketserver.ThreadingTCPServer]:
    server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Folder)
    server.socket = tls.wrap_socket(server.socket, server_side=True)
    server.daemon_threads = True
    server.mails, server.heard = {}, []  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.mark.usefixtures("vouched")
def test_a_report_on_a_mail_server_is_noted_and_deleted(
    database: Database, told: Settings, server: MailServer, imap: socketserver.ThreadingTCPServer
) -> None:
    back = send(database, told, server)
    imap.mails.update({"7": report(back), "9": b"Subject: Buy now\r\n\r\nCheap."})  # type: ignore[attr-defined]
    place = f"imaps://ada:secret@localhost:{imap.server_address[1]}/Back"
    Collector(database, replace(told, bounces=place)).collect()
    heard: list[str] = imap.heard  # type: ignore[attr-defined]
    assert noted(database) == ["5.1.1"]
    assert [line for line in heard if "STORE" in line] == [
        r"UID STORE 7 +FLAGS (\Deleted)",
        r"UID STORE 9 +FLAGS (\Seen)",
    ]
    assert 'SELECT "Back"' in heard and heard[-2:] == ["CLOSE", "LOGOUT"]
