"""The organiser takes the verified list along."""

from collections.abc import Iterator

from flask import Blueprint, Response, render_template, request
from flask.typing import ResponseReturnValue

from letter import exporting, letters
from letter.models import Role
from letter.text import clean
from letter.web.guards import for_role, letter, person
from letter.web.request import commit, instance, reading, writing

pages = Blueprint("exporting", __name__, url_prefix="/staff")


@pages.get("/<slug:slug>/export")
@for_role(Role.ORGANISER)
def show(slug: str) -> ResponseReturnValue:
    """Say what an export holds, and offer the formats."""
    return render_template(
        "exporting/show.html", letter=letter(), rows=exporting.how_many(reading(), letter()), formats=exporting.WRITERS
    )


@pages.post("/<slug:slug>/export")
@for_role(Role.ORGANISER)
def download(slug: str) -> ResponseReturnValue:
    """Record the export, then stream it."""
    name = clean(request.form.get("format", ""))
    writer = exporting.writer(name)
    exporting.note(writing(), letter(), name, by=person())
    commit()
    stored = instance().database

    def stream() -> Iterator[bytes]:
        with stored.reading() as session:
            yield from writer.write(exporting.COLUMNS, exporting.rows(session, letters.by_slug(session, slug)))

    return Response(
        stream(),
        content_type=writer.media_type,
        headers={"Content-Disposition": f"attachment; filename={slug}-signatures.{writer.extension}"},
    )
