"""The link in the mail shows a button; only the button confirms."""

from flask import Blueprint, redirect, render_template, url_for
from flask.typing import ResponseReturnValue

from letter import confirmation, tokens
from letter.errors import AlreadySigned, LinkExpired
from letter.models import Signature
from letter.tokens import Purpose
from letter.web.forms import PublicForm
from letter.web.guards import open_to_all
from letter.web.request import commit, database, keys

pages = Blueprint("confirmation", __name__)


@pages.get("/confirm/<token>")
@open_to_all
def ask(token: str) -> ResponseReturnValue:
    """Show what will be signed, and the button. Nothing is written, however often mail scanners come by."""
    signature = confirmation.find(database(), keys(), token)
    if confirmation.is_done(signature):
        return _done(signature)
    try:
        confirmation.demand_fresh(signature)
    except LinkExpired:
        return _expired(signature, token)
    return render_template("confirmation/ask.html", signature=signature, token=token, form=PublicForm())


@pages.post("/confirm/<token>")
@open_to_all
def confirm(token: str) -> ResponseReturnValue:
    """Confirm; a second time shows the same page."""
    session = database()
    signature = confirmation.find(session, keys(), token)
    try:
        confirmation.confirm(session, keys(), signature)
    except LinkExpired:
        return _expired(signature, token)
    except AlreadySigned:
        confirmation.send_own_link(session, keys(), signature)
        commit()
        return render_template("confirmation/already.html", letter=signature.letter, text=signature.text)
    commit()
    return _done(signature)


@pages.post("/confirm/<token>/again")
@open_to_all
def again(token: str) -> ResponseReturnValue:
    """Send a new link in place of one that expired."""
    session = database()
    signature = confirmation.find(session, keys(), token)
    try:
        confirmation.renew(session, keys(), signature)
    except LinkExpired:
        return _expired(signature, token)
    commit()
    return redirect(url_for("letters.thanks", slug=signature.letter.slug), 303)


def _done(signature: Signature) -> ResponseReturnValue:
    mine = tokens.write(keys().secret, Purpose.MINE, signature.uid)
    return render_template(
        "confirmation/done.html", signature=signature, letter=signature.letter, text=signature.text, mine=mine
    )


def _expired(signature: Signature, token: str) -> ResponseReturnValue:
    page = render_template(
        "confirmation/expired.html",
        signature=signature,
        letter=signature.letter,
        token=token,
        can_renew=signature.email_sealed is not None,
        form=PublicForm(),
    )
    return page, 410
