"""Taking the list along."""

import json

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from letter.models import Audit, Letter
from tests.conftest import Browser

EXPORT = "/staff/library/export"


@pytest.mark.parametrize(("name", "kind"), [("csv", "text/csv"), ("json", "application/json")])
def test_the_organiser_downloads_the_list(ada: Browser, session: Session, letter: Letter, name: str, kind: str) -> None:
    answer = ada.post(EXPORT, {"format": name}, page=EXPORT)
    assert answer.content_type.startswith(kind)
    assert answer.headers["Content-Disposition"] == f"attachment; filename=library-signatures.{name}"
    assert answer.headers["Cache-Control"] == "no-store"
    assert "Zelda Quist" in answer.text
    last = session.scalars(select(Audit).order_by(Audit.id.desc())).first()
    assert last is not None and (last.action, json.loads(last.detail)) == ("export", {"format": name, "rows": 2})


def test_an_unknown_format_is_a_sentence(ada: Browser, letter: Letter) -> None:
    assert ada.post(EXPORT, {"format": "exe"}, page=EXPORT).status_code == 422


def test_a_moderator_gets_no_list_and_no_audit_row(ben: Browser, session: Session, letter: Letter) -> None:
    assert ben.post(EXPORT, {"format": "csv"}, page="/staff/library/queue").status_code == 403
    assert "export" not in session.scalars(select(Audit.action)).all()
