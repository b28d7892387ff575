"""What templates can call."""

import hashlib
import re
from datetime import datetime
from functools import lru_cache
from pathlib import Path

import icu
from flask import Flask, url_for
from flask_wtf.csrf import generate_csrf
from markupsafe import Markup, escape

from letter import clock, letters, names, text
from letter.models import Letter
from letter.web import forms, guards
from letter.web.request import settings

RIGHT_TO_LEFT = {"ar", "arc", "ckb", "dv", "fa", "he", "ku-arab", "ps", "sd", "ug", "ur", "yi"}


def day(moment: datetime | None) -> str:
    """Return a date as it is read: 21 November 2026."""
    return f"{moment.day} {moment:%B %Y}" if moment else ""


def minute(moment: datetime | None) -> str:
    """Return a date with its time, in UTC."""
    return f"{moment.day} {moment:%B %Y, %H:%M} UTC" if moment else ""


def ago(moment: datetime | None) -> str:
    """Return how long ago something was, roughly."""
    if moment is None:
        return ""
    minutes = max(0, int((clock.now() - moment).total_seconds() // 60))
    for size, word in ((60 * 24, "day"), (60, "hour"), (1, "minute")):
        if minutes >= size:
            number = minutes // size
            return f"{number} {word}{'s' if number > 1 else ''} ago"
    return "just now"


def number(value: int) -> str:
    """Return a number with thin spaces between thousands."""
    return f"{value:,}".replace(",", "\u202f")


def direction(line: str) -> str:
    """Return `rtl` or `ltr` for a single name in any script."""
    return "rtl" if names.is_right_to_left(line) else "ltr"


def language_direction(tag: str) -> str:
    """Return `rtl` or `ltr` for a language."""
    return "rtl" if tag.lower() in RIGHT_TO_LEFT or tag.split("-", maxsplit=1)[0].lower() in RIGHT_TO_LEFT else "ltr"


def prose(markdown: str) -> Markup:
    """Return a letter's Markdown as safe HTML."""
    return Markup(text.render(markdown))  # noqa: S704 - render() cleans it


def headline(letter: Letter) -> str:
    """Return a letter's title in its own language."""
    return letters.text_in(letter).title


def language_name(tag: str) -> str:
    """Return a language's name as its readers write it at the beginning of a line: Deutsch, Azərbaycan, العربية."""
    locale = icu.Locale(tag)
    name = str(locale.getDisplayName(locale))
    return str(icu.UnicodeString(name[:1]).toUpper(locale)) + name[1:] or tag


def links_in(mail: str) -> Markup:
    """Return a mail's text as HTML in which links to this service, and no others, can be followed."""
    own = re.compile(re.escape(f"{settings().base_url}/") + r"[^\s<>&]*")
    return Markup(own.sub(lambda found: f'<a href="{found[0]}">{found[0]}</a>', str(escape(mail))))  # noqa: S704


@lru_cache(maxsize=64)
def fingerprint(file: Path) -> str:
    """Return what stands for the content of a static file in its address."""
    return hashlib.sha256(file.read_bytes()).hexdigest()[:12]


def install(app: Flask) -> None:
    """Give the templates of `app` their filters and functions."""
    folder = Path(app.static_folder or "")

    def asset(name: str) -> str:
        """Return a static file's address, which changes with its content, so that it can be kept for a year."""
        return url_for("static", filename=name, v=fingerprint(folder / name))

    app.jinja_env.filters.update(
        day=day, minute=minute, ago=ago, number=number, direction=direction, prose=prose, headline=headline
    )
    app.jinja_env.filters.update(language_name=language_name, links_in=links_in)
    app.jinja_env.globals.update(
        asset=asset,
        csrf=generate_csrf,
        stamp=forms.new_stamp,
        language_direction=language_direction,
        settings=settings,
        stamp_name=forms.STAMP,
        csrf_name=guards.CSRF_FIELD,
    )
