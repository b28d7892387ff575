"""Letters and their texts."""

import re

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from letter import audit, clock, tokens
from letter.errors import AlreadyThere, BadInput, LetterClosed, MoveRefused, NotFound
from letter.models import Letter, LetterState, LetterText, Moderation, Person
from letter.text import block, clean, digest

SLUG = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
SLUG_LENGTH = 60
TITLE_LENGTH = 200
BODY_LENGTH = 60_000
TAKEN_BY_PAGES = {
    "confirm", "demo", "healthz", "letter", "metrics", "mine", "not-me", "oembed", "readyz", "robots", "staff", "static"
}  # fmt: skip
LANGUAGE = re.compile(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8}){0,3}")
SHOWN = (LetterState.OPEN, LetterState.PAUSED, LetterState.CLOSED, LetterState.DELIVERED, LetterState.ARCHIVED)
STATES: dict[LetterState, set[LetterState]] = {
    LetterState.DRAFT: {LetterState.OPEN},
    LetterState.OPEN: {LetterState.PAUSED, LetterState.CLOSED},
    LetterState.PAUSED: {LetterState.OPEN, LetterState.CLOSED},
    LetterState.CLOSED: {LetterState.OPEN, LetterState.DELIVERED, LetterState.ARCHIVED},
    LetterState.DELIVERED: {LetterState.ARCHIVED},
    LetterState.ARCHIVED: set(),
}


def create(
    session: Session,
    slug: str,
    *,
    title: str,
    language: str,
    body: str,
    sign_off: str = "",
    addressees: str = "",
    moderation: Moderation = Moderation.BEFORE,
    by: Person | None = None,
) -> Letter:
    """Add a letter as a draft with its first text. Raise BadInput or AlreadyThere with a sentence that says why."""
    title, body = clean(title), block(body)
    refuse_bad(slug, title=title, language=language, body=body)
    letter = Letter(
        uid=tokens.new_uid(),
        slug=slug,
        state=LetterState.DRAFT,
        default_language=language,
        moderation=moderation,
        created_at=clock.now(),
    )
    session.add(letter)
    try:
        session.flush()
    except IntegrityError:
        raise AlreadyThere(f"There is a letter at /{slug} already.") from None
    add_text(session, letter, language, title=title, body=body, sign_off=clean(sign_off), addressees=block(addressees))
    audit.note(session, "letter.new", letter.uid, by=by, letter=letter)
    return letter


def refuse_bad(slug: str, *, title: str, language: str, body: str) -> None:
    """Raise BadInput, with a sentence, if a letter cannot be made of these."""
    if not SLUG.fullmatch(slug) or len(slug) > SLUG_LENGTH:
        raise BadInput(f"“{slug}” cannot be an address: use small letters, digits and hyphens, at most {SLUG_LENGTH}.")
    if slug in TAKEN_BY_PAGES:
        raise BadInput(f"“{slug}” is an address of the service itself; please choose another.")
    if not LANGUAGE.fullmatch(language):
        raise BadInput(f"“{language}” is no language tag such as en or az.")
    if not title or len(title) > TITLE_LENGTH:
        raise BadInput(f"The title must have 1 to {TITLE_LENGTH} characters.")
    if not body or len(body) > BODY_LENGTH:
        raise BadInput(f"The text must have 1 to {BODY_LENGTH:,} characters.")


def add_text(
    session: Session, letter: Letter, language: str, *, title: str, body: str, sign_off: str, addressees: str
) -> LetterText:
    """Add the next version of the text in `language`; earlier ones stay as they were signed."""
    version = 1 + sum(text.language == language for text in letter.texts)
    text = LetterText(
        letter=letter,
        language=language,
        version=version,
        title=title,
        body=body,
        sign_off=sign_off,
        addressees=addressees,
        sha256=digest(language, title, addressees, body, sign_off),
        created_at=clock.now(),
    )
    session.add(text)
    session.flush()
    return text


def by_slug(session: Session, slug: str) -> Letter:
    """Return the letter at `slug`. Raise NotFound if there is none."""
    letter = session.scalars(select(Letter).where(Letter.slug == slug)).first()
    if letter is None:
        raise NotFound(f"There is no letter at /{slug}.")
    return letter


def public(session: Session, slug: str) -> Letter:
    """Return the letter at `slug` as a stranger may know of it. Raise NotFound for drafts as for none at all."""
    letter = by_slug(session, slug)
    if letter.state not in SHOWN:
        raise NotFound(f"There is no letter at /{slug}.")
    return letter


def open_ones(session: Session) -> list[Letter]:
    """Return the letters that take signatures, newest first."""
    return list(
        session.scalars(select(Letter).where(Letter.state == LetterState.OPEN).order_by(Letter.id.desc()).limit(200))
    )


def everything(session: Session) -> list[Letter]:
    """Return all letters, newest first; for staff."""
    return list(session.scalars(select(Letter).order_by(Letter.id.desc())))


def text_in(letter: Letter, language: str | None = None) -> LetterText:
    """Return the newest text in `language`, or in the default one. Raise NotFound if the letter has no such text."""
    wanted = (language or letter.default_language).lower()
    found = [text for text in letter.texts if text.language.lower() == wanted]
    if not found:
        raise NotFound("This letter has not been translated into that language.")
    return max(found, key=lambda text: text.version)


def languages(letter: Letter) -> list[str]:
    """Return the languages in which the letter can be read, its own first."""
    return sorted({text.language for text in letter.texts}, key=lambda tag: (tag != letter.default_language, tag))


def move(session: Session, letter: Letter, to: LetterState, *, by: Person | None = None) -> None:
    """Open, pause, close or archive a letter. Raise MoveRefused for a step that is not in the table."""
    if to not in STATES[letter.state]:
        raise MoveRefused(f"A letter that is {letter.state} cannot become {to}.")
    audit.note(session, "letter.state", letter.uid, by=by, letter=letter, before=letter.state, after=to)
    letter.state = to
    if to is LetterState.OPEN and letter.opens_at is None:
        letter.opens_at = clock.now()


def moderate(session: Session, letter: Letter, kind: Moderation, *, by: Person | None = None) -> None:
    """Choose whether names appear before or after a person has looked at them."""
    audit.note(session, "letter.moderation", letter.uid, by=by, letter=letter, before=letter.moderation, after=kind)
    letter.moderation = kind


def is_open(letter: Letter) -> bool:
    """Tell whether the letter takes signatures."""
    return letter.state is LetterState.OPEN and not (letter.closes_at and letter.closes_at <= clock.now())


def demand_open(letter: Letter) -> None:
    """Raise LetterClosed unless the letter takes signatures."""
    if not is_open(letter):
        raise LetterClosed
