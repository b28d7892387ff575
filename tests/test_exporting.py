"""What leaves the house."""

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from letter import confirmation, exporting, signatures
from letter.errors import BadInput
from letter.models import Audit, Display, Kind, Letter, Moderation, Signature, State
from tests.conftest import KEYS, make_letter, submission


def enter(session: Session, letter: Letter, name: str, **more: object) -> Signature:
    signature = signatures.sign(session, KEYS, letter, submission(name, f"{len(name)}{name[0]}@example.org", **more))
    confirmation.confirm(session, KEYS, signature)
    signatures.move(signature, State.APPROVED)
    session.flush()
    return signature


@pytest.fixture
def filled(session: Session, letter: Letter) -> Letter:
    enter(session, letter, "Zoe Last", affiliation="")
    enter(session, letter, "Anna First", affiliation="=1+1")
    enter(session, letter, "Rita Quiet", display=Display.RECIPIENTS)
    enter(session, letter, "Carl Counted", display=Display.COUNTED)
    enter(session, letter, "Free Press", kind=Kind.ORGANISATION, affiliation="")
    signatures.move(enter(session, letter, "Joke Name"), State.REJECTED)
    signatures.sign(session, KEYS, letter, submission("Pending Person", "p@example.org"))
    session.flush()
    return letter


def written(session: Session, letter: Letter, name: str) -> str:
    pieces = exporting.writer(name).write(exporting.COLUMNS, exporting.rows(session, letter))
    return b"".join(pieces).decode()


def test_the_csv_is_the_verified_list_in_its_order(session: Session, filled: Letter) -> None:
    assert written(session, filled, "csv").replace("\r\n", "\n") == (
        '\ufeff"name","affiliation","kind","verified","approved","publish"\n'
        '"Zelda Quist","Teacher","person","vouched for by the organiser","yes","yes"\n'
        '"Readers’ Union","","organisation","vouched for by the organiser","yes","yes"\n'
        '"Anna First","\'=1+1","person","confirmed by e-mail","yes","yes"\n'
        '"Free Press","","organisation","confirmed by e-mail","yes","yes"\n'
        '"Rita Quiet","Nurse","person","confirmed by e-mail","yes","no, for the recipient only"\n'
        '"Zoe Last","","person","confirmed by e-mail","yes","yes"\n'
    )


def test_the_json_holds_the_same_rows_as_they_were_typed(session: Session, filled: Letter) -> None:
    text = written(session, filled, "json")
    assert text.startswith('[\n{"name": "Zelda Quist", "affiliation": "Teacher", "kind": "person", ')
    assert '"affiliation": "=1+1"' in text and text.count("\n") == 8


def test_names_that_nobody_looked_at_are_marked(session: Session) -> None:
    letter = make_letter(session, "quick", Moderation.AFTER)
    signatures.move(enter(session, letter, "Seen Later"), State.CONFIRMED)
    session.flush()
    assert [row["approved"] for row in exporting.rows(session, letter)] == ["yes", "yes", "no, not looked at yet"]


@pytest.mark.parametrize("name", list(exporting.WRITERS))
def test_who_is_counted_only_or_not_approved_is_in_no_export(session: Session, filled: Letter, name: str) -> None:
    text = written(session, filled, name)
    assert not any(absent in text for absent in ("Carl", "Joke", "Pending", "example.org"))


def test_an_export_leaves_a_row_with_its_size_and_no_names(session: Session, filled: Letter) -> None:
    exporting.note(session, filled, "csv", by=None)
    row = session.scalars(select(Audit).order_by(Audit.id.desc())).first()
    assert row is not None and (row.actor, row.action, row.detail) == (
        "operator", "export", '{"format": "csv", "rows": 6}'
    )  # fmt: skip


def test_an_unknown_format_is_refused(session: Session) -> None:
    with pytest.raises(BadInput, match="csv or json"):
        exporting.writer("exe")
