"""The list of published names, by keyset pages, searchable."""

from flask import Blueprint, render_template, request
from flask.typing import ResponseReturnValue

from letter import letters, signatures
from letter.text import clean
from letter.web.guards import open_to_all
from letter.web.request import database

pages = Blueprint("signatures", __name__)


@pages.get("/<slug:slug>/signatures")
@open_to_all
def names(slug: str) -> ResponseReturnValue:
    """Show a page of names: the first signatories on the first one, then everybody in the letter's order."""
    session = database()
    letter = letters.public(session, slug)
    search = clean(request.args.get("q", ""))[: signatures.SEARCH_LENGTH]
    after = signatures.by_uid(session, request.args.get("after", "")[:40])
    after = after if after and after.letter_id == letter.id and after.sort_key else None
    found = signatures.others(session, letter, search, after, most=signatures.PAGE + 1)
    return render_template(
        "signatures/names.html",
        letter=letter,
        text=letters.text_in(letter),
        search=search,
        counts=signatures.counts(session, letter),
        is_start=after is None,
        first=[] if after else signatures.first_signatories(session, letter, search),
        others=found[: signatures.PAGE],
        next_after=found[signatures.PAGE - 1].uid if len(found) > signatures.PAGE else None,
    )
