"""Which signatures are shown, counted and handed over, and in what order."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, Select, and_, false, or_, select, tuple_
from sqlalchemy.orm import Session

from letter import names, tally
from letter.models import Display, Letter, Moderation, Signature, State
from letter.tally import Sort
from letter.text import clean

PAGE = 200
SEARCH_LENGTH = 80
STANDING = (State.CONFIRMED, State.HELD, State.APPROVED)


def accepted(letter: Letter) -> ColumnElement[bool]:
    """Return the condition for signatures that count as verified on `letter`: what its moderation asks for."""
    return and_(Signature.letter_id == letter.id, or_(*(_stands(state) for state in accepted_states(letter))))


def accepted_states(letter: Letter) -> tuple[State, ...]:
    """Return the states in which a signature, unless it is confirmed and flagged, counts as verified."""
    return (State.APPROVED,) if letter.moderation is Moderation.BEFORE else (State.APPROVED, State.CONFIRMED)


def _stands(state: State) -> ColumnElement[bool]:
    if state is State.APPROVED:
        return Signature.state == state
    return and_(Signature.state == state, Signature.flagged.is_(False))


def published(letter: Letter) -> ColumnElement[bool]:
    """Return the condition for names that everybody may read."""
    return and_(accepted(letter), Signature.display == Display.PUBLIC)


@dataclass(frozen=True)
class Counts:
    """What the public is told: who was listed by the organisers, who confirmed by mail, whose name is shown, and all.

    Somebody may be listed and have confirmed, so `signed`, where everybody counts once, can be less than their sum.
    """

    first: int
    confirmed: int
    published: int
    signed: int


def counts(session: Session, letter: Letter) -> Counts:
    """Return a letter's numbers. Listed and confirmed are separate facts and stay separate."""
    sorts = tally.read(session, letter).sorts

    def total(which: Callable[[Sort], bool]) -> int:
        return sum(number for sort, number in sorts.items() if which(sort))

    return Counts(
        first=total(lambda sort: _is_published(letter, sort) and sort.is_first),
        confirmed=total(_is_confirmed),
        published=total(lambda sort: _is_published(letter, sort)),
        signed=total(lambda sort: _is_confirmed(sort) or (_is_published(letter, sort) and sort.is_first)),
    )


def is_accepted(letter: Letter, sort: Sort) -> bool:
    """Tell of a sort of signatures what `accepted` tells of one."""
    unflagged = sort.state is State.CONFIRMED and not sort.is_flagged
    return sort.state is State.APPROVED or (letter.moderation is Moderation.AFTER and unflagged)


def _is_published(letter: Letter, sort: Sort) -> bool:
    return is_accepted(letter, sort) and sort.display is Display.PUBLIC


def _is_confirmed(sort: Sort) -> bool:
    return sort.state in STANDING and sort.is_confirmed


def first_signatories(session: Session, letter: Letter, search: str = "") -> Sequence[Signature]:
    """Return the published first signatories in the organiser's order."""
    found = _search(select(Signature).where(published(letter), Signature.place.is_not(None)), search)
    return session.scalars(found.order_by(Signature.place)).all()


Cursor = tuple[bytes, str]


def cursor(signature: Signature) -> str:
    """Return the place of a name in the list, as it stands in the address of the page after it."""
    return f"{urlsafe_b64encode(signature.sort_key).decode()}.{signature.uid}"


def read_cursor(text: str) -> Cursor | None:
    """Return the place that `cursor` wrote, or None for anything else: the list then starts anew."""
    key, _, uid = text.rpartition(".")
    try:
        return (urlsafe_b64decode(key.encode("ascii")), clean(uid)[:40]) if key else None
    except ValueError:
        return None


def is_place(session: Session, letter: Letter, text: str) -> bool:
    """Tell whether `text` is the place of a name that is on the list, written as `cursor` writes it."""
    place = read_cursor(text)  # which has taken out what no database may be asked, such as NUL
    found = select(Signature).where(published(letter), Signature.uid == (place[1] if place else ""))
    signature = session.scalars(found).first()
    return signature is not None and cursor(signature) == text


def others(
    session: Session, letter: Letter, search: str = "", after: Cursor | None = None, most: int = PAGE
) -> Sequence[Signature]:
    """Return the next `most` published names after a place in the list, sorted as the letter's language sorts."""
    found: list[list[Signature]] = []
    for state in accepted_states(letter):  # one after the other, since the index holds each in order, not both
        some = _search(in_order(letter, state, Display.PUBLIC), search)
        if after is not None:
            some = some.where(tuple_(Signature.sort_key, Signature.uid) > after)
        found.append(list(session.scalars(some.limit(most))))
    return _merge(session, found)[:most]


def _merge(session: Session, lists: list[list[Signature]]) -> list[Signature]:
    """Return one list of all. Namesakes stand as the database sorts their uids, since it is what compares with `after`.

    PostgreSQL may sort text by the rules of a language, which are not Python's. Bytes are the same everywhere.
    """
    if len(lists) < 2:
        return lists[0]
    keys = Counter(one.sort_key for some in lists for one in some)
    namesakes = [one.uid for some in lists for one in some if keys[one.sort_key] > 1]
    sorted_uids = select(Signature.uid).where(Signature.uid.in_(namesakes)).order_by(Signature.uid)
    rank = {uid: number for number, uid in enumerate(session.scalars(sorted_uids))} if namesakes else {}
    return sorted((one for some in lists for one in some), key=lambda one: (one.sort_key, rank.get(one.uid, 0)))


def in_order(letter: Letter, state: State, display: Display) -> Select[Signature]:
    """Return the verified signatures of one state and display that are no first ones, in the order of the list."""
    which = (Signature.letter_id == letter.id, _stands(state), Signature.display == display, Signature.place.is_(None))
    return select(Signature).where(*which).order_by(Signature.sort_key, Signature.uid)


def _search(found: Select[Signature], search: str) -> Select[Signature]:
    if not search.strip():
        return found
    folded = names.fold(search[:SEARCH_LENGTH])
    return found.where(Signature.fold_key.contains(folded, autoescape=True) if folded else false())


def in_desk(
    session: Session, letter: Letter, state: State | None, search: str, before: int | None, most: int = PAGE
) -> Sequence[Signature]:
    """Return signatures of any state for staff, newest first, those with an id below `before`."""
    found = _search(select(Signature).where(Signature.letter_id == letter.id), search)
    if state:
        found = found.where(Signature.state == state)
    if before:
        found = found.where(Signature.id < before)
    return session.scalars(found.order_by(Signature.id.desc()).limit(most)).all()


def exportable(letter: Letter) -> tuple[Select[Signature], list[Select[Signature]]]:
    """Return the verified names for the recipient, the public ones and those for the recipient only.

    First those with a place of their own, then lists of others, each in order; merged they are the list. Nothing has to
    be sorted, however many they are.
    """
    shown = (Display.PUBLIC, Display.RECIPIENTS)
    first = select(Signature).where(accepted(letter), Signature.display.in_(shown), Signature.place.is_not(None))
    states = accepted_states(letter)
    return first.order_by(Signature.place), [in_order(letter, state, display) for state in states for display in shown]
