"""Pages as a browser's parser reads them, the addresses of every page, and what the database holds."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any
from urllib.parse import urlencode

from flask import Flask
from sqlalchemy.orm import Session

from letter import accounts, confirmation, signatures
from letter.db import Database
from letter.models import Base, Letter, Role
from letter.tokens import Purpose
from tests.conftest import KEYS, Browser, submission, token

VOID = {"base", "br", "hr", "img", "input", "link", "meta"}
FORM = "application/x-www-form-urlencoded"


@dataclass
class Element:
    """An element with its attributes and all the text in it."""

    tag: str
    attributes: dict[str, str]
    text: str = ""


@dataclass
class Reading(HTMLParser):
    """A page, element by element, in the order in which they begin."""

    page: str
    elements: list[Element] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.around: list[Element] = []
        self.feed(self.page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        element = Element(tag, {name: value or "" for name, value in attrs})
        self.elements.append(element)
        if tag not in VOID:
            self.around.append(element)

    def handle_endtag(self, tag: str) -> None:
        assert self.around and self.around[-1].tag == tag, f"</{tag}> closes {self.around[-1:]}"
        self.around.pop()

    def handle_data(self, data: str) -> None:
        for element in self.around:
            element.text += data

    def outline(self) -> list[tuple[str, ...]]:
        """Every element with the names of its attributes: what nobody's name may change."""
        return [(element.tag, *sorted(element.attributes)) for element in self.elements]

    def all(self, tag: str, **attributes: str) -> list[Element]:
        wanted = attributes.items()
        return [one for one in self.elements if one.tag == tag and wanted <= one.attributes.items()]

    def names(self) -> list[str]:
        """The names that the page lists."""
        return [one.text for one in self.elements if one.attributes.get("class") == "name"]

    def value(self, name: str) -> str:
        """What the field `name` holds: its text, or the choice that is made."""
        found = [one for one in self.elements if one.tag == "input" and one.attributes.get("name") == name]
        chosen = [one for one in found if one.attributes.get("type") not in ("radio", "checkbox")]
        chosen += [one for one in found if "checked" in one.attributes]
        return chosen[0].attributes.get("value", "") if chosen else ""

    def message(self, name: str) -> str:
        """The message that a screen reader reads with the field `name`; empty if the field is not marked as wrong."""
        marked = [one for one in self.elements if one.attributes.get("id") == name and "aria-invalid" in one.attributes]
        told = " ".join(one.attributes.get("aria-describedby", "") for one in marked).split()
        texts = [one.text for one in self.elements if one.attributes.get("id") in told]
        assert not marked or f"{name}-error" in told
        return " ".join(texts)


def stored(database: Database) -> dict[str, list[tuple[Any, ...]]]:
    """Every row of every table except the counts of limits, which refusals change as they should."""
    tables = [table for table in Base.metadata.sorted_tables if table.name != "limit"]
    with database.reading() as session:
        return {table.name: [tuple(row) for row in session.execute(table.select())] for table in tables}


def form(fields: Mapping[str, str | bytes]) -> dict[str, Any]:
    """The arguments that send `fields`, of which some may be bytes that no text has."""
    return {"data": urlencode(fields), "content_type": FORM}


def addresses(session: Session, letter: Letter) -> dict[str, str]:
    """What stands in the addresses of pages, with a pending and a confirmed signature and an invitation; committed."""
    pending = signatures.sign(session, KEYS, letter, submission("Pia Pending", "pia@example.org"))
    signed = signatures.sign(session, KEYS, letter, submission("Stan Signed", "stan@example.org"))
    confirmation.confirm(session, KEYS, signed)
    secret = accounts.invite(session, accounts.add(session, "new@example.org", Role.VIEWER, letter))
    session.commit()
    return {
        "slug": letter.slug,
        "language": letter.default_language,
        "filename": "letter.css",
        "secret": secret,
        "confirm": token(pending),
        "not-me": token(pending, Purpose.NOT_ME),
        "mine": token(signed, Purpose.MINE),
    }


def cookie_of(browser: Browser) -> str:
    """The cookie of somebody who is signed in, as a header; the test client itself sends none to a forged host."""
    cookie = browser.client.get_cookie("letter")
    assert cookie
    return f"letter={cookie.value}"


def paths(app: Flask, values: Mapping[str, str]) -> dict[str, set[str]]:
    """Every address, with real values in it, and the methods that it has."""
    adapter = app.url_map.bind("letter.example")
    found: dict[str, set[str]] = {}
    for rule in app.url_map.iter_rules():
        mine = {**values, "token": values.get(rule.rule.split("/")[1], "")}
        path = adapter.build(rule.endpoint, {name: mine[name] for name in rule.arguments})
        found.setdefault(path, set()).update(rule.methods or ())
    return found
