"""The letter as one reads it, with the form on the same page; the thanks page; the list of letters."""

from flask import Blueprint, redirect, render_template, url_for
from flask.typing import ResponseReturnValue
from wtforms import BooleanField, HiddenField, RadioField, ValidationError
from wtforms.fields.choices import SelectChoice
from wtforms.validators import Length

from letter import addresses, letters, listing, signing
from letter.errors import BadInput, NotFound
from letter.models import Display, Kind, Letter, Role
from letter.signing import Submission
from letter.web import guards
from letter.web.forms import DISPLAYS, LineField, NamedForm
from letter.web.guards import for_role, keeps_what_was_typed, open_to_all, sent_again
from letter.web.request import gather, keep, keys, reading, remembered

pages = Blueprint("letters", __name__)

NAMES_ON_PAGE = 300
KINDS = [SelectChoice(Kind.PERSON.value, "for myself"), SelectChoice(Kind.ORGANISATION.value, "for an organisation")]


class SignForm(NamedForm):
    """What a supporter fills in."""

    email = LineField("E-mail", [Length(max=254, message="This address is too long.")])
    display = RadioField("Who may see your name?", choices=DISPLAYS, default=Display.PUBLIC.value)
    kind = RadioField("I sign", choices=KINDS, default=Kind.PERSON.value)
    updates = BooleanField("Write to me when something happens with this letter")
    language = HiddenField()
    address = ""

    def validate_email(self, field: LineField) -> None:
        """Refuse what cannot be an address; whether it exists shows when the mail is answered."""
        if not field.data:
            raise ValidationError("Please give your e-mail address. A link to confirm is sent there.")
        try:
            self.address = addresses.check(field.data)
        except BadInput:
            raise ValidationError(
                "This does not look like an e-mail address. It should read like name@example.org."
            ) from None

    def validate_kind(self, field: RadioField) -> None:
        """Keep to whom the letter asks for."""
        if self.letter and not self.letter.organisations_welcome and field.data != Kind.PERSON:
            raise ValidationError("This letter is signed by people, not by organisations.")

    def validate_language(self, field: HiddenField) -> None:
        """Refuse a language in which nobody can have read the letter."""
        try:
            if self.letter:
                letters.text_in(self.letter, field.data)
        except NotFound:
            raise ValidationError(
                "The letter is not there in that language. Please press the button once more for the one shown here."
            ) from None

    def submission(self) -> Submission:
        """Return what was filled in."""
        return Submission(
            name=self.name.data or "",
            affiliation=self.affiliation.data or "",
            email=self.address,
            display=Display(self.display.data),
            kind=Kind(self.kind.data),
            wants_updates=bool(self.updates.data),
            language=self.language.data or "",
        )


@pages.get("/")
@open_to_all
def index() -> ResponseReturnValue:
    """List the letters that take signatures."""
    session = reading()
    keep()
    listed = [(one, letters.text_in(one), listing.counts(session, one)) for one in letters.open_ones(session)]
    return render_template("letters/index.html", listed=listed)


@pages.get("/<slug:slug>")
@pages.get("/<slug:slug>/<language:language>")
@open_to_all
def show(slug: str, language: str | None = None) -> ResponseReturnValue:
    """Show a letter in one language, with its first names and the form."""
    letter = letters.public(reading(), slug)
    text = letters.text_in(letter, language)
    if language in (None, text.language):  # and not once more for each way of writing the tag
        keep(letter)
    return _page(letter, SignForm(formdata=None, language=text.language)), 200


@pages.get("/staff/<slug:slug>/preview")
@for_role(Role.VIEWER)
def preview(slug: str) -> ResponseReturnValue:
    """Show a letter to those who work on it as it will be read, a draft, too."""
    text = letters.text_in(guards.letter())
    return _page(guards.letter(), SignForm(formdata=None, language=text.language))


@pages.post("/<slug:slug>/sign")
@open_to_all
@keeps_what_was_typed
@sent_again
def sign(slug: str) -> ResponseReturnValue:
    """Take a signature: one transaction with its mail, and the same answer for every address."""
    letter = remembered(slug)
    letters.demand_open(letter)
    form = SignForm(letter=letter)
    if not form.validate():
        return _page(letters.public(reading(), slug), form), 422
    gather(signing.put, signing.draft(keys(), letter, form.submission()))
    return redirect(url_for("letters.thanks", slug=slug), 303)


@pages.get("/<slug:slug>/thanks")
@open_to_all
def thanks(slug: str) -> ResponseReturnValue:
    """Say what to do next."""
    letter = letters.public(reading(), slug)
    keep(letter)
    return render_template(
        "letters/thanks.html", letter=letter, text=letters.text_in(letter), link_days=signing.LINK_DAYS
    )


def _page(letter: Letter, form: SignForm) -> str:
    session = reading()
    try:
        text = letters.text_in(letter, form.language.data)
    except NotFound:  # somebody made the hidden field up
        text = letters.text_in(letter)
    others = listing.others(session, letter, most=NAMES_ON_PAGE + 1)
    return render_template(
        "letters/show.html",
        letter=letter,
        text=text,
        languages=letters.languages(letter),
        form=form,
        is_open=letters.is_open(letter),
        counts=listing.counts(session, letter),
        first=listing.first_signatories(session, letter),
        others=others[:NAMES_ON_PAGE],
        has_more=len(others) > NAMES_ON_PAGE,
    )
