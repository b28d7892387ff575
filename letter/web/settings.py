"""What an organiser sets for a letter: whether it takes signatures, and how names are moderated."""

from typing import TypeVar

from flask import Blueprint, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from letter import letters
from letter.errors import BadInput
from letter.models import LetterState, Moderation, Role
from letter.web.guards import for_role, letter, person
from letter.web.request import commit, writing

Choice = TypeVar("Choice", LetterState, Moderation)

pages = Blueprint("settings", __name__, url_prefix="/staff")


@pages.get("/<slug:slug>/settings")
@for_role(Role.ORGANISER)
def show(slug: str) -> ResponseReturnValue:
    """Show the settings."""
    return render_template(
        "settings/show.html",
        letter=letter(),
        text=letters.text_in(letter()),
        steps=[state for state in LetterState if state in letters.STATES[letter().state]],
        moderations=list(Moderation),
        said=request.args.get("said", ""),
    )


@pages.post("/<slug:slug>/settings")
@for_role(Role.ORGANISER)
def change(slug: str) -> ResponseReturnValue:
    """Change the letter's state or its moderation, whichever button was pressed."""
    session = writing()
    changed = letters.by_slug(session, slug)
    if wanted := request.form.get("state"):
        letters.move(session, changed, _read(LetterState, wanted), by=person())
    else:
        letters.moderate(session, changed, _read(Moderation, request.form.get("moderation", "")), by=person())
    commit()
    return redirect(url_for("settings.show", slug=slug, said="saved"), 303)


def _read(kind: type[Choice], value: str) -> Choice:
    try:
        return kind(value)
    except ValueError:
        raise BadInput("Please use the buttons on the page.") from None
