"""`demo`: an instance in a temporary folder with an invented letter, so that the whole job can be clicked through."""

import json
import os
import secrets
import tempfile
from datetime import timedelta
from typing import Any

import click
from sqlalchemy import delete
from sqlalchemy.orm import Session

from letter import accounts, clock, importing, letters, signatures
from letter.commands import serving, setup
from letter.commands.opening import instance
from letter.config import DEFAULT_PORT, PACKAGE
from letter.models import Display, Evidence, Kind, Letter, LetterState, Outbox, Role, State
from letter.sealing import Keys
from letter.signing import Submission

CONTENT = PACKAGE / "demo"
SIGN_OFF = "Sincerely yours,"
ORGANISER, MODERATOR = "ada@example.org", "ben@example.org"


@click.command()
@click.option("--port", type=click.IntRange(1, 65535), help=f"{DEFAULT_PORT}, or any free one, if left out.")
def demo(port: int | None) -> None:
    """Try everything with an invented letter; nothing is kept."""
    port = port or serving.free_port(DEFAULT_PORT)
    serving.demand_free("127.0.0.1", port)
    for name in [name for name in os.environ if name.startswith("LETTER_")]:
        del os.environ[name]
    with tempfile.TemporaryDirectory(prefix="letter-demo-") as folder:
        base_url = f"http://127.0.0.1:{port}"
        os.environ.update(LETTER_INSTANCE=folder, LETTER_DEMO="1", LETTER_BASE_URL=base_url)
        setup.make(os.environ)
        password = secrets.token_urlsafe(9)
        with instance() as (settings, database), database.writing() as session:
            slug = fill(session, settings.keys)
            _add_people(session, password)
            session.commit()
        _print(base_url, slug, password)
        serving.run("127.0.0.1", port)


def fill(session: Session, keys: Keys) -> str:
    """Store the invented letter with its first signatories and supporters; return its slug."""
    about = json.loads((CONTENT / "about.json").read_text("utf-8"))
    text = importing.decode((CONTENT / "letter.txt").read_bytes())
    body, sign_off, first_line = importing.split_letter(text, SIGN_OFF)
    letter = letters.create(session, body=body, sign_off=sign_off, **about)
    signatures.vouch(session, letter, importing.read_entries(text, first_line), "invented for the demo")
    letters.move(session, letter, LetterState.OPEN)
    for number, supporter in enumerate(json.loads((CONTENT / "supporters.json").read_text("utf-8")), 1):
        _sign(session, keys, letter, f"s{number}@example.org", supporter)
    return letter.slug


def _sign(session: Session, keys: Keys, letter: Letter, email: str, supporter: dict[str, Any]) -> None:
    signature = signatures.sign(
        session,
        keys,
        letter,
        Submission(
            name=supporter["name"],
            affiliation=supporter["affiliation"],
            email=email,
            display=Display(supporter["display"]),
            kind=Kind(supporter["kind"]),
        ),
    )
    to = State(supporter["state"])
    if to is State.PENDING:
        return
    signatures.move(signature, State.CONFIRMED)
    signature.evidence, signature.email_sealed = Evidence.MAIL, None
    signature.confirmed_at = clock.now() - timedelta(minutes=supporter["minutes_ago"])
    signature.created_at = signature.confirmed_at - timedelta(minutes=4)
    if to is not State.CONFIRMED:
        signatures.move(signature, to)
    session.execute(delete(Outbox).where(Outbox.signature_id == signature.id))


def _add_people(session: Session, password: str) -> None:
    for email, role in ((ORGANISER, Role.ORGANISER), (MODERATOR, Role.MODERATOR)):
        person = accounts.add(session, email, role, None)
        accounts.set_password(session, person, accounts.hash_password(password))


def _print(base_url: str, slug: str, password: str) -> None:
    click.echo(f"""
The letter      {base_url}/{slug}
Sent mails      {base_url}/demo/mail
The desk        {base_url}/staff/sign-in

Sign in as {ORGANISER} (organiser) or {MODERATOR} (moderator)
Password        {password}

Sign the letter, open the mail, press its button, approve the name, export the list.
Ctrl-C ends the demo and removes everything.
""")
