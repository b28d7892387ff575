"""The application: every page, guarded, with its errors and headers."""

import multiprocessing.process
import os
import signal
import threading

from flask import Flask
from jinja2 import StrictUndefined
from werkzeug.middleware.proxy_fix import ProxyFix
from werkzeug.routing import BaseConverter

from letter import config, pages, revision
from letter.commands.serving import name_process
from letter.db import Database
from letter.web import (
    accounts,
    confirmation,
    demo,
    errors,
    exporting,
    facts,
    filters,
    guards,
    headers,
    letters,
    listing,
    machine,
    moderation,
    privacy,
    request,
    settings,
)

KIB = 1024
SECONDS_TO_ANSWER = 4.0  # that a page waits for the database; connecting comes on top


class SlugConverter(BaseConverter):
    """A letter's address."""

    regex = "[a-z0-9][a-z0-9-]{0,79}"


class LanguageConverter(BaseConverter):
    """A language tag (BCP 47)."""

    regex = "[A-Za-z]{2,3}(?:-[A-Za-z0-9]{2,8}){0,3}"


def create_app(given: config.Settings, database: Database) -> Flask:
    """Return the application for one instance."""
    app = Flask(
        "letter",
        template_folder=str(config.shipped("templates")),
        static_folder=str(config.shipped("static")),
        instance_path=str(given.instance.resolve()),
    )
    app.config.update(
        SECRET_KEY=given.keys.secret,
        MAX_CONTENT_LENGTH=64 * KIB,
        MAX_FORM_MEMORY_SIZE=64 * KIB,
        MAX_FORM_PARTS=500,
        WTF_CSRF_TIME_LIMIT=None,
        WTF_CSRF_CHECK_DEFAULT=False,
    )
    app.jinja_options = {"undefined": StrictUndefined, "trim_blocks": True, "lstrip_blocks": True}
    app.url_map.converters.update(slug=SlugConverter, language=LanguageConverter)
    request.install(app, given, database)
    for furnishing in (filters, guards, headers, errors):
        furnishing.install(app)
    for room in (machine, letters, listing, facts, confirmation, privacy, accounts, moderation, exporting, settings):
        app.register_blueprint(room.pages)
    if given.demo:
        app.register_blueprint(demo.pages)
    if given.proxies:
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=given.proxies, x_proto=given.proxies)  # type: ignore[method-assign]
    return app


def from_environment() -> pages.Front:
    """Return the application for the settings in force, behind its ready pages; the server's processes start here."""
    name_process("letter-web")
    # A terminal's Ctrl-C reaches all processes, and the parent then ends each: two signals at once are one too many.
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    given = config.load(os.environ)
    database = Database(given.database_url, replica_url=given.replica_url, patience=SECONDS_TO_ANSWER)
    revision.demand(database, given.keys)
    if parent := multiprocessing.parent_process():
        threading.Thread(target=_end_with, args=(parent,), daemon=True).start()
    return pages.in_front(create_app(given, database), database)


def _end_with(parent: multiprocessing.process.BaseProcess) -> None:
    """End this process when the one that started it is gone, however it went: nobody else would free the port."""
    parent.join()
    os._exit(1)
