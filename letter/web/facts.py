"""Facts of a letter for machines and for other sites: JSON, a badge, a feed. No name is in them."""

from typing import Any
from urllib.parse import urlsplit

from flask import Blueprint, Response, render_template
from flask.json import dumps
from flask.typing import ResponseReturnValue

from letter import facts, letters, listing
from letter.links import Links
from letter.models import Letter
from letter.web import filters
from letter.web.guards import open_to_all
from letter.web.request import keep, reading, settings

pages = Blueprint("facts", __name__)

LABEL = "signatures"
LETTER_WIDTH, DIGIT_WIDTH, MARGIN = 6.1, 7.0, 8  # of 11 px Verdana or DejaVu Sans; `textLength` corrects the rest
WORDS = {
    "open": "The letter can be signed",
    "paused": "Signing is paused",
    "closed": "Signing has ended",
    "delivered": "The letter was delivered",
    "archived": "The letter went to the archive",
}


def _public(slug: str) -> Letter:
    """Return the letter, whose facts are the same for everybody until it changes."""
    letter = letters.public(reading(), slug)
    keep(letter)
    return letter


def _json(known: dict[str, Any], letter: Letter) -> Response:
    content = {"url": Links(settings()).letter(letter.slug), **known}
    return Response(dumps(content, ensure_ascii=False, indent=2, sort_keys=False) + "\n", mimetype="application/json")


@pages.get("/<slug:slug>.json")
@open_to_all
def about(slug: str) -> ResponseReturnValue:
    """Tell everything that is public of a letter, but for the names."""
    letter = _public(slug)
    return _json(facts.everything(reading(), letter), letter)


@pages.get("/<slug:slug>/count.json")
@open_to_all
def count(slug: str) -> ResponseReturnValue:
    """Tell how many have signed."""
    letter = _public(slug)
    return _json(facts.numbers(reading(), letter), letter)


@pages.get("/<slug:slug>/badge.svg")
@open_to_all
def badge(slug: str) -> ResponseReturnValue:
    """Show how many have signed as a small picture, for other sites to put on their pages."""
    letter = _public(slug)
    number = filters.number(listing.counts(reading(), letter).signed)
    left, right = (round(len(LABEL) * LETTER_WIDTH), round(len(number) * DIGIT_WIDTH))
    picture = render_template(
        "facts/badge.svg",
        label=LABEL,
        number=number,
        left=left,
        right=right,
        margin=MARGIN,
        text=letters.text_in(letter),
    )
    return Response(picture, mimetype="image/svg+xml")


@pages.get("/<slug:slug>/feed.atom")
@open_to_all
def feed(slug: str) -> ResponseReturnValue:
    """Tell what happens with a letter: new versions of its text, opening, closing, delivery (RFC 4287)."""
    letter = _public(slug)
    steps = facts.steps(reading(), letter)
    content = render_template(
        "facts/feed.xml",
        letter=letter,
        text=letters.text_in(letter),
        steps=list(enumerate(steps, 1)),
        words=WORDS,
        updated=max([text.created_at for text in letter.texts] + [step.at for step in steps]),
        url=Links(settings()).letter(slug),
        host=urlsplit(settings().base_url).hostname,
    )
    return Response(content, content_type="application/atom+xml; charset=utf-8")
