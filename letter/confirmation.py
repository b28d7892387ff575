"""Double opt-in: the link in the mail, the button behind it, and links that came too late."""

from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from letter import clock, outbox, signatures, tokens
from letter.errors import AlreadySigned, LetterClosed, LinkExpired, LinkInvalid
from letter.models import LIVING_STATES, Evidence, LetterState, Signature, State
from letter.outbox import Mail
from letter.sealing import Keys, unseal
from letter.signing import Submission
from letter.tokens import Purpose

KEEP_UNCONFIRMED = timedelta(days=7)  # so that an expired link can offer a new one; afterwards nothing is left
NO_LONGER = (LetterState.DELIVERED, LetterState.ARCHIVED)


def find(
    session: Session, keys: Keys, token: str, purpose: Purpose = Purpose.CONFIRM, *, to_change: bool = False
) -> Signature:
    """Return the signature that `token` names for `purpose`. Raise LinkInvalid if there is none.

    With `to_change`, whoever else wants to change it waits.
    """
    uid = tokens.read(keys.secret, purpose, token)
    signature = signatures.to_change(session, [uid]).get(uid) if to_change else signatures.by_uid(session, uid)
    if signature is None:
        raise LinkInvalid
    return signature


def is_done(signature: Signature) -> bool:
    """Tell whether the signature was confirmed before; a second click is a success."""
    return signature.state in LIVING_STATES


def demand_fresh(signature: Signature) -> None:
    """Raise LinkExpired, LinkInvalid or LetterClosed unless this pending signature can still be confirmed."""
    if signature.state is State.WITHDRAWN:
        raise LinkInvalid("This signature was withdrawn.")
    if signature.letter.state in NO_LONGER:
        raise LetterClosed
    if signature.state is State.EXPIRED or is_late(signature):
        raise LinkExpired


def is_late(signature: Signature) -> bool:
    """Tell whether the link of a pending signature is too old."""
    return signature.expires_at is not None and signature.expires_at <= clock.now()


def confirm(session: Session, keys: Keys, signature: Signature) -> bool:
    """Confirm a signature and queue the mail with the link to it; return False if that was done before.

    Raise AlreadySigned if another signature of this address stands on the letter: the unique index decides.
    """
    try:
        with session.begin_nested():
            return _confirm(session, [(keys, signature)])[0]
    except AlreadySigned:
        session.refresh(signature)
        raise


@dataclass(frozen=True)
class Pressed:
    """The button behind the link to the signature `uid`."""

    keys: Keys
    uid: str


def confirm_all(session: Session, given: list[Pressed]) -> list[tuple[Signature, bool]]:
    """Confirm the signatures of several links, and return each with what `confirm` returns for it.

    Raise what `confirm` raises, or LinkInvalid; the caller then rolls back.
    """
    found = signatures.to_change(session, {one.uid for one in given})
    if any(one.uid not in found for one in given):
        raise LinkInvalid
    told = _confirm(session, [(one.keys, found[one.uid]) for one in given])
    return [(found[one.uid], is_first) for one, is_first in zip(given, told, strict=True)]


def _confirm(session: Session, given: list[tuple[Keys, Signature]]) -> list[bool]:
    told = [_confirm_one(session, keys, signature) for keys, signature in given]
    confirmed = [signature for (_, signature), is_first in zip(given, told, strict=True) if is_first]
    try:
        session.flush()
    except IntegrityError:
        raise AlreadySigned from None
    if confirmed:
        signatures.drop_sealed_siblings(session, confirmed)
    return told


def _confirm_one(session: Session, keys: Keys, signature: Signature) -> bool:
    if is_done(signature):
        return False
    demand_fresh(signature)
    signatures.move(signature, State.CONFIRMED)
    signature.evidence = Evidence.MAIL
    _tell(session, keys, signature)
    return True


def _tell(session: Session, keys: Keys, signature: Signature) -> None:
    if signature.email_sealed is None:
        return
    outbox.queue(session, keys, Mail.CONFIRMED, signature, unseal(keys, signature.email_sealed))
    if not signature.wants_updates:
        signature.email_sealed = None


def renew(session: Session, keys: Keys, signature: Signature) -> None:
    """Send a new link for a signature whose link expired: a new row, so that the old link stays dead.

    Raise LinkExpired where the address is gone, and LetterClosed where the letter takes no signatures now.
    """
    if (
        signature.email_sealed is None
        or signature.state not in (State.PENDING, State.EXPIRED)
        or not is_late(signature)
    ):
        raise LinkExpired("No new link can be sent for this one.")
    signatures.sign(
        session,
        keys,
        signature.letter,
        Submission(
            name=signature.name,
            affiliation=signature.affiliation,
            email=unseal(keys, signature.email_sealed),
            display=signature.display,
            kind=signature.kind,
            wants_updates=signature.wants_updates,
            language=signature.language,
        ),
    )


def expire(session: Session, most: int = 1000) -> int:
    """Mark late signatures as expired and, a week later, forget who they were; return how many rows that changed.

    Up to `most` of each, so that nobody who signs meanwhile waits for long: call it until nothing is left.
    """
    marked = signatures.expire(session, most)
    return marked + signatures.blank_expired(session, clock.now() - KEEP_UNCONFIRMED, most)
