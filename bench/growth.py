"""Signing and confirming on a large letter beside the same on a small one: nothing may grow with the list."""

from bench import signing
from bench.plan import Plan
from bench.serving import Instance, Running
from bench.table import Figure

SMALL = 1000
HUGE = 10_000_000
SHORTER = 0.5  # of the seconds of other figures, since the small letter grows meanwhile


def measure(plan: Plan) -> list[Figure]:
    """Measure the time that one signing and one confirming take of the machine, on both."""
    most = 1.6 if plan.signatures >= HUGE else 1.3
    beside = f"with {plan.signatures:,} (against {SMALL:,})"
    sign = Figure("growth-sign", f"a signing, {beside}", " ms", ratio_most=most)
    confirm = Figure("growth-confirm", f"a confirming, {beside}", " ms", ratio_most=most)
    with plan.instance() as large, plan.serving(large, "--no-work") as busy:
        for _ in range(plan.rounds):
            with plan.instance(signatures=SMALL) as small, plan.serving(small, "--no-work") as quiet:
                _pair(plan, sign, confirm, ((small, quiet), (large, busy)))
    return [sign, confirm]


def _pair(plan: Plan, sign: Figure, confirm: Figure, both: tuple[tuple[Instance, Running], ...]) -> None:
    seconds, links = plan.seconds * SHORTER, plan.pending // plan.rounds
    for (instance, server), into in zip(both, ("reference", "values"), strict=True):
        signed = signing.sign(server, seconds)
        getattr(sign, into).append(1000 * signed.seconds / signed.sign.count)
        confirmed = signing.confirm(instance, server, seconds, links)
        getattr(confirm, into).append(1000 * confirmed.seconds / confirmed.confirm.count)
