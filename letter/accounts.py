"""People who work here: invitations, passwords, sign-in, sessions and roles."""

import hashlib
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from threading import BoundedSemaphore

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from sqlalchemy import delete, or_, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from letter import addresses, audit, clock, tokens
from letter.errors import BadInput, Forbidden, LinkInvalid, NotFound, TooMany
from letter.models import Letter, Membership, Person, Role, StaffSession
from letter.sealing import normal

# 19 MiB, two passes, one lane (OWASP's second choice), and at most two at once: a flood of sign-ins must not
# take the memory or the processors that signing needs.
HASHER = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)
AT_ONCE = BoundedSemaphore(2)
SECONDS_IN_LINE = 1.0
# The hash of a random password that nobody kept. Made ahead: making one takes every process a tenth of a second and
# 19 MiB when it starts.
NOBODY = "$argon2id$v=19$m=19456,t=2,p=1$Gv/V94LA7t461OAwPZE0+A$wItmXG9KGsC3fysFJYsTGoS/CJOWTfKUMfYyEJbNjxg"
PASSWORD_LENGTH = (12, 200)
INVITATION_LASTS = timedelta(days=3)
SESSION_LASTS = timedelta(hours=12)
IDLE_SECONDS = 30 * 60
ASK_AGAIN = "If you have a password, sign in with it; else ask the organisers for a new invitation."
RANK = {Role.VIEWER: 1, Role.MODERATOR: 2, Role.ORGANISER: 3}


def add(session: Session, email: str, role: Role, letter: Letter | None) -> Person:
    """Give `email` a role for one letter, or for all, and return the person; who is new has no password yet."""
    address = normal(addresses.check(email))
    insert = postgresql.insert if session.get_bind().dialect.name == "postgresql" else sqlite.insert
    one = insert(Person).values(uid=tokens.new_uid(), email=address, created_at=clock.now())
    session.execute(one.on_conflict_do_nothing(index_elements=[Person.email]))  # who comes second waits, and finds it
    person = session.scalars(select(Person).where(Person.email == address).with_for_update()).one()
    where = Membership.letter_id == letter.id if letter else Membership.letter_id.is_(None)
    membership = session.scalars(select(Membership).where(Membership.person_id == person.id, where)).first()
    if membership is None:
        membership = Membership(person=person, letter_id=letter.id if letter else None, role=role)
        session.add(membership)
    membership.role = role
    audit.note(session, "person.role", person.uid, letter=letter, role=role)
    return person


def by_email(session: Session, email: str) -> Person | None:
    """Return the person with that address, if there is one."""
    return session.scalars(select(Person).where(Person.email == normal(email))).first()


def invite(session: Session, person: Person) -> str:
    """Return a secret that lets `person` set a password once within three days; earlier ones no longer work."""
    secret = secrets.token_urlsafe(32)
    person.invite_hash = _hash(secret)
    person.invite_until = clock.now() + INVITATION_LASTS
    audit.note(session, "person.invite", person.uid)
    return secret


def invited(session: Session, secret: str) -> Person:
    """Return whom an invitation is for. Raise LinkInvalid if it was used, is too old, or never was."""
    person = session.scalars(select(Person).where(Person.invite_hash == _hash(secret))).first()
    if person is None or person.invite_until is None or person.invite_until <= clock.now() or person.disabled_at:
        raise LinkInvalid("This invitation was used already, or is older than three days.", ASK_AGAIN)
    return person


def disable(session: Session, person: Person) -> None:
    """Shut somebody out at once: sessions and invitations end, the password opens nothing."""
    person.disabled_at, person.invite_hash = clock.now(), None
    session.execute(delete(StaffSession).where(StaffSession.person_id == person.id))
    audit.note(session, "person.disable", person.uid)


def enable(session: Session, person: Person) -> None:
    """Let somebody in again who was shut out."""
    person.disabled_at = None
    audit.note(session, "person.enable", person.uid)


def password_fault(password: str, email: str = "") -> str:
    """Return what is wrong with a new password of somebody with that address, or nothing."""
    if email and email.casefold() in password.casefold():
        return "Please do not use your address as a part of it."
    least, most = PASSWORD_LENGTH
    if not least <= len(password) <= most:
        return f"Please use {least} to {most} characters; a few words in a row are easy to remember."
    if len(set(password)) < 5:
        return "Please use more different characters."
    return ""


def hash_password(password: str) -> str:
    """Return the argon2 hash of a new password. Raise BadInput for one that is too weak. Takes a tenth of a second."""
    if fault := password_fault(password):
        raise BadInput(fault)
    with _a_turn():
        return HASHER.hash(password)


def set_password(session: Session, person: Person, password_hash: str) -> None:
    """Set the password; the invitation is used up, and every session of this person ends."""
    person.password_hash, person.invite_hash, person.invite_until = password_hash, None, None
    session.execute(delete(StaffSession).where(StaffSession.person_id == person.id))
    audit.note(session, "person.password", person.uid, by=person)


def is_right(password_hash: str | None, password: str) -> bool:
    """Tell whether `password` is right, in the same time for people who do not exist (their hash is None)."""
    with _a_turn():
        try:
            fits = HASHER.verify(password_hash or NOBODY, password[: PASSWORD_LENGTH[1]])
        except (VerificationError, InvalidHashError):
            return False
    return fits and password_hash is not None


@contextmanager
def _a_turn() -> Iterator[None]:
    """Wait a second at most for a turn at hashing, so that a flood of sign-ins does not hold every thread."""
    if not AT_ONCE.acquire(timeout=SECONDS_IN_LINE):
        raise TooMany("Too many people are signing in at this moment")
    try:
        yield
    finally:
        AT_ONCE.release()


def sign_in(session: Session, person: Person) -> str:
    """Open a session and return its key, of which only a hash is stored. Raise Forbidden for a disabled person."""
    if person.disabled_at:
        raise Forbidden
    key = secrets.token_urlsafe(32)
    now = clock.now()
    session.execute(delete(StaffSession).where(StaffSession.ends_at <= now))
    session.add(
        StaffSession(
            key_hash=_hash(key),
            person=person,
            csrf_token=secrets.token_hex(20),
            created_at=now,
            ends_at=now + SESSION_LASTS,
        )
    )
    audit.note(session, "person.sign-in", person.uid, by=person)
    return key


def session_of(session: Session, key: str) -> StaffSession | None:
    """Return the living session that `key` opens."""
    found = session.scalars(select(StaffSession).where(StaffSession.key_hash == _hash(key))).first()
    if found is None or found.ends_at <= clock.now() or found.person.disabled_at:
        return None
    return found


def sign_out(session: Session, staff_session: StaffSession) -> None:
    """End a session; its cookie is worth nothing from now on."""
    person = staff_session.person
    session.execute(delete(StaffSession).where(StaffSession.id == staff_session.id))
    audit.note(session, "person.sign-out", person.uid, by=person)


def role_for(session: Session, person: Person, letter: Letter) -> Role | None:
    """Return the strongest role that `person` has for `letter`, if any."""
    either = or_(Membership.letter_id == letter.id, Membership.letter_id.is_(None))
    roles = session.scalars(select(Membership.role).where(Membership.person_id == person.id, either)).all()
    return max(roles, key=lambda role: RANK[role], default=None)


def demand(session: Session, person: Person, letter: Letter, role: Role) -> Role:
    """Return the role that `person` has for `letter`.

    Raise NotFound for a stranger to the letter (who need not learn of it), Forbidden for too small a role.
    """
    has = role_for(session, person, letter)
    if has is None:
        raise NotFound(f"There is no letter at /{letter.slug}.")
    if RANK[has] < RANK[role]:
        raise Forbidden
    return has


def letters_of(session: Session, person: Person) -> list[tuple[Letter, Role]]:
    """Return the letters that `person` works on, newest first, with the role for each."""
    found = session.scalars(select(Letter).order_by(Letter.id.desc())).all()
    return [(letter, role) for letter in found if (role := role_for(session, person, letter))]


def find(session: Session, email: str) -> Person:
    """Return the person with that address. Raise NotFound if there is none."""
    person = by_email(session, addresses.check(email))
    if person is None:
        raise NotFound(f"Nobody here has the address {email}.")
    return person


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
