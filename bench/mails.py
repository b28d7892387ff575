"""Mails: how many one worker hands over in a second, and how soon a confirmation is there while people sign."""

import secrets
import time

from sqlalchemy import select, update

from bench import load
from bench.plan import Plan
from bench.serving import SLUG, Instance, running
from bench.sink import Count, Server, sinking
from bench.table import Figure
from letter import clock
from letter.models import Outbox, Post, Signature, State

WAIT_SECONDS = 60
SIGNINGS_A_SECOND = 300
SOON_MS = 10_000
PACED_SECONDS = 3  # times the seconds of other figures: a queue that grows shows only after a while


def measure(plan: Plan) -> list[Figure]:
    """Measure the rate, then the delay."""
    rate = Figure("mails", "mails handed to an SMTP server on loopback, one worker", "/s", least=1500)
    soon = Figure("mails-soon", f"confirmations within 10 s at {SIGNINGS_A_SECOND} signings/s", " %", least=95)
    paced = Figure("mails-paced", "  signings meanwhile", "/s", least=0.95 * SIGNINGS_A_SECOND)
    with sinking() as sink:
        with plan.instance(sink.environ) as instance:
            for _ in range(plan.rounds):
                rate.values.append(_rate(instance, sink, plan.pending // plan.rounds))
        with plan.instance(sink.environ) as instance:
            for _ in range(plan.rounds):
                share, signings = _share(plan, instance, sink)
                soon.values.append(share)
                paced.values.append(signings)
    return [rate, soon, paced]


def queue(instance: Instance, most: int) -> int:
    """Make confirmations of up to `most` pending signatures due that were not yet; return how many."""
    with instance.database() as database, database.writing() as session:
        found = (
            select(Outbox.id, Signature.email_sealed)
            .join(Outbox.signature)
            .where(Signature.state == State.PENDING, Outbox.kind == "confirm", Outbox.state == Post.SENT)
            .where(Outbox.created_at == Outbox.sent_at)  # sent by nobody: such are only those that `filling` wrote
            .order_by(Outbox.id.desc())
            .limit(most)
        )
        now = clock.now()
        due = {"state": Post.WAITING, "attempts": 0, "due_at": now, "created_at": now, "sent_at": None, "priority": 0}
        rows = [{"id": row.id, "to_sealed": row.email_sealed, **due} for row in session.execute(found)]
        session.execute(update(Outbox), rows)
        session.commit()
    return len(rows)


def _rate(instance: Instance, sink: Server, most: int) -> float:
    number = queue(instance, most)
    sink.count()
    with running(instance.command("work"), instance.environ):
        count = _wait_for(sink, number)
    return (number - 1) / (count.last - count.first)


def _wait_for(sink: Server, number: int) -> Count:
    whole, patience = Count(first=time.time()), time.monotonic() + WAIT_SECONDS
    while whole.mails < number:
        if time.monotonic() > patience:
            raise load.Faulty(f"Of {number} mails {whole.mails} came, and then no more.")
        time.sleep(0.2)
        some = sink.count()
        if some.mails:
            whole.first, whole.last = min(whole.first, some.first), some.last
            whole.mails += some.mails
            patience = time.monotonic() + WAIT_SECONDS
    return whole


def _share(plan: Plan, instance: Instance, sink: Server) -> tuple[float, float]:
    """Return how many of a hundred confirmations were there soon, and how many people signed in a second."""
    with plan.serving(instance) as server:
        sink.count()
        between, stamp, label = load.CLIENTS / SIGNINGS_A_SECOND, server.stamp(), secrets.token_hex(4)
        seconds = plan.seconds * PACED_SECONDS
        run = load.clients("sign", server.url, seconds, slug=SLUG, stamp=stamp, label=label, between=between)
        run.demand_good()
        time.sleep(SOON_MS / 1000)
        lags = sink.count().lags
    return 100 * min(1.0, sum(lag <= SOON_MS for lag in lags) / run.sign.count), run.sign.count / run.seconds
