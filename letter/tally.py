"""How many signatures there are of each sort, and how often a letter changed, without counting them all.

Each change adds a row to `tally_delta`, in the transaction that makes it; the worker adds these up into `tally`. So no
row is written by two people at once, and nobody counts a million rows to show one number.
"""

from collections import Counter
from typing import Any, NamedTuple

from sqlalchemy import CompoundSelect, delete, event, func, insert, inspect, literal_column, select, union_all
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from letter.columns import once
from letter.models import Display, Letter, LetterText, Signature, State, Tally, TallyDelta

EVERYWHERE = 0  # in place of a letter's id: the instance as a whole
AT_ONCE = 5000
CHANGES = "changes"  # how many changes of a letter were added up; with those that were not, this is its version
NOT_COUNTED = (State.PENDING, State.EXPIRED)
SORTED_BY = ("state", "display", "place", "confirmed_at", "flagged")
SHOWN = ("name", "affiliation")


class Sort(NamedTuple):
    """What signatures are counted by."""

    state: State
    display: Display
    is_first: bool
    is_confirmed: bool
    is_flagged: bool

    def __str__(self) -> str:
        first, mail = "first" if self.is_first else "later", "mail" if self.is_confirmed else "-"
        return f"{self.state} {self.display} {first} {mail} {'flagged' if self.is_flagged else '-'}"


def _read(name: str) -> Sort:
    state, display, first, mail, flagged = name.split()
    return Sort(State(state), Display(display), first == "first", mail == "mail", flagged == "flagged")


class Numbers(NamedTuple):
    """A letter's version, which grows with every change, and how many signatures it has of each sort."""

    version: int
    sorts: dict[Sort, int]


def read(session: Session, letter: Letter) -> Numbers:
    """Return the numbers of `letter` as this session sees them."""
    named = everything(session, letter.id)
    sorts = {_read(name): number for name, (number, _) in named.items() if name != CHANGES}
    return Numbers(_version(named), sorts)


def version(session: Session, letter_id: int) -> int:
    """Return a number that grows whenever what is shown of a letter changes, in the order of the commits."""
    return _version(everything(session, letter_id))


def _version(named: dict[str, tuple[int, int]]) -> int:
    return named.get(CHANGES, (0, 0))[0] + sum(waiting for _, waiting in named.values())


def versions(session: Session) -> dict[int, int]:
    """Return the version of every letter, and for EVERYWHERE one that grows with a change of any of them."""
    both = union_all(
        select(Tally.letter_id, Tally.number).where(Tally.name == CHANGES),
        select(TallyDelta.letter_id, literal_column("1")),
    ).subquery()
    letter_id = both.c.letter_id
    found = select(letter_id, func.sum(both.c.number)).where(letter_id != EVERYWHERE).group_by(letter_id)
    each = {one: int(number) for one, number in session.execute(found)}
    return {**each, EVERYWHERE: sum(each.values())}


def everything(session: Session, scope: int) -> dict[str, tuple[int, int]]:
    """Return each number in `scope` (a letter's id, or EVERYWHERE), with how many changes are not added up yet."""
    both = _both(scope).subquery()
    found = select(both.c.name, func.sum(both.c.number), func.sum(both.c.waiting)).group_by(both.c.name)
    return {name: (int(number), int(waiting)) for name, number, waiting in session.execute(found)}


def _both(scope: int) -> CompoundSelect[Any]:
    """One statement, so that what moves from one table to the other is never seen in both or in neither."""
    return union_all(
        select(Tally.name, Tally.number, literal_column("0").label("waiting")).where(Tally.letter_id == scope),
        select(TallyDelta.name, TallyDelta.number, literal_column("1")).where(TallyDelta.letter_id == scope),
    )


def add(session: Session, scope: int, name: str, number: int) -> None:
    """Add `number` to what is called `name`."""
    session.execute(insert(TallyDelta).values(letter_id=scope, name=name, number=number))


@event.listens_for(Session, "before_flush")
def _note(session: Session, _context: object, _instances: object) -> None:
    """See every signature and letter that is about to be written, so that no rule has to remember to count."""
    changes: Counter[tuple[int, str]] = Counter()
    for row in [*session.new, *session.dirty]:
        if isinstance(row, Signature):
            changes.update(_of_signature(row))
        elif isinstance(row, LetterText) or (isinstance(row, Letter) and row in session.dirty):
            letter_id = row.id if isinstance(row, Letter) else row.letter_id or row.letter.id
            changes[letter_id, CHANGES] += 0
    for (letter_id, name), number in changes.items():
        session.add(TallyDelta(letter_id=letter_id, name=name, number=number))


def _of_signature(row: Signature) -> dict[tuple[int, str], int]:
    state = inspect(row)
    letter_id = row.letter_id or row.letter.id
    now = Sort(row.state, row.display, row.place is not None, row.confirmed_at is not None, bool(row.flagged))
    changes: dict[tuple[int, str], int] = {}
    if not state.persistent:
        return {(letter_id, str(now)): 1} if now.state not in NOT_COUNTED else changes
    history = {name: state.attrs[name].history for name in (*SORTED_BY, *SHOWN)}
    if not any(one.has_changes() for one in history.values()):
        return changes
    old = {name: (history[name].deleted or [getattr(row, name)])[0] for name in SORTED_BY}
    before = Sort(
        old["state"], old["display"], old["place"] is not None, old["confirmed_at"] is not None, bool(old["flagged"])
    )
    if before.state not in NOT_COUNTED:
        changes[letter_id, str(before)] = -1
    if now.state not in NOT_COUNTED:
        changes[letter_id, str(now)] = changes.get((letter_id, str(now)), 0) + 1
    return changes


def fold(session: Session) -> int:
    """Add up to `AT_ONCE` changes up; return how many there were. Any number of workers may do so at once."""
    oldest = select(TallyDelta.id).order_by(TallyDelta.id).limit(AT_ONCE).with_for_update(skip_locked=True)
    gone = (
        delete(TallyDelta)
        .where(TallyDelta.id.in_(once(oldest)))
        .returning(TallyDelta.letter_id, TallyDelta.name, TallyDelta.number)
    )
    sums: Counter[tuple[int, str]] = Counter()
    rows = session.execute(gone).all()
    for letter_id, name, number in rows:
        sums[letter_id, name] += number
        sums[letter_id, CHANGES] += letter_id != EVERYWHERE
    for (letter_id, name), number in sorted(sums.items()):  # in one order, or two workers could wait for each other
        _put(session, letter_id, name, number)
    return len(rows)


def _put(session: Session, letter_id: int, name: str, number: int) -> None:
    insert = postgresql.insert if session.get_bind().dialect.name == "postgresql" else sqlite.insert
    row = insert(Tally).values(letter_id=letter_id, name=name, number=number)
    changed = {"number": Tally.number + row.excluded.number}
    session.execute(row.on_conflict_do_update(index_elements=[Tally.letter_id, Tally.name], set_=changed))


def mend(session: Session) -> dict[str, int]:
    """Compare the numbers of every letter with the truth, correct them, and return what was off and by how much."""
    wrong = errors(session)
    correct(session, wrong)
    return {f"letter {letter_id}: {name}": number for (letter_id, name), number in wrong.items()}


def correct(session: Session, wrong: dict[tuple[int, str], int]) -> int:
    """Add what `errors` found missing; return how much that was. It stays right however much has changed since."""
    for (letter_id, name), number in wrong.items():
        add(session, letter_id, name, number)
    return len(wrong)


def errors(session: Session) -> dict[tuple[int, str], int]:
    """Return by how much each number of each letter falls short of the truth.

    Takes a full count, and the truth only holds still on SQLite and in a REPEATABLE READ transaction; for the night.
    """
    truth: Counter[tuple[int, str]] = Counter()
    sort = (Signature.state, Signature.display, Signature.place.is_not(None), Signature.confirmed_at.is_not(None))
    counted = (
        select(Signature.letter_id, *sort, Signature.flagged, func.count())
        .where(Signature.state.not_in(NOT_COUNTED))
        .group_by(Signature.letter_id, *sort, Signature.flagged)
    )
    for letter_id, state, display, is_first, is_confirmed, is_flagged, number in session.execute(counted):
        found = Sort(state, display, bool(is_first), bool(is_confirmed), is_flagged)
        truth[letter_id, str(found)] = number
    for letter_id in session.scalars(select(Letter.id)):
        for name, (number, _) in everything(session, letter_id).items():
            truth[letter_id, name] -= number if name != CHANGES else 0
    return {key: number for key, number in truth.items() if number}
