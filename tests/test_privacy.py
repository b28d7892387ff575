"""A signer's way back."""

import json
from pathlib import Path

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from letter import confirmation, exporting, listing, privacy, signatures
from letter.db import Database
from letter.errors import LinkInvalid
from letter.models import Blocked, Display, Letter, Outbox, Post, Signature, State
from tests.conftest import KEYS, submission
from tests.mailing import settle_all


@pytest.fixture
def signed(session: Session, letter: Letter) -> Signature:
    signature = signatures.sign(session, KEYS, letter, submission("Marker Person", affiliation="Marker Works"))
    confirmation.confirm(session, KEYS, signature)
    signatures.move(signature, State.APPROVED)
    session.flush()
    return signature


def shown(session: Session, letter: Letter) -> str:
    names = [one.name for one in listing.others(session, letter)]
    return json.dumps([names, list(exporting.rows(session, letter))])


def test_a_corrected_name_is_looked_at_again(session: Session, letter: Letter, signed: Signature) -> None:
    assert privacy.correct(signed, "Marker Q. Person", "Marker Works")
    session.flush()
    assert (signed.state, signed.fold_key) == (State.CONFIRMED, "marker q. person marker works")
    assert "Marker" not in shown(session, letter)


def test_a_correction_that_changes_nothing_leaves_the_decision(signed: Signature) -> None:
    assert not privacy.correct(signed, "Marker Person", "Marker Works")
    assert signed.state is State.APPROVED


def test_a_hidden_name_is_gone_from_the_page_but_not_from_the_recipients_list(
    session: Session, letter: Letter, signed: Signature
) -> None:
    privacy.show_to(signed, Display.RECIPIENTS)
    session.flush()
    assert listing.others(session, letter) == []
    assert "no, for the recipient only" in shown(session, letter)


def test_a_withdrawn_signature_is_shown_nowhere_and_not_counted(
    session: Session, letter: Letter, signed: Signature
) -> None:
    privacy.withdraw(session, signed)
    privacy.withdraw(session, signed)
    session.flush()
    assert "Marker" not in shown(session, letter)
    assert listing.counts(session, letter).confirmed == 0
    assert signed.email_sealed is None


def test_who_withdrew_can_sign_again(session: Session, letter: Letter, signed: Signature) -> None:
    privacy.withdraw(session, signed)
    again = signatures.sign(session, KEYS, letter, submission())
    confirmation.confirm(session, KEYS, again)
    assert again.state is State.CONFIRMED


def test_withdrawing_drops_the_mails_that_are_still_due(session: Session, signed: Signature) -> None:
    privacy.withdraw(session, signed)
    rows = session.scalars(select(Outbox)).all()
    assert {(row.state, row.to_sealed) for row in rows} == {(Post.DROPPED, None)}


@pytest.mark.sqlite
def test_erasing_leaves_nothing_of_the_person_in_any_file(
    database: Database, session: Session, letter: Letter, signed: Signature, tmp_path: Path
) -> None:
    signatures.sign(session, KEYS, letter, submission("Marker Again"))
    privacy.erase(session, signed)
    session.commit()
    database.tidy()
    files = [file for file in tmp_path.iterdir() if file.name.startswith("letter.sqlite3")]
    assert files and not any(b"marker" in file.read_bytes().lower() for file in files)
    assert session.scalars(select(Signature.email_sealed).where(Signature.email_sealed.is_not(None))).all() == []


def test_a_corrected_entry_that_was_rejected_comes_back_to_a_moderator(session: Session, signed: Signature) -> None:
    signatures.move(signed, State.REJECTED)
    privacy.correct(signed, "Marker P. Person", "")
    assert signed.state is State.HELD


def test_a_name_that_was_approved_as_hidden_is_looked_at_before_everybody_reads_it(
    session: Session, letter: Letter, signed: Signature
) -> None:
    privacy.show_to(signed, Display.COUNTED)
    assert signed.state is State.APPROVED
    privacy.show_to(signed, Display.PUBLIC)
    session.flush()
    assert signed.state is State.CONFIRMED and listing.others(session, letter) == []


def test_news_can_be_ended_without_leaving(session: Session, letter: Letter) -> None:
    keen = signatures.sign(session, KEYS, letter, submission(wants_updates=True))
    confirmation.confirm(session, KEYS, keen)
    privacy.stop_updates(keen)
    assert (keen.wants_updates, keen.email_sealed, keen.state) == (False, None, State.CONFIRMED)


@pytest.mark.parametrize("act", ["correct", "show_to"])
def test_a_withdrawn_signature_cannot_be_changed(session: Session, signed: Signature, act: str) -> None:
    privacy.withdraw(session, signed)
    with pytest.raises(LinkInvalid, match="withdrawn"):
        if act == "correct":
            privacy.correct(signed, "A", "B")
        else:
            privacy.show_to(signed, Display.PUBLIC)


def test_my_data_is_all_that_is_stored(signed: Signature) -> None:
    data = privacy.my_data(signed)
    assert {key: data[key] for key in ("letter", "name", "affiliation", "state", "verified_by", "address_kept")} == {
        "letter": "library",
        "name": "Marker Person",
        "affiliation": "Marker Works",
        "state": "approved",
        "verified_by": "mail",
        "address_kept": False,
    }


def test_not_me_withdraws_the_forgery_and_ends_all_mail_to_the_address(session: Session, letter: Letter) -> None:
    forged = signatures.sign(session, KEYS, letter, submission("Forged"))
    privacy.not_me(session, KEYS, forged)
    assert forged.state is State.WITHDRAWN
    signatures.sign(session, KEYS, letter, submission("Forged Again"))
    session.flush()
    assert settle_all(session) == []


def test_not_me_twice_is_no_fault(session: Session, letter: Letter) -> None:
    forged = signatures.sign(session, KEYS, letter, submission("Forged"))
    assert privacy.not_me(session, KEYS, forged)
    assert not privacy.not_me(session, KEYS, forged)  # the address is gone; what can be said is said of this letter
    assert len(session.scalars(select(Blocked)).all()) == 2  # for this letter, and for the instance


def test_not_me_still_works_after_a_withdrawal(session: Session, letter: Letter, signed: Signature) -> None:
    privacy.withdraw(session, signed)
    privacy.not_me(session, KEYS, signed)
    signatures.sign(session, KEYS, letter, submission("Forged"))
    session.flush()
    assert settle_all(session) == []


def test_not_me_promises_nothing_when_nothing_is_known(session: Session, letter: Letter, signed: Signature) -> None:
    privacy.erase(session, signed)
    with pytest.raises(LinkInvalid, match="Nothing is stored"):
        privacy.not_me(session, KEYS, signed)
