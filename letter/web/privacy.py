"""A signer's own page, and "this was not me"."""

from flask import Blueprint, Response, redirect, render_template, request, url_for
from flask.json import dumps
from flask.typing import ResponseReturnValue
from sqlalchemy.orm import Session
from wtforms import RadioField

from letter import confirmation, privacy
from letter.models import LIVING_STATES, Display, Signature
from letter.tokens import Purpose
from letter.web.forms import DISPLAYS, NamedForm, PublicForm
from letter.web.guards import keeps_what_was_typed, open_to_all, sent_again
from letter.web.request import commit, keys, reading, writing

pages = Blueprint("privacy", __name__)


class CorrectForm(NamedForm):
    """Name and affiliation, to be corrected."""


class DisplayForm(PublicForm):
    """Who may see the name."""

    display = RadioField("Who may see your name?", choices=DISPLAYS)


def _find(session: Session, token: str) -> Signature:
    return confirmation.find(session, keys(), token, Purpose.MINE)


def _change(token: str) -> Signature:
    return confirmation.find(writing(), keys(), token, Purpose.MINE, to_change=True)


def _back(token: str, said: str) -> ResponseReturnValue:
    return redirect(url_for("privacy.mine", token=token, said=said), 303)


@pages.get("/mine/<token>")
@open_to_all
def mine(token: str) -> ResponseReturnValue:
    """Show the signature to its signer."""
    return _page(_find(reading(), token), token)


def _page(
    signature: Signature,
    token: str,
    *,
    form: CorrectForm | None = None,
    display: DisplayForm | None = None,
    status: int = 200,
) -> ResponseReturnValue:
    if signature.state not in LIVING_STATES:
        return render_template("privacy/gone.html", signature=signature, letter=signature.letter, token=token), 410
    page = render_template(
        "privacy/mine.html",
        signature=signature,
        letter=signature.letter,
        text=signature.text,
        token=token,
        said=request.args.get("said", ""),
        form=form or CorrectForm(formdata=None, name=signature.name, affiliation=signature.affiliation),
        display=display or DisplayForm(formdata=None, display=signature.display.value),
    )
    return page, status


@pages.post("/mine/<token>/correct")
@open_to_all
@keeps_what_was_typed
@sent_again
def correct(token: str) -> ResponseReturnValue:
    """Correct name and affiliation."""
    signature = _find(reading(), token)
    form = CorrectForm(letter=signature.letter)
    if not form.validate():
        return _page(signature, token, form=form, status=422)
    changed = privacy.correct(_change(token), form.name.data or "", form.affiliation.data or "")
    commit()
    return _back(token, "corrected" if changed else "same")


@pages.post("/mine/<token>/display")
@open_to_all
@sent_again
def display(token: str) -> ResponseReturnValue:
    """Change who may see the name."""
    form = DisplayForm()
    if not form.validate():
        return _page(_find(reading(), token), token, display=form, status=422)
    privacy.show_to(_change(token), Display(form.display.data))
    commit()
    return _back(token, "display")


@pages.post("/mine/<token>/updates")
@open_to_all
@sent_again
def updates(token: str) -> ResponseReturnValue:
    """End the mails about what happens with the letter; the signature stays."""
    privacy.stop_updates(_change(token))
    commit()
    return _back(token, "updates")


@pages.post("/mine/<token>/withdraw")
@open_to_all
@sent_again
def withdraw(token: str) -> ResponseReturnValue:
    """Take the signature off the letter."""
    privacy.withdraw(writing(), _change(token))
    commit()
    return _back(token, "withdrawn")


@pages.post("/mine/<token>/erase")
@open_to_all
@sent_again
def erase(token: str) -> ResponseReturnValue:
    """Withdraw, and leave nothing of the person."""
    privacy.erase(writing(), _change(token))
    commit()
    return _back(token, "erased")


@pages.get("/mine/<token>/data.json")
@open_to_all
def data(token: str) -> ResponseReturnValue:
    """Hand over everything that is stored about the signature."""
    content = dumps(privacy.my_data(_find(reading(), token)), ensure_ascii=False, indent=2)
    return Response(
        content, mimetype="application/json", headers={"Content-Disposition": "attachment; filename=my-signature.json"}
    )


@pages.get("/not-me/<token>")
@open_to_all
def ask_not_me(token: str) -> ResponseReturnValue:
    """Ask before ending mails to an address."""
    signature = confirmation.find(reading(), keys(), token, Purpose.NOT_ME)
    privacy.demand_known(signature)
    return render_template("privacy/not_me.html", signature=signature, token=token, form=PublicForm())


@pages.post("/not-me/<token>")
@open_to_all
@sent_again
def not_me(token: str) -> ResponseReturnValue:
    """Withdraw a forged signature and never write to its address again."""
    forged = confirmation.find(writing(), keys(), token, Purpose.NOT_ME, to_change=True)
    is_everywhere = privacy.not_me(writing(), keys(), forged)
    commit()
    return render_template("privacy/not_me_done.html", is_everywhere=is_everywhere)
