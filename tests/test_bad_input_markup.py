"""What people type is text on every page: no element and no attribute of theirs ever comes into being."""

import json

import pytest
from flask import Flask
from sqlalchemy import select
from sqlalchemy.orm import Session

from letter import confirmation, letters, signatures
from letter.models import Letter, LetterState, Signature, State
from letter.text import TAGS
from letter.tokens import Purpose
from tests.conftest import KEYS, Browser, make_letter, submission, token
from tests.reading import Reading

PLAIN = "Dana Ivers"
PAYLOADS = [
    "<script>alert(1)</script>", "</title><script>alert(1)</script>", "</textarea><img src=x onerror=alert(1)>",
    '"><svg/onload=alert(1)>', "'><b onmouseover=alert(1)>", '" autofocus onfocus=alert(1) x="', "' onclick='alert(1)",
    "` onmouseover=alert(1)", "javascript:alert(1)", "<a href=javascript:alert(1)>x</a>", "<iframe srcdoc='<p>x'>",
    "<!-- x", "-->x<b>", "<![CDATA[<b>x</b>]]>", "<?php echo 1 ?>", "</bdi></li></ul><h1>x</h1>", "<base href=//evil>",
    "<meta http-equiv=refresh content=0>", "<style>*{display:none}</style>", "<form action=//evil><input name=x>",
    "&lt;b&gt;x&lt;/b&gt;", "&#60;b&#62;x", "&amp;lt;b", "&colon;x", "&#0;x", "&#x202e;x", "{{ 7*7 }}x", "{% raw %}x",
    "{# x #}", "{{ config }}", "${7*7}x", "<%= 7*7 %>x", "#{7*7}x", "%(name)s x", "{0.__class__} x", "%s%n x",
    "**bold**", "[x](javascript:alert(1))", "![x](//evil/x.png)", "# heading", "> quote", "```x", "<xmp>", "x\\u003cb",
    "＜script＞x", "<scr<script>ipt>x", "<IMG\x0cSRC=x>", "=1+1|cmd x", "x' OR 1=1 --", "x%0d%0aSet-Cookie: a=b", "<x",
]  # fmt: skip
VISIBLE = [" ".join(payload.split()) for payload in PAYLOADS]


@pytest.fixture
def signature(session: Session, letter: Letter) -> Signature:
    signature = signatures.sign(session, KEYS, letter, submission(PLAIN, affiliation=PLAIN))
    session.commit()
    return signature


def to(session: Session, signature: Signature, state: State) -> None:
    session.refresh(signature)
    if state is not State.PENDING:
        confirmation.confirm(session, KEYS, signature)
    if state not in (State.PENDING, State.CONFIRMED):
        signatures.move(signature, state)
    session.commit()


PAGES = {
    "the letter": ("/library", State.APPROVED),
    "the letter in its language": ("/library/en", State.APPROVED),
    "the names": ("/library/signatures", State.APPROVED),
    "the page that asks to confirm": ("/confirm/{confirm}", State.PENDING),
    "the page that thanks": ("/confirm/{confirm}", State.CONFIRMED),
    "the signer's page": ("/mine/{mine}", State.APPROVED),
    "the signer's page when withdrawn": ("/mine/{mine}", State.WITHDRAWN),
    "the page of somebody else": ("/not-me/{not_me}", State.PENDING),
    "the queue": ("/staff/library/queue", State.CONFIRMED),
    "the queue of what is held": ("/staff/library/queue?lane=held", State.HELD),
    "all signatures": ("/staff/library/signatures", State.REJECTED),
    "the export": ("/staff/library/export", State.APPROVED),
}


@pytest.mark.parametrize(("path", "state"), PAGES.values(), ids=PAGES)
def test_a_name_is_text_on(ada: Browser, session: Session, signature: Signature, path: str, state: State) -> None:
    to(session, signature, state)
    links = {purpose.name.lower(): token(signature, purpose) for purpose in Purpose}
    path = path.format(**links)
    plain = Reading(ada.get(path).text)
    for payload in VISIBLE:
        signatures.rename(signature, payload, payload)
        session.commit()
        page = Reading(ada.get(path).text)
        assert page.outline() == plain.outline(), payload
        assert page.all("body")[0].text == plain.all("body")[0].text.replace(PLAIN, payload), payload
        assert page.all("title")[0].text == plain.all("title")[0].text.replace(PLAIN, payload)


def test_a_name_is_stored_as_it_was_typed(supporter: Browser, session: Session, letter: Letter) -> None:
    for payload in PAYLOADS:
        if "://" not in payload:
            assert supporter.sign(name=payload, affiliation=payload).status_code == 303, payload
    rows = session.scalars(select(Signature).where(Signature.place.is_(None)).order_by(Signature.id)).all()
    assert [row.name for row in rows] == [row.affiliation for row in rows] == VISIBLE


def test_the_decision_that_can_be_undone_names_an_entry_as_text(
    ada: Browser, session: Session, signature: Signature
) -> None:
    to(session, signature, State.CONFIRMED)
    ada.post("/staff/library/queue", {"one": f"reject:{signature.id}:{signature.version}"}, page="/staff/")
    plain = Reading(ada.get("/staff/library/queue").text)
    session.refresh(signature)
    for payload in VISIBLE:
        signatures.rename(signature, payload, payload)
        session.commit()
        page = Reading(ada.get("/staff/library/queue").text)
        assert page.outline() == plain.outline() and payload[:30] in page.all("form", **{"class": "undo"})[0].text


FORMS = {
    "the form": ("/library/sign", "/library", ["name", "affiliation", "email"]),
    "the correction": ("/mine/{mine}/correct", "/library", ["name", "affiliation"]),
    "the sign-in": ("/staff/sign-in", "/staff/sign-in", ["email"]),
}


@pytest.mark.parametrize(("path", "page", "fields"), FORMS.values(), ids=FORMS)
def test_what_was_typed_comes_back_as_text_in(
    supporter: Browser, session: Session, signature: Signature, path: str, page: str, fields: list[str]
) -> None:
    to(session, signature, State.CONFIRMED)
    path = path.format(mine=token(signature, Purpose.MINE))
    for field in fields:
        others = dict.fromkeys({"name", "affiliation", "email"} - {field}, "")
        wrong = {"password": "", **others, field: "x" * 300}
        plain = Reading(supporter.post(path, wrong, page=page).text)
        for payload in VISIBLE:
            long = payload + "://" + "x" * 300  # too long, and a link: refused everywhere
            again = Reading(supporter.post(path, {**wrong, field: long}, page=page).text)
            assert again.value(field) == long
            assert again.outline() == plain.outline(), payload


SEARCHES = ["/library/signatures?q=", "/staff/library/signatures?q="]


@pytest.mark.parametrize("path", SEARCHES)
def test_a_search_comes_back_as_text(app: Flask, ada: Browser, path: str) -> None:
    start, _, _ = path.partition("?")
    plain = Reading(ada.get(start, query_string={"q": "nobody"}).text)
    for payload in VISIBLE:
        page = Reading(ada.get(start, query_string={"q": f"nobody {payload}"}).text)
        assert page.outline() == plain.outline() and page.value("q") == f"nobody {payload}", payload


def test_a_reason_comes_back_as_text(ada: Browser, session: Session, signature: Signature) -> None:
    to(session, signature, State.CONFIRMED)
    for payload in VISIBLE:
        answer = ada.post("/staff/library/queue", {"action": "", "reason": payload}, page="/staff/")
        assert Reading(answer.text).all("textarea")[0].text == payload


def test_the_data_of_a_signer_are_exact(ada: Browser, session: Session, signature: Signature) -> None:
    to(session, signature, State.CONFIRMED)
    for payload in VISIBLE:
        signatures.rename(signature, payload, payload)
        session.commit()
        answer = ada.get(f"/mine/{token(signature, Purpose.MINE)}/data.json")
        assert answer.mimetype == "application/json" and json.loads(answer.data)["name"] == payload


LETTER_PAGES = ("/", "/{}", "/{}/en", "/{}/signatures", "/{}/thanks")


def test_a_letter_is_text_and_the_markdown_of_its_body(ada: Browser, session: Session) -> None:
    make_letter(session, "plain")
    session.commit()
    known = {tag for path in LETTER_PAGES for tag, *_ in Reading(ada.get(path.format("plain")).text).outline()} | TAGS
    for number, payload in enumerate(VISIBLE):
        slug, body = f"letter-{number}", f"{payload}\n\nx"
        odd = letters.create(
            session, slug, title=payload, language="en", body=body, sign_off=payload, addressees=payload
        )  # fmt: skip
        letters.move(session, odd, LetterState.OPEN)
        session.commit()
        for path in LETTER_PAGES:
            page = Reading(ada.get(path.format(odd.slug)).text)
            assert {tag for tag, *_ in page.outline()} <= known, payload
            attributes = {name for _, *names in page.outline() for name in names}
            assert not {name for name in attributes if name.startswith("on") or name in ("style", "srcdoc", "src")}
            assert {link.attributes.get("href", "/")[:1] for link in page.all("a")} <= {"/", "#"}, payload
