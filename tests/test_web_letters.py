"""The letter's page and signing on it."""

from dataclasses import replace

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from letter import confirmation, letters, signatures
from letter.app import create_app
from letter.config import Settings
from letter.db import Database
from letter.models import Display, Kind, Letter, LetterState, Signature, State
from tests.conftest import KEYS, Browser, mails, submission


def approve(session: Session, letter: Letter, name: str, **more: object) -> Signature:
    signature = signatures.sign(session, KEYS, letter, submission(name, f"{len(name)}@example.org", **more))
    confirmation.confirm(session, KEYS, signature)
    signatures.move(signature, State.APPROVED)
    session.commit()
    return signature


def test_the_page_shows_addressees_text_sign_off_and_names_in_order(supporter: Browser, letter: Letter) -> None:
    page = supporter.get("/library").text.partition("<main")[2]
    order = ["To the city council", "Open the library", "<strong>closed</strong>", "Sincerely yours", "Zelda Quist"]
    places = [page.index(part) for part in order]
    assert places == sorted(places)
    assert page.index("Zelda Quist") < page.index("Readers’ Union")


def test_who_runs_the_service_stands_on_each_page(settings: Settings, database: Database, letter: Letter) -> None:
    told = replace(settings, contact="Ada Alder <ada@example.org>")
    page = create_app(told, database).test_client().get("/library").text
    assert "Run by <bdi>Ada Alder &lt;ada@example.org&gt;</bdi>" in page


def test_only_open_letters_are_listed(supporter: Browser, session: Session, letter: Letter) -> None:
    assert "Open the library" in supporter.get("/").text
    letters.move(session, letter, LetterState.CLOSED)
    session.commit()
    assert "Open the library" not in supporter.get("/").text


@pytest.mark.parametrize("path", ["/nothing", "/library/fr", "/library/nothing-here-at-all", "/nothing/signatures"])
def test_what_is_not_there_gets_a_clear_page(supporter: Browser, letter: Letter, path: str) -> None:
    answer = supporter.get(path)
    assert answer.status_code == 404 and "<h1" in answer.text


def test_a_draft_is_not_there_for_strangers(supporter: Browser, session: Session) -> None:
    letters.create(session, "draft", title="Draft", language="en", body="Text")
    session.commit()
    for path in ("/draft", "/draft/en", "/draft/signatures", "/draft/thanks"):
        assert supporter.get(path).status_code == 404


def test_those_who_work_on_a_draft_read_it_before_anybody_else(
    ada: Browser, supporter: Browser, session: Session, letter: Letter
) -> None:
    letter.state = LetterState.DRAFT
    session.commit()
    page = ada.get("/staff/library/preview")
    assert page.status_code == 200 and "Open the library" in page.text and "Zelda Quist" in page.text
    assert "/staff/library/preview" in ada.get("/staff/library/settings").text
    assert 'action="/library/sign' not in page.text
    assert supporter.get("/staff/library/preview").status_code == 303


def test_a_translation_has_its_own_address_language_and_direction(
    supporter: Browser, session: Session, letter: Letter
) -> None:
    letters.add_text(
        session, letter, "ar", title="افتحوا المكتبة", body="نطلب فتح المكتبة.", sign_off="", addressees=""
    )
    session.commit()
    page = supporter.get("/library/ar").text
    assert 'lang="ar"' in page and 'dir="rtl"' in page and "افتحوا المكتبة" in page
    assert 'href="/library/ar"' in supporter.get("/library").text


def test_signing_leads_to_the_thanks_page_with_one_signature_and_one_mail(
    supporter: Browser, session: Session, letter: Letter
) -> None:
    answer = supporter.sign(display="recipients", kind="organisation", updates="y")
    assert (answer.status_code, answer.location) == (303, "/library/thanks")
    signature = session.scalars(select(Signature).where(Signature.place.is_(None))).one()
    assert (signature.name, signature.affiliation, signature.display, signature.kind, signature.wants_updates) == (
        "Dana Ivers", "Nurse", Display.RECIPIENTS, Kind.ORGANISATION, True
    )  # fmt: skip
    assert mails(session) == [("confirm", "dana@example.org")]


def test_a_wrong_field_gets_its_message_and_everything_typed_stays(
    supporter: Browser, session: Session, letter: Letter
) -> None:
    answer = supporter.sign(email="dana at example", affiliation="Nurse & <b>more</b>", display="counted", updates="y")
    page = answer.text
    assert answer.status_code == 422
    assert "does not look like an e-mail address" in page
    for kept in ('value="Dana Ivers"', 'value="Nurse &amp; &lt;b&gt;more&lt;/b&gt;"', 'value="dana at example"'):
        assert kept in page
    assert page.count("checked") == 3  # counted only, for myself, updates
    assert session.scalars(select(Signature).where(Signature.place.is_(None))).all() == []


@pytest.mark.parametrize(
    ("field", "value"),
    [("name", ""), ("name", "x" * 121), ("name", "\u200b"), ("name", "123"), ("affiliation", "x" * 201), ("email", "")],
)
def test_each_field_says_what_is_wrong_with_it(supporter: Browser, letter: Letter, field: str, value: str) -> None:
    answer = supporter.sign(**{field: value})
    assert answer.status_code == 422 and f'id="{field}-error"' in answer.text


def test_an_affiliation_can_be_asked_for(supporter: Browser, session: Session, letter: Letter) -> None:
    letter.affiliation_required = True
    session.commit()
    assert supporter.sign(affiliation="").status_code == 422
    assert supporter.sign(affiliation="Nurse").status_code == 303


@pytest.mark.parametrize("name", ["Cheap pills https://pills.example", "See www.pills.example"])
def test_a_web_address_in_a_name_reaches_no_strangers_mailbox(
    supporter: Browser, session: Session, letter: Letter, name: str
) -> None:
    assert supporter.sign(name=name).status_code == 422
    assert supporter.sign(affiliation=name).status_code == 422
    assert mails(session) == []


def test_two_domains_that_only_fold_to_the_same_letters_are_two_addresses(
    supporter: Browser, session: Session, letter: Letter
) -> None:
    for email in ("dana@straße.example", "dana@strasse.example", "dana@STRASSE.example"):
        assert supporter.sign(email=email).status_code == 303
    keys = session.scalars(select(Signature.email_key).where(Signature.place.is_(None)).order_by(Signature.id)).all()
    assert keys[0] != keys[1] == keys[2]
    assert mails(session)[0][1] == "dana@xn--strae-oqa.example"


@pytest.mark.parametrize("state", [LetterState.PAUSED, LetterState.CLOSED])
def test_a_letter_that_is_not_open_says_so_and_stores_nothing(
    supporter: Browser, session: Session, letter: Letter, state: LetterState
) -> None:
    stamp = supporter.hidden("/library")
    letters.move(session, letter, state)
    session.commit()
    data = {"name": "Dana", "email": "d@example.org", "display": "public", "kind": "person", **stamp}
    assert supporter.client.post("/library/sign", data=data).status_code == 409
    assert 'action="/library/sign' not in supporter.get("/library").text
    assert mails(session) == []


def test_names_for_the_recipient_only_or_counted_stand_on_no_public_page(
    supporter: Browser, session: Session, letter: Letter
) -> None:
    approve(session, letter, "Rita Quiet", display=Display.RECIPIENTS)
    approve(session, letter, "Carl Counted", display=Display.COUNTED)
    for path in ("/library", "/library/signatures", "/library/signatures?q=quiet", "/library/signatures?q=carl"):
        page = supporter.get(path).text
        assert "Rita" not in page and "Carl Counted" not in page
    assert "4" in supporter.get("/library").text


def test_a_withdrawn_name_is_gone_in_the_next_answer(supporter: Browser, session: Session, letter: Letter) -> None:
    signature = approve(session, letter, "Soon Gone")
    assert "Soon Gone" in supporter.get("/library").text
    signatures.move(signature, State.WITHDRAWN)
    session.commit()
    for path in ("/library", "/library/signatures", "/library/signatures?q=soon"):
        assert "Soon Gone" not in supporter.get(path).text
