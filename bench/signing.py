"""Signing and confirming, everything durable, beside what the database alone can do."""

import secrets
from collections.abc import Callable
from pathlib import Path

from sqlalchemy import select

from bench import load, raw
from bench.load import CLIENTS, Run
from bench.plan import Plan
from bench.serving import SLUG, Instance, Running, processor
from bench.table import Figure
from letter import tokens
from letter.models import Signature, State


def sign(server: Running, seconds: float) -> Run:
    """Let everybody sign."""
    made = load.clients("sign", server.url, seconds, slug=SLUG, stamp=server.stamp(), label=secrets.token_hex(4))
    return made.demand_good()


def confirm(instance: Instance, server: Running, seconds: float, most: int) -> Run:
    """Let everybody open a link and press its button."""
    links = write_tokens(instance, most)
    stamp = server.stamp()
    made = load.clients("confirm", server.url, seconds, slug=SLUG, stamp=stamp, label="none", tokens=links)
    return made.demand_good()


def write_tokens(instance: Instance, most: int) -> Path:
    """Write the links of up to `most` pending signatures, oldest first, to a file for each client."""
    with instance.database() as database, database.reading() as session:
        waiting = select(Signature.uid).where(Signature.state == State.PENDING).order_by(Signature.id).limit(most)
        uids = session.scalars(waiting).all()
    secret = instance.settings.keys.secret
    links = [tokens.write(secret, tokens.Purpose.CONFIRM, uid) for uid in uids]
    for number in range(CLIENTS):
        (instance.folder / f"links.{number + 1}").write_text("\n".join(links[number::CLIENTS]) + "\n", "ascii")
    return instance.folder / "links."


def measure(plan: Plan) -> list[Figure]:
    """Measure signing on SQLite: how many in a second, and how long it takes."""
    figures = figures_of_signing("SQLite")
    made, _, most, _ = figures
    made.least, made.ratio_least, most.most = 940, 0.35, 150
    with plan.instance() as instance, plan.serving(instance, "--no-work") as server, instance.database() as database:
        for _ in range(plan.rounds):
            one_round(plan, server, figures, lambda: raw.commits(database, plan.seconds / 2))
    return figures


def figures_of_signing(where: str) -> list[Figure]:
    """Return the figures that `one_round` measures."""
    name = f"sign-{where.lower()}"
    return [
        Figure(name, f"`POST /sign`, 64 clients, {where} (against raw commits)", "/s"),
        Figure(f"{name}-p50", "  half of them within", " ms"),
        Figure(f"{name}-p99", "  99 % of them within", " ms"),
        Figure(f"{name}-cpu", "  processor time of the server for each", " ms"),
    ]


def one_round(plan: Plan, server: Running, figures: list[Figure], reference: Callable[[], float]) -> None:
    """Let everybody sign for a while, then do what it is compared with."""
    before = processor(server.pids)
    run = sign(server, plan.seconds)
    busy = 1000 * (processor(server.pids) - before) / run.sign.count
    for figure, value in zip(figures, (run.sign.count / run.seconds, run.sign.p50, run.sign.p99, busy), strict=True):
        figure.values.append(value)
    figures[0].reference.append(reference())


def measure_confirming(plan: Plan) -> list[Figure]:
    """Measure how many links are opened and confirmed in a second."""
    made = Figure("confirm", "`GET` + `POST /confirm`, pairs, 64 clients, SQLite", "/s", least=500)
    cost = Figure("confirm-cpu", "  processor time of the server for each pair", " ms")
    with plan.instance() as instance, plan.serving(instance, "--no-work") as server:
        for _ in range(plan.rounds):
            before = processor(server.pids)
            run = confirm(instance, server, plan.seconds, plan.pending // plan.rounds)
            made.values.append(run.confirm.count / run.seconds)
            cost.values.append(1000 * (processor(server.pids) - before) / run.confirm.count)
    return [made, cost]
