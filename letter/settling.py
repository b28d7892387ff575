"""Whether a claimed mail is sent at all, and what it says: for a whole batch at once, with few statements.

The form answers the same to every address and does the same work; here, when a mail is first looked at, it shows
whether its address has signed already, wants no mail, or has had enough of them.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import bindparam, case, select, text, update
from sqlalchemy.orm import Session

from letter import clock, limits, outbox
from letter.models import (
    LIVING,
    LIVING_STATES,
    Blocked,
    Display,
    Letter,
    LetterText,
    Moderation,
    Outbox,
    Post,
    Signature,
    State,
)
from letter.outbox import EVERYWHERE, Claim, Mail
from letter.sealing import Keys, email_key

NOT_WANTED = "not wanted"


@dataclass(frozen=True, slots=True)
class Facts:
    """What a mail can say about a signature."""

    signature_id: int
    uid: str
    name: str
    affiliation: str
    display: Display
    state: State
    expires_at: datetime | None
    email_key: bytes | None
    letter_id: int
    letter_uid: str
    slug: str
    default_language: str
    moderation: Moderation
    title: str
    language: str


@dataclass(frozen=True, slots=True)
class Due:
    """A claimed mail. `attempts` counts those before this one; a mail that was decided about has at least one."""

    id: int
    kind: Mail
    attempts: int
    message_id: str
    to_sealed: bytes
    error: str
    created_at: datetime
    about: Facts | None


FACTS = (
    Signature.id,
    Signature.uid,
    Signature.name,
    Signature.affiliation,
    Signature.display,
    Signature.state,
    Signature.expires_at,
    Signature.email_key,
    Letter.id,
    Letter.uid,
    Letter.slug,
    Letter.default_language,
    Letter.moderation,
    LetterText.title,
    LetterText.language,
)
MAIL = (
    Outbox.id,
    Outbox.kind,
    Outbox.attempts,
    Outbox.message_id,
    Outbox.to_sealed,
    Outbox.error,
    Outbox.created_at,
)


def load(session: Session, claim: Claim) -> list[Due]:
    """Return the claimed mails with what they are about, in the order of the claim; those taken away are left out."""
    ours = (Outbox.id.in_(claim.ids), Outbox.state == Post.LEASED, Outbox.lease == claim.lease)
    found = select(*MAIL, *FACTS).where(*ours).outerjoin(Outbox.signature)
    found = found.outerjoin(Signature.letter).outerjoin(Signature.text)
    rows = {row[0]: _due(tuple(row)) for row in session.execute(found)}
    return [rows[number] for number in claim.ids if number in rows]


def _due(row: tuple[object, ...]) -> Due:
    number, kind, attempts, message_id, sealed, error, created_at, *facts = row
    about = Facts(*facts) if facts[0] is not None else None  # type: ignore[arg-type]
    return Due(number, Mail(str(kind)), attempts, message_id, sealed or b"", error, created_at, about)  # type: ignore[arg-type]


def settle(session: Session, keys: Keys, lease: str, dues: Sequence[tuple[Due, str]]) -> list[tuple[Due, str]]:
    """Decide about mails and their addresses, drop what is not wanted, and return what is sent, as it is sent.

    A mail that was decided about before, and could not be handed over, stays what it was.
    """
    wanted = [(due, address) for due, address in dues if _is_wanted(due)]
    wanted = _without_blocked(session, keys, wanted)
    wanted = _with_standing(session, wanted)
    wanted = _within_limits(session, keys, wanted)
    kept = {due.id for due, _ in wanted}
    outbox.drop(session, lease, [due.id for due, _ in dues if due.id not in kept], NOT_WANTED)
    held = _mark(session, lease, [due for due, _ in wanted])
    return [one for one in wanted if one[0].id in held]


def _is_wanted(due: Due) -> bool:
    if due.about is None:
        return False
    if due.kind is not Mail.CONFIRM:
        return due.about.state in LIVING_STATES
    is_late = due.about.expires_at is not None and due.about.expires_at <= clock.now()
    return due.about.state is State.PENDING and not is_late


def _is_new(due: Due) -> bool:
    return due.kind is Mail.CONFIRM and not due.attempts


def _without_blocked(session: Session, keys: Keys, dues: list[tuple[Due, str]]) -> list[tuple[Due, str]]:
    either = [(email_key(keys, EVERYWHERE, to), due.about.email_key if due.about else None) for due, to in dues]
    asked = {key for both in either for key in both if key}
    blocked = set(session.scalars(select(Blocked.email_key).where(Blocked.email_key.in_(asked))))
    if not blocked:
        return dues
    return [one for one, both in zip(dues, either, strict=True) if not blocked.intersection(both)]


def _with_standing(session: Session, dues: list[tuple[Due, str]]) -> list[tuple[Due, str]]:
    """Where an address has signed already, its mail is about the signature that stands."""
    asked: dict[int, set[bytes]] = defaultdict(set)
    for due, _ in dues:
        if _is_new(due) and due.about and due.about.email_key:  # none: forgotten, or a first signatory, who has none
            asked[due.about.letter_id].add(due.about.email_key)
    standing = {key: about for letter_id, some in asked.items() for key, about in _living(session, letter_id, some)}
    if not standing:
        return dues
    return [(_turned(due, standing) if _is_new(due) else due, to) for due, to in dues]


def _living(session: Session, letter_id: int, keys: set[bytes]) -> list[tuple[tuple[int, bytes | None], Facts]]:
    """Return the confirmed signatures of addresses on a letter, by the index that allows one each."""
    found = select(*FACTS).join(Signature.letter).join(Signature.text)
    found = found.where(Signature.letter_id == letter_id, Signature.email_key.in_(keys), text(f"signature.{LIVING}"))
    facts = [Facts(*tuple(row)) for row in session.execute(found)]
    return [((letter_id, one.email_key), one) for one in facts]


def _turned(due: Due, standing: dict[tuple[int, bytes | None], Facts]) -> Due:
    about = standing.get((due.about.letter_id, due.about.email_key)) if due.about else None
    return replace(due, kind=Mail.ALREADY, about=about) if about else due


def _within_limits(session: Session, keys: Keys, dues: list[tuple[Due, str]]) -> list[tuple[Due, str]]:
    """Leave out those whose address has had enough mails: of all letters today, or of this one this month."""
    new = [(due, address) for due, address in dues if not due.attempts and due.kind is not Mail.CONFIRMED]
    today = limits.are_within(
        session, limits.MAILS_PER_ADDRESS, [limits.address(keys, EVERYWHERE, address) for _, address in new]
    )
    new = [one for one, is_within in zip(new, today, strict=True) if is_within]
    names = [limits.address(keys, due.about.letter_uid, address) for due, address in new if due.about]
    month = limits.are_within(session, limits.MAILS_PER_ADDRESS_AND_LETTER, names)
    within = {due.id for (due, _), is_within in zip(new, month, strict=True) if is_within}
    return [one for one in dues if one[0].id in within or one[0].attempts or one[0].kind is Mail.CONFIRMED]


def _mark(session: Session, lease: str, dues: list[Due]) -> set[int]:
    """Note which mails were decided about, so that nothing is counted twice, and what became of them.

    Return the mails that the lease still holds; what another has claimed in the meantime is left to it.
    """
    if not dues:
        return set()
    ours = (Outbox.id.in_([due.id for due in dues]), Outbox.state == Post.LEASED, Outbox.lease == lease)
    tried = case((Outbox.attempts == 0, 1), else_=Outbox.attempts)
    marked = update(Outbox).where(*ours).values(attempts=tried).returning(Outbox.id)
    held = set(session.connection().scalars(marked))
    turned = [
        {"which": due.id, "about": due.about.signature_id}
        for due in dues
        if due.id in held and not due.attempts and due.kind is Mail.ALREADY and due.about
    ]
    if turned:
        changed = update(Outbox).where(Outbox.id == bindparam("which"))
        session.connection().execute(changed.values(kind=Mail.ALREADY.value, signature_id=bindparam("about")), turned)
    return held
