"""The queue, its decisions, and all signatures of a letter."""

from typing import Any

from flask import Blueprint, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from letter import listing, moderation, tally
from letter.errors import BadInput, Overtaken
from letter.models import Role, State
from letter.moderation import Action, Choice, Outcome
from letter.text import clean
from letter.web.guards import for_role, letter, person
from letter.web.request import commit, let_go, reading, writing

pages = Blueprint("moderation", __name__, url_prefix="/staff")

LANES = {"waiting": State.CONFIRMED, "held": State.HELD}
MOST_ID = 2**63 - 1


@pages.get("/<slug:slug>/queue")
@for_role(Role.MODERATOR)
def queue(slug: str) -> ResponseReturnValue:
    """Show what waits for a decision, oldest first."""
    return _queue()


def _queue(fault: str = "", status: int = 200) -> ResponseReturnValue:
    session = reading()
    lane = request.values.get("lane", "waiting")
    lane = lane if lane in LANES else "waiting"
    entries = moderation.waiting(session, letter(), LANES[lane])
    page = render_template(
        "moderation/queue.html",
        letter=letter(),
        lane=lane,
        entries=entries,
        reasons=moderation.reasons(session, entries),
        how_many=moderation.how_many(session, letter()),
        latest=moderation.latest(session, letter(), person()),
        said=request.args,
        reason=clean(request.form.get("reason", "")),
        fault=fault,
    )
    return page, status


@pages.post("/<slug:slug>/queue")
@for_role(Role.MODERATOR)
def decide(slug: str) -> ResponseReturnValue:
    """Approve, reject or hold: one entry by its own button, or all chosen ones by the buttons at the end."""
    try:
        action, choices = _what_was_pressed()
        outcome = moderation.decide(
            writing(), letter(), choices, action, by=person(), reason=clean(request.form.get("reason", ""))
        )
    except (BadInput, Overtaken) as error:
        let_go()
        return _queue(error.sentence, error.status)
    commit()
    return _back(action.value, outcome)


def _what_was_pressed() -> tuple[Action, list[Choice]]:
    """Read `one=approve:12:3` of an entry's own button, or `action=approve` with `entry=12:3` for each chosen one."""
    if one := request.form.get("one"):
        action, _, entry = one.partition(":")
        entries = [entry]
    else:
        action, entries = request.form.get("action", ""), request.form.getlist("entry")
    try:
        return Action(action), [_choice(entry) for entry in entries]
    except ValueError:
        raise BadInput("Please use the buttons on the page.") from None


def _choice(entry: str) -> Choice:
    number, _, version = entry.partition(":")
    choice = Choice(int(number[:20]), int(version[:20]))
    if not 0 < choice.id <= MOST_ID:
        raise ValueError(entry)
    return choice


def _back(said: str, outcome: Outcome) -> ResponseReturnValue:
    told: dict[str, Any] = {
        "slug": letter().slug,
        "said": said,
        "done": outcome.done,
        "skipped": outcome.skipped or None,
    }
    if request.form.get("back") == "signatures":
        kept: dict[str, Any] = {
            name: clean(request.form.get(name, ""))[: listing.SEARCH_LENGTH] or None for name in ("q", "state")
        }
        return redirect(url_for("moderation.everything", **told, **kept), 303)
    lane = request.form.get("lane", "waiting")
    return redirect(url_for("moderation.queue", lane=lane if lane in LANES else None, **told), 303)


@pages.post("/<slug:slug>/undo")
@for_role(Role.MODERATOR)
def undo(slug: str) -> ResponseReturnValue:
    """Take back what this person decided last, if that is still what the button named: a double click undoes once."""
    latest = moderation.latest(writing(), letter(), person())
    try:
        if latest and request.form.get("batch", str(latest.id)) != str(latest.id):
            raise Overtaken("Your last decision is another one by now. Please look at the button again.")
        outcome = moderation.undo(writing(), letter(), by=person())
    except (BadInput, Overtaken) as error:
        let_go()
        return _queue(error.sentence, error.status)
    commit()
    return _back("undo", outcome)


@pages.get("/<slug:slug>/signatures")
@for_role(Role.MODERATOR)
def everything(slug: str) -> ResponseReturnValue:
    """List and search all signatures, newest first."""
    session = reading()
    search = clean(request.args.get("q", ""))[: listing.SEARCH_LENGTH]
    wanted = request.args.get("state", "")
    state = State(wanted) if wanted in list(State) else None
    before = request.args.get("before", type=int)
    before = before if before and 0 < before <= MOST_ID else None
    found = listing.in_desk(session, letter(), state, search, before, most=moderation.PAGE + 1)
    return render_template(
        "moderation/signatures.html",
        letter=letter(),
        found=found[: moderation.PAGE],
        reasons=moderation.reasons(session, found),
        latest=moderation.latest(session, letter(), person()),
        said=request.args,
        next_before=found[moderation.PAGE - 1].id if len(found) > moderation.PAGE else None,
        search=search,
        state=state,
        states=list(State),
        how_many=moderation.how_many(session, letter()),
        most_counted=moderation.MOST_COUNTED,
        uncounted=tally.NOT_COUNTED,
    )
