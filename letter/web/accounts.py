"""Sign-in, sign-out, invitations, and where staff start."""

from typing import Any

from flask import Blueprint, g, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from wtforms import PasswordField, ValidationError
from wtforms.validators import InputRequired

from letter import accounts, limits, moderation
from letter.errors import TooMany
from letter.models import Person, State
from letter.web import guards
from letter.web.forms import LineField, PublicForm
from letter.web.guards import open_to_all, signed_in
from letter.web.request import commit, keys, reading, writing

pages = Blueprint("accounts", __name__, url_prefix="/staff")

WRONG = "Address and password do not fit together. Please try again."


class SignInForm(PublicForm):
    """Address and password."""

    email = LineField("E-mail", [InputRequired("Please give your address.")])
    password = PasswordField("Password", [InputRequired("Please give your password.")])


class PasswordForm(PublicForm):
    """A new password."""

    password = PasswordField("New password", [InputRequired("Please choose a password.")])

    def __init__(self, *args: Any, email: str = "", **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.email = email

    def validate_password(self, field: PasswordField) -> None:
        """Refuse what is easily guessed."""
        if fault := accounts.password_fault(field.data or "", self.email):
            raise ValidationError(fault)


@pages.get("/sign-in")
@open_to_all
def sign_in() -> ResponseReturnValue:
    """Show the sign-in form."""
    return render_template("accounts/sign_in.html", form=SignInForm(formdata=None), fault="")


@pages.post("/sign-in")
@open_to_all
def enter() -> ResponseReturnValue:
    """Open a session. Limits come before hashing, and people who do not exist take as long as those who do."""
    form = SignInForm()
    if not form.validate():
        return render_template("accounts/sign_in.html", form=form, fault=""), 422
    _spend(form.email.data or "")
    person = accounts.by_email(reading(), form.email.data or "")
    password_hash = person.password_hash if person else None
    if not accounts.is_right(password_hash, form.password.data or "") or person is None:
        return render_template("accounts/sign_in.html", form=form, fault=WRONG), 422
    key = accounts.sign_in(writing(), writing().get_one(Person, person.id))
    commit()
    guards.set_cookie(key)
    return redirect(url_for("accounts.home"), 303)


def _spend(email: str) -> None:
    network = limits.network(keys(), request.remote_addr or "")
    one = limits.address(keys(), "sign-in", email)
    counted = (
        (limits.SIGN_INS_PER_PERSON_AND_NETWORK, one + network),
        (limits.SIGN_INS_PER_PERSON, one),
        (limits.SIGN_INS_PER_NETWORK, network),
    )
    allowed = [limits.is_within(writing(), limit, name) for limit, name in counted]
    commit()
    if not all(allowed):
        raise TooMany


@pages.post("/sign-out")
@signed_in
def sign_out() -> ResponseReturnValue:
    """End the session."""
    accounts.sign_out(writing(), g.staff)
    commit()
    guards.drop_cookie()
    return redirect(url_for("accounts.sign_in"), 303)


@pages.get("/invitation/<secret>")
@open_to_all
def invitation(secret: str) -> ResponseReturnValue:
    """Show the form for a first password."""
    person = accounts.invited(reading(), secret)
    return render_template("accounts/invitation.html", form=PasswordForm(formdata=None), person=person, secret=secret)


@pages.post("/invitation/<secret>")
@open_to_all
def accept(secret: str) -> ResponseReturnValue:
    """Set the password; the invitation is used up by it."""
    person = accounts.invited(reading(), secret)
    form = PasswordForm(email=person.email)
    if not form.validate():
        return render_template("accounts/invitation.html", form=form, person=person, secret=secret), 422
    password_hash = accounts.hash_password(form.password.data or "")
    session = writing()
    person = accounts.invited(session, secret)
    accounts.set_password(session, person, password_hash)
    key = accounts.sign_in(session, person)
    commit()
    guards.set_cookie(key)
    return redirect(url_for("accounts.home"), 303)


@pages.get("/")
@signed_in
def home() -> ResponseReturnValue:
    """List the letters that this person works on, with what waits there."""
    session = reading()
    mine = [
        (letter, role, moderation.how_many(session, letter).get(State.CONFIRMED, 0))
        for letter, role in accounts.letters_of(session, guards.person())
    ]
    return render_template("accounts/home.html", mine=mine, person=guards.person())
