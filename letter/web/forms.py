"""The parts that all forms share: the dated anti-forgery stamp of public ones, fields that clean what they get."""

from typing import Any

from flask import request
from flask_wtf import FlaskForm
from itsdangerous import BadData, TimestampSigner
from wtforms import Field, StringField, ValidationError
from wtforms.csrf.core import CSRF
from wtforms.fields.choices import SelectChoice
from wtforms.validators import DataRequired, Length

from letter import text, tokens
from letter.errors import StaleForm
from letter.models import AFFILIATION_LENGTH, NAME_LENGTH, Display, Letter
from letter.web.request import settings

STAMP = "stamp"
STAMP_DAYS = 7
DAY = 24 * 60 * 60
HOUR = 60 * 60
DISPLAYS = [
    SelectChoice(Display.PUBLIC.value, "Show my name under the letter"),
    SelectChoice(Display.RECIPIENTS.value, "Only the letter’s recipients see my name"),
    SelectChoice(Display.COUNTED.value, "Only count me; nobody sees my name but those who check the signatures"),
]


class HourlySigner(TimestampSigner):
    """Dates by the hour, so that a public page is the same bytes for everyone and a proxy can keep it."""

    def get_timestamp(self) -> int:
        """Return the present hour, in seconds since 1970."""
        return super().get_timestamp() // HOUR * HOUR


def _signer() -> TimestampSigner:
    return tokens.stamper(settings().keys.secret, "form", HourlySigner)


def new_stamp() -> str:
    """Return the value that shows that a form came from one of our pages."""
    return _signer().sign("letter").decode()


def check_stamp(value: str | None) -> None:
    """Raise StaleForm unless `value` was written here within the last seven days."""
    try:
        _signer().unsign(value or "", max_age=STAMP_DAYS * DAY)
    except BadData:
        raise StaleForm from None


def check_origin() -> None:
    """Raise StaleForm for a form sent from another site.

    Browsers say so in Sec-Fetch-Site; `Origin` is "null" under our referrer policy, so only a real one is compared.
    """
    site = request.headers.get("Sec-Fetch-Site")
    origin = request.headers.get("Origin", "null")
    own = (settings().base_url, request.host_url.rstrip("/"))
    if site not in (None, "same-origin", "none") or (site is None and origin != "null" and origin not in own):
        raise StaleForm


class Stamp(CSRF):
    """WTForms' anti-forgery hook for forms that know no session."""

    def generate_csrf_token(self, csrf_token_field: Field) -> str:
        """Return the stamp for a form that is shown."""
        return new_stamp()

    def validate_csrf_token(self, form: Any, field: Field) -> None:
        """Accept a stamp of ours, refuse everything else beside the field."""
        try:
            check_origin()
            check_stamp(field.data)
        except StaleForm:
            raise ValidationError("This page had been open for very long. Please press the button once more.") from None


class PublicForm(FlaskForm):
    """A form on a public page: no cookie, no session."""

    class Meta(FlaskForm.Meta):
        """Use the stamp in place of Flask-WTF's session."""

        csrf_class = Stamp
        csrf_field_name = STAMP

        def wrap_formdata(self, form: Any, formdata: Any) -> Any:
            """Read a form's fields and nothing else; Flask-WTF would take files and JSON for lines of text, too."""
            return request.form if formdata is not None and request.method == "POST" else None


class LineField(StringField):
    """One line of text, cleaned of what cannot be seen."""

    def process_formdata(self, valuelist: list[str]) -> None:
        """Clean what was sent."""
        self.data = text.clean(valuelist[0]) if valuelist else ""


class Readable:
    """Refuses text that holds no letter, or so many marks that it cannot be read."""

    def __call__(self, form: Any, field: Field) -> None:
        """Raise ValidationError with a sentence."""
        if field.data and not text.has_letter(field.data):
            raise ValidationError("Please write it with letters.")
        if text.is_piled_up(field.data or ""):
            raise ValidationError("There are too many marks above or below one letter. Please write it plainly.")


class NoLink:
    """Refuses web and mail addresses: what is typed here reaches a mailbox that may be a stranger's, and the public."""

    def __call__(self, form: Any, field: Field) -> None:
        """Raise ValidationError with a sentence."""
        if text.has_link(field.data or ""):
            raise ValidationError("Please leave web and e-mail addresses out of this line.")


class NamedForm(PublicForm):
    """A public form with the two things that are shown: name and affiliation."""

    name = LineField(
        "Name",
        [
            DataRequired("Please write your name as it should be read."),
            Length(max=NAME_LENGTH, message=f"Please shorten this to {NAME_LENGTH} characters."),
            Readable(),
            NoLink(),
        ],
    )
    affiliation = LineField(
        "Affiliation",
        [
            Length(max=AFFILIATION_LENGTH, message=f"Please shorten this to {AFFILIATION_LENGTH} characters."),
            Readable(),
            NoLink(),
        ],
    )

    def __init__(self, *args: Any, letter: Letter | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.letter = letter

    def validate_affiliation(self, field: LineField) -> None:
        """Ask for an affiliation where the letter does."""
        if self.letter and self.letter.affiliation_required and not field.data:
            raise ValidationError("This letter asks for your profession or organisation.")
