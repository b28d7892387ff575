"""The one place where refusals become pages."""

import logging

from flask import Flask, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy.exc import DataError
from sqlalchemy.orm.exc import StaleDataError
from werkzeug.exceptions import HTTPException

from letter.db import AWAY
from letter.errors import NotFound, NotReady, Overtaken, Refusal, SignInNeeded, StaleForm
from letter.web import forms, guards
from letter.web.request import SAFE

SECONDS_AWAY = 60
log = logging.getLogger("letter.web")

HTTP = {
    400: ("This could not be understood", "Please go back and try again."),
    403: ("This page is not open to you", ""),
    404: ("This page does not exist", "Please check the address, or go to the list of letters."),
    405: ("This page cannot be used in that way", "Please go back and use the buttons on the page."),
    408: ("That took too long", "Please try again."),
    413: ("This is too much at once", "A signature needs only a few lines. Please shorten what you wrote."),
    414: ("This address is too long", "Please check the address."),
    415: ("This kind of content cannot be read here", "Please use the form on the page."),
    431: ("This request is too long", "Please try again."),
}


def page(status: int, title: str, advice: str = "") -> tuple[str, int]:
    """Return a page that says what happened and what to do."""
    return render_template("errors/error.html", title=title, advice=advice, status=status), status


def on_refusal(error: Refusal) -> tuple[str, int]:
    """Show an ordinary refusal."""
    return page(error.status, error.sentence, error.advice)


def on_sign_in_needed(error: SignInNeeded) -> ResponseReturnValue:
    """Lead to the sign-in page; what was sent by POST is refused, since it cannot be sent again by itself."""
    if request.method in SAFE:
        return redirect(url_for("accounts.sign_in"), 303)
    return page(error.status, "You have been signed out", "Nothing was changed. Please sign in and do it again.")


def on_http(error: HTTPException) -> ResponseReturnValue:
    """Show what Flask itself refuses."""
    status = error.code or 500
    if status < 400 and error.response is not None:
        return error.response  # a redirect
    title, advice = HTTP.get(status, ("Something went wrong", "Please try again in a few minutes."))
    answer = error.get_response()
    kept = [(name, value) for name, value in answer.headers if name == "Allow"]
    return *page(status, title, advice), kept


def on_database(error: Exception) -> ResponseReturnValue:
    """Say that nothing was stored; the log names the fault without what was being stored."""
    log.error("database: %s", type(getattr(error, "orig", None) or error).__name__)
    return on_not_ready(NotReady("The service cannot store anything at the moment"))


def on_unreadable(error: DataError) -> tuple[str, int]:
    """Refuse a value that no column can hold, such as text with NUL in it; to send it again would not help."""
    log.warning("database: %s", type(error.orig).__name__)
    return page(400, *HTTP[400])


def on_not_ready(error: NotReady) -> ResponseReturnValue:
    """Keep what was typed, on a page that needs no database, with a button that sends it again as it is."""
    patience = {"Retry-After": str(SECONDS_AWAY)}
    if not _can_be_sent_again():
        return *on_refusal(error), patience
    fields = list(request.form.items(multi=True))
    return render_template("letters/later.html", fields=fields, typed=request.form), error.status, patience


def _can_be_sent_again() -> bool:
    """A form from another site must not become one of ours by being shown here."""
    try:
        forms.check_origin()
    except StaleForm:
        return False
    return request.method not in SAFE and guards.can_be_sent_again(request.endpoint)


def on_overtaken(_error: StaleDataError) -> tuple[str, int]:
    """Two people changed one entry in the same moment, and this one came second."""
    return on_refusal(Overtaken())


def on_overflow(_error: OverflowError) -> ResponseReturnValue:
    """A number in the address that no row can have."""
    return on_refusal(NotFound())


def on_fault(error: Exception) -> ResponseReturnValue:
    """Say sorry; the log has the place of the fault, and no data of people."""
    where = error.__traceback__
    while where and where.tb_next:
        where = where.tb_next
    place = f"{where.tb_frame.f_code.co_filename}:{where.tb_lineno}" if where else "?"
    log.error("fault in %s: %s at %s", request.endpoint, type(error).__name__, place)
    return page(500, "Something went wrong on our side", "Please try again in a few minutes.")


def install(app: Flask) -> None:
    """Register the handlers."""
    app.register_error_handler(Refusal, on_refusal)
    app.register_error_handler(SignInNeeded, on_sign_in_needed)
    app.register_error_handler(HTTPException, on_http)
    app.register_error_handler(NotReady, on_not_ready)
    for away in AWAY:
        app.register_error_handler(away, on_database)
    app.register_error_handler(DataError, on_unreadable)
    app.register_error_handler(StaleDataError, on_overtaken)
    app.register_error_handler(OverflowError, on_overflow)
    app.register_error_handler(Exception, on_fault)
