"""A service that runs in a thread, with a letter and its signatures in every state."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy.orm import Session
from werkzeug.serving import WSGIRequestHandler, make_server

from letter import accounts, clock, confirmation, letters, privacy, signatures
from letter.app import create_app
from letter.config import Settings
from letter.db import Database
from letter.models import Display, Kind, Letter, LetterState, Role, Signature, State
from letter.tokens import Purpose
from tests import postgres
from tests.conftest import KEYS, PASSWORD_HASH, make_letter, submission, token
from tests.serving import free_port

LONG = "Donaudampfschifffahrtselektrizitätenhauptbetriebswerkbauunterbeamtengesellschaft"
NAMES = ["Əliyev İlqar", "نرگس محمدی", "王小明", "O’Brien", "X", LONG, "Мария-Анна Ольховская"]


@dataclass(frozen=True)
class Site:
    """Where the service is, and the addresses of its personal pages."""

    url: str
    database: Database
    paths: dict[str, str]

    def at(self, path: str) -> str:
        """The whole address of a page, named by its path or as a personal one."""
        return self.url + self.paths.get(path, path)


class Quiet(WSGIRequestHandler):
    """Says nothing of the requests that it answers."""

    def log(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def furnished(folder: Path) -> Iterator[Site]:
    """The service, stopped at the end."""
    with postgres.made(folder) as url:
        yield from _serve(folder, url)


def _serve(folder: Path, url: str) -> Iterator[Site]:
    port = free_port()
    settings = Settings(instance=folder, keys=KEYS, base_url=f"http://127.0.0.1:{port}", database_url=url)
    database = Database(settings.database_url)
    with database.writing() as session:
        paths = fill(session)
    server = make_server("127.0.0.1", port, create_app(settings, database), threaded=True, request_handler=Quiet)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield Site(settings.base_url, database, paths)
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
        database.close()


def fill(session: Session) -> dict[str, str]:
    """Store letters, names and people; return the addresses of personal pages."""
    letter = make_letter(session, "library")
    arabic = {
        "title": "افتحوا المكتبة",
        "body": "نطلب فتح المكتبة.",
        "sign_off": "مع التحية",
        "addressees": "إلى المجلس",
    }
    letters.add_text(session, letter, "ar", **arabic)
    closed = make_letter(session, "closed")
    closed.texts[0].title = "A letter that is closed"
    letters.move(session, closed, LetterState.CLOSED)
    for name in NAMES:
        put(session, letter, name, State.APPROVED)
    for number in range(3):
        put(session, letter, f"Waiting {number} {LONG}", State.CONFIRMED).display = Display.COUNTED
        put(session, letter, f"Held {number}", State.HELD).kind = Kind.ORGANISATION
    paths = signers(session, letter)
    accounts.set_password(session, accounts.add(session, "ada@example.org", Role.ORGANISER, None), PASSWORD_HASH)
    secret = accounts.invite(session, accounts.add(session, "ben@example.org", Role.MODERATOR, letter))
    session.commit()
    return {**paths, "invitation": f"/staff/invitation/{secret}"}


def signers(session: Session, letter: Letter) -> dict[str, str]:
    """People at every point of the way, with the links in their mails."""
    signed = put(session, letter, "Dana Ivers", State.APPROVED, "dana@example.org")
    again = put(session, letter, "Dana", State.PENDING, "dana@example.org")
    asked = put(session, letter, "Anna Asked", State.PENDING)
    late = put(session, letter, "Lara Late", State.EXPIRED)
    forged = [put(session, letter, f"Fritz Forged {number}", State.PENDING) for number in range(2)]
    gone, erased = (put(session, letter, f"Gina Gone {number}", State.CONFIRMED) for number in range(2))
    privacy.withdraw(session, gone)
    privacy.erase(session, erased)
    confirm = {"ask": asked, "again": again, "done": signed, "late": late}
    mine = {"mine": signed, "gone": gone, "erased": erased}
    not_me = {"not-me": forged[0], "not-me-done": forged[1]}
    return {
        **{name: f"/confirm/{token(one)}" for name, one in confirm.items()},
        **{name: f"/mine/{token(one, Purpose.MINE)}" for name, one in mine.items()},
        **{name: f"/not-me/{token(one, Purpose.NOT_ME)}" for name, one in not_me.items()},
    }


def put(session: Session, letter: Letter, name: str, state: State, email: str = "") -> Signature:
    """Store a signature in a state."""
    typed = submission(name, email or f"{len(letter.uid + name)}.{session.query(Signature).count()}@example.org")
    signature = signatures.sign(session, KEYS, letter, typed)
    if state not in (State.PENDING, State.EXPIRED):
        confirmation.confirm(session, KEYS, signature)
    if state is State.EXPIRED:
        signature.expires_at = clock.now()
    elif state not in (State.PENDING, State.CONFIRMED):
        signatures.move(signature, state)
    session.flush()
    return signature
