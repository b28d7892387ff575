"""For machines: is the process alive, can it work, and what robots may read."""

from flask import Blueprint, Response
from flask.typing import ResponseReturnValue
from sqlalchemy import text

from letter.web.guards import open_to_all
from letter.web.request import keep, reading

pages = Blueprint("machine", __name__)

ROBOTS = "User-agent: *\nDisallow: /staff\nDisallow: /mine\nDisallow: /confirm\nDisallow: /not-me\n"


@pages.get("/healthz")
@open_to_all
def alive() -> ResponseReturnValue:
    """Answer as long as the process lives."""
    return Response("ok\n", mimetype="text/plain")


@pages.get("/readyz")
@open_to_all
def ready() -> ResponseReturnValue:
    """Answer if the database does."""
    reading().execute(text("SELECT 1 FROM letter LIMIT 1"))
    return Response("ok\n", mimetype="text/plain")


@pages.get("/robots.txt")
@open_to_all
def robots() -> ResponseReturnValue:
    """Tell robots what is nobody's business."""
    keep()
    return Response(ROBOTS, mimetype="text/plain")
