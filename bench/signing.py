"""Signing and confirming, everything durable, beside what the database alone can do."""

import secrets
from collections.abc import Callable
from pathlib import Path

from sqlalchemy import select

from bench import load, raw
from bench.load import CLIENTS, Run
from bench.plan import Plan
from bench.serving import SLUG, Instance, Running, serving
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
    made = Figure("sign", "`POST /sign`, 64 clients, SQLite (against raw commits)", "/s", least=940, ratio_least=0.35)
    half, most = times()
    most.most = 150
    with plan.instance() as instance, serving(instance, "--no-work") as server, instance.database() as database:
        for _ in range(plan.rounds):
            one_round(plan, server, made, (half, most), lambda: raw.commits(database, plan.seconds / 2))
    return [made, half, most]


def times(where: str = "") -> tuple[Figure, Figure]:
    """Return the figures of how long half and nearly all of the signings take at most."""
    name, words = f"sign-{where.lower()}-" if where else "sign-", f" on {where}" if where else ""
    return (
        Figure(f"{name}p50", f"  half of the signings{words} within", " ms"),
        Figure(f"{name}p99", f"  99 % of the signings{words} within", " ms"),
    )


def one_round(
    plan: Plan, server: Running, made: Figure, taken: tuple[Figure, Figure], reference: Callable[[], float]
) -> None:
    """Let everybody sign for a while, then do what it is compared with."""
    run = sign(server, plan.seconds)
    made.values.append(run.sign.count / run.seconds)
    made.reference.append(reference())
    for figure, value in zip(taken, (run.sign.p50, run.sign.p99), strict=True):
        figure.values.append(value)


def measure_confirming(plan: Plan) -> list[Figure]:
    """Measure how many links are opened and confirmed in a second."""
    made = Figure("confirm", "`GET` + `POST /confirm`, pairs, 64 clients, SQLite", "/s", least=500)
    with plan.instance() as instance, serving(instance, "--no-work") as server:
        for _ in range(plan.rounds):
            run = confirm(instance, server, plan.seconds, plan.pending // plan.rounds)
            made.values.append(run.confirm.count / run.seconds)
    return [made]
