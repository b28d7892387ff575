"""Double opt-in: the link in the mail, the button behind it, and links that came too late."""

from datetime import timedelta

from sqlalchemy import func, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from letter import clock, outbox, signatures, tokens
from letter.errors import AlreadySigned, LetterClosed, LinkExpired, LinkInvalid
from letter.models import LIVING_STATES, Evidence, LetterState, Signature, State
from letter.outbox import Mail
from letter.sealing import Keys, unseal
from letter.tokens import Purpose

KEEP_UNCONFIRMED = timedelta(days=14)  # so that an expired link can offer a new one; afterwards nothing is left
NO_LONGER = (LetterState.DELIVERED, LetterState.ARCHIVED)


def find(session: Session, keys: Keys, token: str, purpose: Purpose = Purpose.CONFIRM) -> Signature:
    """Return the signature that `token` names for `purpose`. Raise LinkInvalid if there is none."""
    signature = signatures.by_uid(session, tokens.read(keys.secret, purpose, token))
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


def confirm(session: Session, keys: Keys, signature: Signature) -> None:
    """Confirm a signature and queue the mail with the link to it. A second time changes nothing.

    Raise AlreadySigned if another signature of this address stands on the letter: the unique index decides.
    """
    if is_done(signature):
        return
    demand_fresh(signature)
    try:
        with session.begin_nested():
            signatures.move(signature, State.CONFIRMED)
            signature.evidence = Evidence.MAIL
    except IntegrityError:
        session.refresh(signature)
        raise AlreadySigned from None
    _tell(session, keys, signature)


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
    if is_done(signature) or signature.email_sealed is None:
        raise LinkExpired("This link has expired, and the address is no longer kept.")
    signatures.sign(
        session,
        keys,
        signature.letter,
        signatures.Submission(
            name=signature.name,
            affiliation=signature.affiliation,
            email=unseal(keys, signature.email_sealed),
            display=signature.display,
            kind=signature.kind,
            wants_updates=signature.wants_updates,
            language=signature.language,
        ),
    )


def expire(session: Session) -> int:
    """Mark late signatures as expired and, two weeks later, forget who they were; return how many were marked."""
    marked = signatures.expire(session)
    old = update(Signature).where(
        Signature.state == State.EXPIRED,
        Signature.expires_at <= clock.now() - KEEP_UNCONFIRMED,
        func.length(Signature.name) > 0,
    )
    session.execute(old.values(name="", affiliation="", fold_key="", sort_key=b"", email_key=None, email_sealed=None))
    return marked


def send_own_link(session: Session, keys: Keys, signature: Signature) -> None:
    """Mail the link to the signature that stands already, after a second one of the same address was confirmed."""
    living = outbox.living_of(session, signature)
    if living and signature.email_sealed:
        outbox.queue(session, keys, Mail.ALREADY, living, unseal(keys, signature.email_sealed))
    signature.email_sealed = None
