"""A signer's way back: see, correct, show or hide, withdraw, erase, take the data along, or say "this was not me"."""

from typing import Any

from sqlalchemy import delete, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from letter import clock, signatures
from letter.errors import LinkInvalid
from letter.models import (
    LIVING_STATES,
    Batch,
    BatchStep,
    Blocked,
    Display,
    Flag,
    Outbox,
    Post,
    Signature,
    State,
)
from letter.outbox import EVERYWHERE
from letter.sealing import Keys, email_key, unseal

NOTHING_LEFT = "Should another mail about it come, please use the link in that one."


def demand_living(signature: Signature) -> None:
    """Raise LinkInvalid, with a sentence, for a signature that no longer stands."""
    if signature.state not in LIVING_STATES:
        raise LinkInvalid("This signature was withdrawn. Nothing of it is shown or counted.")


def correct(signature: Signature, name: str, affiliation: str) -> bool:
    """Change name and affiliation; one that was decided is looked at again. Return whether anything changed."""
    demand_living(signature)
    if (signature.name, signature.affiliation) == (name, affiliation):
        return False
    signatures.rename(signature, name, affiliation)
    if signature.state is State.APPROVED:
        signatures.move(signature, State.CONFIRMED)
    elif signature.state is State.REJECTED:
        signatures.move(
            signature, State.HELD
        )  # looked at again, and not shown before, whatever the letter's moderation
    return True


def show_to(signature: Signature, display: Display) -> None:
    """Change who may read the name. One that was approved as hidden is looked at again before everybody reads it."""
    demand_living(signature)
    was_hidden, signature.display = signature.display is not Display.PUBLIC, display
    if was_hidden and display is Display.PUBLIC and signature.state is State.APPROVED:
        signatures.move(signature, State.CONFIRMED)


def stop_updates(signature: Signature) -> None:
    """End the mails about the letter, and forget the address that was kept for them."""
    demand_living(signature)
    signature.wants_updates, signature.email_sealed = False, None


def withdraw(session: Session, signature: Signature) -> None:
    """Take a signature off the letter, with those of the same address that wait. A second time changes nothing.

    The keyed hash stays, so that "not me" still knows the address; it keeps nobody from signing again.
    """
    if signature.state is not State.WITHDRAWN:
        signatures.move(signature, State.WITHDRAWN)
    signature.email_sealed, signature.wants_updates = None, False
    signatures.blank_siblings(session, signature)
    due = update(Outbox).where(Outbox.signature_id == signature.id, Outbox.state.in_((Post.WAITING, Post.LEASED)))
    session.execute(due.values(state=Post.DROPPED, to_sealed=None, lease=None, error="withdrawn"))


def erase(session: Session, signature: Signature) -> None:
    """Withdraw, and leave nothing of the person in the row; the row itself stays as a mark that something was here."""
    withdraw(session, signature)
    signature.name = signature.affiliation = signature.fold_key = signature.evidence_note = ""
    signature.sort_key, signature.email_key = b"", None
    session.execute(delete(Flag).where(Flag.signature_id == signature.id))
    batches = select(BatchStep.batch_id).where(BatchStep.signature_id == signature.id)
    session.execute(update(Batch).where(Batch.id.in_(batches)).values(reason=""))


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


def demand_known(signature: Signature) -> None:
    """Raise LinkInvalid where nothing is left by which the address could be recognised."""
    if signature.email_key is None:
        raise LinkInvalid("Nothing is stored here about this signature any more, nor about your address.", NOTHING_LEFT)


def not_me(session: Session, keys: Keys, signature: Signature) -> bool:
    """Withdraw a signature that somebody forged, and never mail its address again: only keyed hashes of it are kept.

    Return whether that holds for every letter here; without the address in hand it can only be said for this one.
    """
    demand_known(signature)
    blocked = [signature.email_key or b""]
    if signature.email_sealed:
        blocked.append(email_key(keys, EVERYWHERE, unseal(keys, signature.email_sealed)))
    insert = postgresql.insert if session.get_bind().dialect.name == "postgresql" else sqlite.insert
    for key in sorted(blocked):  # in one order, or two could wait for each other
        session.execute(insert(Blocked).values(email_key=key, created_at=clock.now()).on_conflict_do_nothing())
    withdraw(session, signature)
    return len(blocked) > 1
