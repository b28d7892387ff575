"""Headers that every answer carries."""

from pathlib import Path

from flask import Flask, Response, current_app, request

from letter.shelf import MARK, NO_LETTER, Mark
from letter.web.filters import fingerprint
from letter.web.request import settings

POLICY = "; ".join((
    "default-src 'none'",
    "style-src 'self'",
    "img-src 'self'",
    "font-src 'self'",
    "form-action 'self'",
    "base-uri 'none'",
    "frame-ancestors 'none'",
))  # fmt: skip
ALWAYS = {
    "Content-Security-Policy": POLICY,
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
}
EMBEDDED = "facts"  # public numbers without names, which other sites may show
FOR_OTHER_SITES = {"Cross-Origin-Resource-Policy": "cross-origin", "Access-Control-Allow-Origin": "*"}
PERSONAL = ("staff", "mine", "confirm", "not-me", "demo")
# A copy is at most five seconds old, so that a withdrawn name is gone from it; an hour, if we cannot be reached.
SHORT = "public, max-age=1, stale-while-revalidate=4, stale-if-error=3600"
YEAR = 365 * 24 * 60 * 60


def dress(response: Response) -> Response:
    """Add the headers: nothing from other hosts, no referrer, and no copy of personal pages anywhere."""
    response.headers.update(ALWAYS)
    if request.blueprint == EMBEDDED:
        response.headers.update(FOR_OTHER_SITES)
    if settings().is_https:
        response.headers["Strict-Transport-Security"] = f"max-age={2 * YEAR}; includeSubDomains"
    is_personal = request.path.split("/")[1] in PERSONAL
    if is_personal or response.status_code >= 400 or request.method == "POST":
        response.headers["Cache-Control"] = "no-store"
        response.headers["X-Robots-Tag"] = "noindex"
    elif request.endpoint == "static" and "v" in request.args:
        response.headers["Cache-Control"] = f"public, max-age={YEAR}, immutable"
        file = Path(current_app.static_folder or "") / (request.view_args or {})["filename"]
        if request.args["v"] == fingerprint(file):
            request.environ[MARK] = Mark(NO_LETTER, reads_query=True)
    elif MARK in request.environ:
        response.headers["Cache-Control"] = SHORT
    else:
        response.headers.setdefault("Cache-Control", "no-cache")
    return response


def install(app: Flask) -> None:
    """Dress every answer of `app`."""
    app.after_request(dress)
