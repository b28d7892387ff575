"""Mail addresses: their syntax, and the one form in which each is used."""

from email_validator import EmailNotValidError, validate_email

from letter.errors import BadInput


def check(email: str) -> str:
    """Return `email` in ASCII, its domain as IDNA writes it: straße.example and strasse.example are two domains.

    Raise BadInput for what is no address (RFC 5322 as people use it), or has a local part that few servers take.
    """
    try:
        found = validate_email(email, check_deliverability=False, allow_smtputf8=False)
    except EmailNotValidError:
        raise BadInput(f"“{email}” is no e-mail address.") from None
    return found.ascii_email or found.normalized
