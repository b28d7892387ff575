"""Only in the demo: the mails that were sent, so that the whole job can be clicked through without a mail server."""

from email import policy
from email.message import EmailMessage
from email.parser import BytesParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

from flask import Blueprint, render_template
from flask.typing import ResponseReturnValue

from letter.web.guards import open_to_all
from letter.web.request import settings

pages = Blueprint("demo", __name__, url_prefix="/demo")

NEWEST = 50


@pages.get("/mail")
@open_to_all
def mail() -> ResponseReturnValue:
    """Show the newest mails."""
    folder = Path(unquote(urlsplit(settings().smtp_url).path))
    files = sorted(folder.glob("*.eml"), reverse=True)[:NEWEST]
    return render_template("demo/mail.html", mails=[_read(file) for file in files])


def _read(file: Path) -> dict[str, str]:
    message = BytesParser(EmailMessage, policy=policy.default).parsebytes(file.read_bytes())
    body = message.get_body(("plain",))
    return {
        "to": str(message["To"]),
        "subject": str(message["Subject"]),
        "date": str(message["Date"]),
        "body": str(body.get_content()) if body else "",
    }
