"""The list of published names, by keyset pages, searchable."""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from threading import BoundedSemaphore

from flask import Blueprint, render_template, request
from flask.typing import ResponseReturnValue

from letter import letters, listing
from letter.errors import TooMany
from letter.text import clean
from letter.web.guards import open_to_all
from letter.web.request import keep, reading

pages = Blueprint("listing", __name__)

SEARCHES = BoundedSemaphore(2)  # at once, in each process
IN_LINE = BoundedSemaphore(4)  # who waits holds a thread, too
SECONDS_IN_LINE = 1.0
BUSY = ("Too many people are searching at this moment", "Please wait a minute and search again.")


@pages.get("/<slug:slug>/signatures")
@open_to_all
def names(slug: str) -> ResponseReturnValue:
    """Show a page of names: the first signatories on the first one, then everybody in the letter's order."""
    session = reading()
    letter = letters.public(session, slug)
    search = clean(request.args.get("q", ""))[: listing.SEARCH_LENGTH]
    place = request.args.get("after", "")
    after = listing.read_cursor(place)
    if not request.args or (not search and listing.is_place(session, letter, place)):
        keep(letter, reads_query=True)  # only what a page links to: addresses that are made up would fill the memory
    with _a_turn() if search else nullcontext():
        first = [] if after else listing.first_signatories(session, letter, search)
        found = listing.others(session, letter, search, after, most=listing.PAGE + 1)
    return render_template(
        "listing/names.html",
        letter=letter,
        text=letters.text_in(letter),
        search=search,
        counts=listing.counts(session, letter),
        is_start=after is None,
        first=first,
        others=found[: listing.PAGE],
        next_after=listing.cursor(found[listing.PAGE - 1]) if len(found) > listing.PAGE else None,
    )


@contextmanager
def _a_turn() -> Iterator[None]:
    """Let few search at once: a search reads every name, and must not take the processors that signing needs."""
    if not IN_LINE.acquire(blocking=False):
        raise TooMany(*BUSY)
    try:
        has_turn = SEARCHES.acquire(timeout=SECONDS_IN_LINE)
    finally:
        IN_LINE.release()
    if not has_turn:
        raise TooMany(*BUSY)
    try:
        yield
    finally:
        SEARCHES.release()
