"""Names of real people are taken as they are written; any other text is taken or sent back, and breaks no page."""

import unicodedata
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from letter import confirmation, signatures
from letter.db import Database
from letter.models import Letter, Outbox, Signature, State
from letter.tokens import Purpose
from tests.conftest import KEYS, Browser, submission, token
from tests.reading import Reading

NAMES = [
    "O’Brien", "O'Brien", "D'Arcy", "X", "O", "Suharto", "Null", "None", "True", "Test", "Nguyễn Văn An", "Jean-Luc",
    "Əliyev İlqar", "Şəhla Ivérs-Məmmədova", "Мария-Анна Ольховская", "علی\u200cرضا نوری", "نرگس محمدی", "مُحَمَّد",
    "王小明", "李", "김철수", "山田 太郎", "สมชาย", "אֶסְתֵּר", "क्\u200dषितिज", "ශ්\u200dරී ලංකා", "Þórður", "Ng", "Ö. Ü.",
    "Dr. h. c. A. B. Müller, M.A. (Oxon.)", "Kanal13", "3 Suisses", "C++ Users' Group", "Toys “R” Us", "& Co", "ﷺ",
    "Smith/Jones", "100 % Ada", "{Ada}", "Ada_Ben", "Ada; Ben", "#hashtag e. V.", "Ⅷ. Bezirk a", "𝒜da", "A & B <C>",
    "ǅ", "x" * 120, "ы" * 120, "名" * 120, "ệ Vier",
]  # fmt: skip


def approve(session: Session, name: str) -> None:
    session.expire_all()
    signature = session.scalars(select(Signature).where(Signature.name == name)).one()
    confirmation.confirm(session, KEYS, signature)
    signatures.move(signature, State.APPROVED)
    session.commit()


def test_names_are_taken_and_shown_as_they_are_written(supporter: Browser, session: Session, letter: Letter) -> None:
    for number, name in enumerate(NAMES):
        answer = supporter.sign(name=name, affiliation=name, email=f"s{number}@example.org")
        assert answer.status_code == 303, Reading(answer.text).message("name")
        approve(session, unicodedata.normalize("NFC", name))
    wanted = {unicodedata.normalize("NFC", name) for name in NAMES}
    for path in ("/library", "/library/signatures"):
        page = Reading(supporter.get(path).text)
        assert wanted <= set(page.names())
        assert wanted <= {one.text for one in page.all("span", **{"class": "affiliation"})}


@pytest.mark.parametrize(
    "name", ["علی\u200cرضا نوری", "O'Brien", "X", "王小明", "نرگس محمدی", "x" * 120, "Əliyev İlqar", "A & B <C>"]
)
def test_a_name_is_the_same_on_every_page_of_its_signer_and_is_found(
    supporter: Browser, ben: Browser, session: Session, letter: Letter, name: str
) -> None:
    signature = signatures.sign(session, KEYS, letter, submission(name))
    session.commit()
    confirm, mine = token(signature), token(signature, Purpose.MINE)
    assert Reading(supporter.get(f"/confirm/{confirm}").text).all("strong")[0].text == name
    done = supporter.post(f"/confirm/{confirm}", page=f"/confirm/{confirm}")
    assert Reading(done.text).all("h1")[0].text == f"Thank you, {name}"
    assert Reading(supporter.get(f"/mine/{mine}").text).value("name") == name
    assert name in Reading(ben.get("/staff/library/queue").text).names()
    approve(session, name)
    for page in ("/library/signatures", "/staff/library/signatures"):
        assert name in Reading(ben.get(f"{page}?q={quote(name)}").text).names()


TYPED = {
    "Dana\u200bIvers": "DanaIvers",
    "Dana\u00adIvers": "DanaIvers",
    "\ufeffDana": "Dana",
    "\u202eDana\u2066 Ivers\u2069": "Dana Ivers",
    "Dana\t \u00a0\u3000Ivers ": "Dana Ivers",
    "Dana\r\nIvers": "Dana Ivers",
    "Da\x00na\x1b[0m": "Dana[0m",
    "Dana\ue000\U000f0000": "Dana",
    "Dana\u200c\u200d": "Dana",
    "Anastasi\u0301a": "Anastasía",
    "Dana\u2028Ivers": "Dana Ivers",
}


@pytest.mark.parametrize(("typed", "shown"), TYPED.items())
def test_what_cannot_be_seen_is_left_out_of_a_name(
    supporter: Browser, session: Session, letter: Letter, typed: str, shown: str
) -> None:
    assert supporter.sign(name=typed, affiliation=typed).status_code == 303
    session.expire_all()
    signature = session.scalars(select(Signature).where(Signature.place.is_(None))).one()
    assert (signature.name, signature.affiliation) == (shown, shown)


ANY = st.text(max_size=250)
LINE = st.one_of(ANY, st.text(st.characters(categories=["L", "M", "Zs"]), min_size=1, max_size=130))
EMAIL = st.one_of(ANY, st.emails(), st.just("dana@example.org"))
MANY = hypothesis_settings(
    max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)  # fmt: skip


def how_many(database: Database) -> tuple[int, int]:
    with database.reading() as session:
        rows = [session.scalar(select(func.count()).select_from(table)) or 0 for table in (Signature, Outbox)]
    return rows[0], rows[1]


@MANY
@given(
    name=LINE,
    affiliation=st.one_of(st.just(""), LINE),
    email=EMAIL,
    display=st.one_of(st.sampled_from(["public", "recipients", "counted"]), ANY),
    kind=st.one_of(st.sampled_from(["person", "organisation"]), ANY),
    updates=ANY,
    language=st.one_of(st.just("en"), ANY),
)
def test_any_text_in_the_form_is_taken_whole_or_sent_back_whole(
    supporter: Browser, letter: Letter, database: Database, **fields: str
) -> None:
    before = how_many(database)
    answer = supporter.sign(**fields)
    assert answer.status_code in (303, 422)
    more = int(answer.status_code == 303)
    assert how_many(database) == (before[0] + more, before[1] + more)
    if not more:
        page = Reading(answer.text)
        assert any(page.message(name) for name in fields) or page.all("div", id="summary")


@pytest.fixture
def mine(session: Session, letter: Letter) -> str:
    signature = signatures.sign(session, KEYS, letter, submission())
    confirmation.confirm(session, KEYS, signature)
    session.commit()
    return f"/mine/{token(signature, Purpose.MINE)}"


@MANY
@given(name=LINE, affiliation=st.one_of(st.just(""), LINE))
def test_any_text_in_a_correction_is_taken_or_sent_back(
    supporter: Browser, mine: str, database: Database, name: str, affiliation: str
) -> None:
    before = how_many(database)
    answer = supporter.post(f"{mine}/correct", {"name": name, "affiliation": affiliation}, page=mine)
    assert answer.status_code in (303, 422)
    page = Reading(supporter.get(mine).text if answer.status_code == 303 else answer.text)
    assert how_many(database) == before
    assert bool(page.message("name") or page.message("affiliation")) is (answer.status_code == 422)
