"""A signer's way back: see, correct, show or hide, withdraw, erase, take the data along, or say "this was not me"."""

from typing import Any

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from letter import clock, signatures
from letter.errors import LinkInvalid, MoveRefused
from letter.models import (
    LIVING_STATES,
    Blocked,
    Display,
    Evidence,
    Flag,
    Outbox,
    Post,
    Signature,
    State,
)
from letter.outbox import EVERYWHERE
from letter.sealing import Keys, email_key, unseal


def demand_living(signature: Signature) -> None:
    """Raise LinkInvalid, with a sentence, for a signature that no longer stands."""
    if signature.state not in LIVING_STATES:
        raise LinkInvalid("This signature was withdrawn. Nothing of it is shown or counted.")


def correct(signature: Signature, name: str, affiliation: str) -> bool:
    """Change name and affiliation; an approved one is looked at again. Return whether anything changed."""
    demand_living(signature)
    if (signature.name, signature.affiliation) == (name, affiliation):
        return False
    signatures.rename(signature, name, affiliation)
    if signature.state is State.APPROVED:
        signatures.move(signature, State.CONFIRMED)
    return True


def show_to(signature: Signature, display: Display) -> None:
    """Change who may read the name."""
    demand_living(signature)
    signature.display = display


def withdraw(session: Session, signature: Signature) -> None:
    """Take a signature off the letter. A second time changes nothing."""
    if signature.state is not State.WITHDRAWN:
        signatures.move(signature, State.WITHDRAWN)
    _forget_address(session, signature)


def erase(session: Session, signature: Signature) -> None:
    """Withdraw, and leave nothing of the person in the row; the row itself stays as a mark that something was here."""
    withdraw(session, signature)
    signature.name = signature.affiliation = signature.fold_key = signature.evidence_note = ""
    signature.sort_key = b""
    signature.wants_updates = False
    session.execute(delete(Flag).where(Flag.signature_id == signature.id))


def is_erased(signature: Signature) -> bool:
    """Tell whether the signature holds no data any more."""
    return signature.state is State.WITHDRAWN and not signature.name


def _forget_address(session: Session, signature: Signature) -> None:
    signature.email_sealed = signature.email_key = None
    due = update(Outbox).where(Outbox.signature_id == signature.id, Outbox.state.in_((Post.WAITING, Post.LEASED)))
    session.execute(due.values(state=Post.DROPPED, to_sealed=None, lease=None, error="withdrawn"))


def my_data(signature: Signature) -> dict[str, Any]:
    """Return everything that is stored about the signature, for its signer."""
    return {
        "letter": signature.letter.slug,
        "text": {"title": signature.text.title, "language": signature.text.language, "sha256": signature.text.sha256},
        "name": signature.name,
        "affiliation": signature.affiliation,
        "kind": signature.kind.value,
        "display": signature.display.value,
        "state": signature.state.value,
        "verified_by": signature.evidence.value,
        "wants_updates": signature.wants_updates,
        "address_kept": signature.email_sealed is not None,
        "signed_at": signature.created_at.isoformat(timespec="seconds"),
        "confirmed_at": signature.confirmed_at.isoformat(timespec="seconds") if signature.confirmed_at else None,
    }


def not_me(session: Session, keys: Keys, signature: Signature) -> None:
    """Withdraw a signature that somebody forged, and never mail its address again: only keyed hashes of it are kept."""
    if signature.evidence is Evidence.VOUCHED:
        raise MoveRefused
    blocked = [signature.email_key] if signature.email_key else []
    if signature.email_sealed:
        blocked.append(email_key(keys, EVERYWHERE, unseal(keys, signature.email_sealed)))
    for key in blocked:
        if session.scalar(select(Blocked.id).where(Blocked.email_key == key)) is None:
            session.add(Blocked(email_key=key, created_at=clock.now()))
    withdraw(session, signature)
