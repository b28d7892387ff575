"""Ordinary refusals: small named exceptions that one file turns into pages and one into sentences on stderr."""


class Refusal(Exception):
    """Something that cannot be done, with a sentence for the person who asked."""

    status = 400
    title = "That did not work"
    advice = ""

    def __init__(self, sentence: str | None = None, advice: str | None = None) -> None:
        super().__init__(sentence or self.title)
        self.sentence = sentence or self.title
        self.advice = self.advice if advice is None else advice


class NotFound(Refusal):
    """No such page, letter or person, or none that this reader may know of."""

    status = 404
    title = "This page does not exist"
    advice = "Please check the address, or go to the list of letters."


class LetterClosed(Refusal):
    """The letter takes no signatures now."""

    status = 409
    title = "This letter takes no signatures now"
    advice = "Nothing was stored. The letter and its names can still be read."


class LinkInvalid(Refusal):
    """A link that we did not write, or that lost a piece on its way."""

    status = 404
    title = "This link is not complete"
    advice = "Please copy the whole link from the mail into the address bar, or sign the letter again."


class LinkExpired(Refusal):
    """A link that was right but is too old."""

    status = 410
    title = "This link has expired"
    advice = "You can have a new one, or sign the letter again."


class AlreadySigned(Refusal):
    """The address has a living signature on this letter."""

    status = 409
    title = "This address has signed already"


class AlreadyThere(Refusal):
    """A slug or a person that exists."""

    status = 409
    title = "This exists already"


class MoveRefused(Refusal):
    """A signature cannot go from its state to that one."""

    status = 409
    title = "This signature cannot be changed in that way"


class Overtaken(Refusal):
    """Somebody else decided in the meantime."""

    status = 409
    title = "Somebody decided this a moment ago"
    advice = "Nothing was changed by you. Please look at the entry again."


class SignInNeeded(Refusal):
    """A staff page asked for by somebody who is not signed in."""

    status = 401
    title = "Please sign in"


class Forbidden(Refusal):
    """A staff page that this person's role does not open."""

    status = 403
    title = "This page is not open to you"
    advice = "An organiser of the letter can give you the role for it."


class StaleForm(Refusal):
    """A form without its anti-forgery value, or with one that is too old or from elsewhere."""

    status = 400
    title = "This form has been open for too long"
    advice = "Nothing was changed. Please go back, load the page again and send the form once more."


class TooMany(Refusal):
    """A limit is reached."""

    status = 429
    title = "Too many attempts"
    advice = "Please wait a quarter of an hour and try again."


class BadInput(Refusal):
    """A field, a file or a setting that cannot be used."""

    status = 422
    title = "Something in the form needs another look"


class NotReady(Refusal):
    """The instance is not set up, or its database is not there or of another version."""

    status = 503
    title = "The service is not ready"
    advice = "Please try again in a few minutes."
