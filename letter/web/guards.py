"""Who may see what. A page is closed unless its view is opened by name; a test walks every route."""

from collections.abc import Callable, MutableMapping
from typing import Any, TypeVar, cast

from flask import Flask, Request, Response, current_app, g, request, session
from flask.sessions import SessionInterface, SessionMixin
from flask_wtf.csrf import validate_csrf
from itsdangerous import BadData
from wtforms import ValidationError

from letter import accounts, letters, tokens
from letter.errors import Forbidden, SignInNeeded, StaleForm
from letter.models import Letter, Person, Role, StaffSession
from letter.web import forms
from letter.web.request import SAFE, keys, read_form, reading, settings

View = TypeVar("View", bound=Callable[..., Any])
CSRF_FIELD = "csrf_token"
RESTAMP_AFTER_SECONDS = 60
STATIC = "static"


def open_to_all(view: View) -> View:
    """Open a view to everybody; forms sent to it carry the public stamp."""
    view.opened = "all"  # type: ignore[attr-defined]
    return view


def keeps_what_was_typed(view: View) -> View:
    """Let a view check the stamp itself, as a field of its form, so that a stale page loses nothing that was typed."""
    view.checks_stamp = True  # type: ignore[attr-defined]
    return view


def sent_again(view: View) -> View:
    """Let a view's form be sent a second time as it is, by one button, when the database was away."""
    view.sent_again = True  # type: ignore[attr-defined]
    return view


def can_be_sent_again(endpoint: str | None) -> bool:
    """Tell whether the form of a view may be written into a page again: there is no password in it."""
    return bool(getattr(current_app.view_functions.get(endpoint or ""), "sent_again", False))


def signed_in(view: View) -> View:
    """Open a view to everybody who works here."""
    view.opened = "staff"  # type: ignore[attr-defined]
    return view


def for_role(role: Role) -> Callable[[View], View]:
    """Open a view to people who have at least `role` for the letter in its address."""

    def mark(view: View) -> View:
        view.opened = role  # type: ignore[attr-defined]
        return view

    return mark


def opened(endpoint: str) -> str | Role | None:
    """Return to whom the view at `endpoint` is open: "all", "staff", a role, or None for nobody."""
    if endpoint == STATIC:
        return "all"
    return getattr(current_app.view_functions.get(endpoint), "opened", None)


def person() -> Person:
    """Return who is signed in."""
    return cast(StaffSession, g.staff).person


def letter() -> Letter:
    """Return the letter that the guard has checked the role for."""
    return cast(Letter, g.letter)


def check() -> None:
    """Before each request: find out to whom the page is open, and refuse everybody else."""
    endpoint = request.endpoint
    if endpoint is None:
        return
    if request.method not in SAFE:
        read_form()
    who = opened(endpoint)
    if who == "all":
        _check_public(endpoint)
    elif who is None:
        raise Forbidden
    else:
        _check_staff(who)


def _check_public(endpoint: str) -> None:
    if request.method != "POST" or getattr(current_app.view_functions[endpoint], "checks_stamp", False):
        return
    forms.check_origin()
    forms.check_stamp(request.form.get(forms.STAMP))


def _check_staff(who: str | Role) -> None:
    g.staff = _staff_session()
    session[CSRF_FIELD] = g.staff.csrf_token
    if request.method == "POST":
        forms.check_origin()
        try:
            validate_csrf(request.form.get(CSRF_FIELD))
        except ValidationError:
            raise StaleForm from None
    if isinstance(who, Role):
        g.letter = letters.by_slug(reading(), (request.view_args or {})["slug"])
        g.role = accounts.demand(reading(), person(), g.letter, who)


def _staff_session() -> StaffSession:
    stamped = request.cookies.get(cookie_name(), "")
    signer = tokens.stamper(keys().secret, "session")
    try:
        key, stamped_at = signer.unsign(stamped, max_age=accounts.IDLE_SECONDS, return_timestamp=True)
    except BadData:
        raise SignInNeeded from None
    found = accounts.session_of(reading(), key.decode())
    if found is None:
        raise SignInNeeded
    g.cookie_key, g.cookie_stamped_at = key.decode(), stamped_at.timestamp()
    return found


def cookie_name() -> str:
    """Return the session cookie's name; the `__Host-` prefix makes browsers insist on TLS and on this host."""
    return "__Host-letter" if settings().is_https else "letter"


def set_cookie(key: str) -> None:
    """Send the cookie of a new session with this answer."""
    g.cookie_key, g.cookie_stamped_at = key, 0.0


def drop_cookie() -> None:
    """Take the cookie back with this answer."""
    g.cookie_key = ""


class StaffCookie(SessionInterface):
    """Flask's session without its cookie: ours holds only a key and when it was last used, never data."""

    def open_session(self, app: Flask, request: Request) -> SessionMixin:
        """Return an empty session; the guard fills in what the stored one knows."""
        return MemorySession()

    def save_session(self, app: Flask, session: SessionMixin, response: Response) -> None:
        """Stamp the cookie anew, a minute or more after the last time, so that idle sessions end without a write."""
        key = g.get("cookie_key")
        if key is None:
            return
        signer = tokens.stamper(keys().secret, "session")
        if key and signer.get_timestamp() - g.cookie_stamped_at < RESTAMP_AFTER_SECONDS:
            return
        options: MutableMapping[str, Any] = {"httponly": True, "samesite": "Lax", "secure": settings().is_https}
        if key:
            response.set_cookie(cookie_name(), signer.sign(key).decode(), path="/", **options)
        else:
            response.delete_cookie(cookie_name(), path="/", **options)


class MemorySession(dict[str, Any], SessionMixin):
    """A session that lives as long as its request."""


def install(app: Flask) -> None:
    """Set the guard at the door of `app`."""
    app.session_interface = StaffCookie()
    app.before_request(check)
