"""The link in the mail shows a button; only the button confirms."""

from flask import Blueprint, redirect, render_template, url_for
from flask.typing import ResponseReturnValue

from letter import confirmation, tokens
from letter.errors import AlreadySigned, LinkExpired
from letter.models import Signature
from letter.tokens import Purpose
from letter.web.forms import PublicForm
from letter.web.guards import open_to_all, sent_again
from letter.web.request import commit, gather, keys, let_go, reading, writing

pages = Blueprint("confirmation", __name__)


@pages.get("/confirm/<token>")
@open_to_all
def ask(token: str) -> ResponseReturnValue:
    """Show what will be signed, and the button. Nothing is written, however often mail scanners come by."""
    signature = confirmation.find(reading(), keys(), token)
    if confirmation.is_done(signature):
        return _done(signature)
    try:
        confirmation.demand_fresh(signature)
    except LinkExpired:
        return _expired(token)
    return render_template("confirmation/ask.html", signature=signature, token=token, form=PublicForm())


@pages.post("/confirm/<token>")
@open_to_all
@sent_again
def confirm(token: str) -> ResponseReturnValue:
    """Confirm; a second time shows the same page."""
    given = confirmation.Pressed(keys(), tokens.read(keys().secret, Purpose.CONFIRM, token))
    try:
        signature, is_first = gather(confirmation.confirm_all, given)
    except LinkExpired:
        return _expired(token)
    except AlreadySigned:
        signature = confirmation.find(reading(), keys(), token)
        return render_template("confirmation/already.html", letter=signature.letter, text=signature.text)
    return _done(signature, is_first=is_first)


@pages.post("/confirm/<token>/again")
@open_to_all
@sent_again
def again(token: str) -> ResponseReturnValue:
    """Send a new link in place of one that expired."""
    session = writing()
    signature = confirmation.find(session, keys(), token, to_change=True)
    slug = signature.letter.slug
    try:
        confirmation.renew(session, keys(), signature)
    except LinkExpired:
        let_go()
        return _expired(token)
    commit()
    return redirect(url_for("letters.thanks", slug=slug), 303)


def _done(signature: Signature, *, is_first: bool = False) -> ResponseReturnValue:
    """Say that it is done. Only who has just pressed the button is led on to the signer's page: the link to that is
    in the second mail, and the first one must not open it for ever.
    """
    mine = tokens.write(keys().secret, Purpose.MINE, signature.uid) if is_first else None
    return render_template(
        "confirmation/done.html", signature=signature, letter=signature.letter, text=signature.text, mine=mine
    )


def _expired(token: str) -> ResponseReturnValue:
    signature = confirmation.find(reading(), keys(), token)
    page = render_template(
        "confirmation/expired.html",
        signature=signature,
        letter=signature.letter,
        token=token,
        can_renew=signature.email_sealed is not None,
        form=PublicForm(),
    )
    return page, 410
