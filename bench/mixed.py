"""A busy day: nine in ten only read, others sign and confirm, moderators decide, mails go out, the list is exported."""

import secrets
import threading

from bench import load, signing
from bench.plan import Plan
from bench.serving import SLUG, Instance, Running, memory
from bench.sink import sinking
from bench.staff import Desk, Moderator, Organiser
from bench.table import Figure

READS = ("", "/signatures", "/thanks", ".json", "/count.json", "/badge.svg", "/feed.atom")
MODERATORS = 2
LOOK_SECONDS = 1.0
LONGER = 2  # times the seconds of other figures


def measure(plan: Plan) -> list[Figure]:
    """Measure how long signing takes meanwhile, what goes wrong, and what all processes take."""
    p99 = Figure("mixed-p99", "mixed day: 99 % of the signings within", " ms", most=250)
    errors = Figure("mixed-errors", "  errors", "", most=0)
    peak = Figure("mixed-memory", "  memory of all processes, at most (PSS)", " MB", most=350)
    rate = Figure("mixed-rate", "  requests", "/s")
    signed = Figure("mixed-signed", "  of these, signings", "/s")
    mails = Figure("mixed-mails", "  mails", "/s")
    with sinking() as sink, plan.instance(sink.environ) as instance, plan.serving(instance) as server:
        for _ in range(plan.rounds):
            sink.count()
            run, faults, megabytes = _once(plan, instance, server)
            total = run.read.count + run.sign.count + run.confirm.count
            values = (run.sign.p99, faults, megabytes, total / run.seconds, run.sign.count / run.seconds)
            for figure, value in zip((p99, errors, peak, rate, signed), values, strict=True):
                figure.values.append(value)
            mails.values.append(sink.count().mails / run.seconds)
    return [p99, errors, peak, rate, signed, mails]


def _once(plan: Plan, instance: Instance, server: Running) -> tuple[load.Run, int, float]:
    stop = threading.Event()
    desks: list[Desk] = [*(Moderator(server, stop) for _ in range(MODERATORS)), Organiser(server, stop)]
    scales = Scales(server, stop)
    stamp, label = server.stamp(), secrets.token_hex(4)
    links = signing.write_tokens(instance, plan.pending // plan.rounds)
    reads = [path for end in READS if server.get(path := f"/{SLUG}{end}")[0] == 200]
    for thread in (*desks, scales):
        thread.start()
    run = load.clients(
        "mixed", server.url, plan.seconds * LONGER, slug=SLUG, stamp=stamp, label=label, tokens=links, reads=reads
    )
    stop.set()
    for thread in (*desks, scales):
        thread.join()
    faults = [fault for desk in desks for fault in desk.faults] + ([run.errors] if run.errors else [])
    for fault in faults:
        print(fault)
    return run, len(faults), scales.most


class Scales(threading.Thread):
    """Weighs all processes of a server again and again."""

    def __init__(self, server: Running, stop: threading.Event) -> None:
        super().__init__(daemon=True)
        self._server, self._stopping = server, stop
        self.most = 0.0

    def run(self) -> None:
        """Keep the largest sum."""
        while not self._stopping.wait(LOOK_SECONDS):
            self.most = max(self.most, memory(self._server.pids))
