"""The letter's page, whole and not modified, beside the shortest answer that the same server can give."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from bench import load
from bench.plan import Plan
from bench.serving import SLUG, Instance, Running, free_port, running
from bench.table import Figure

ENCODINGS = "gzip, deflate, br, zstd"


@contextmanager
def hello(plan: Plan, instance: Instance) -> Iterator[Running]:
    """The bare server."""
    port = free_port()
    with running(
        [sys.executable, "-m", "bench.hello", str(port), str(plan.processes or 1)], instance.environ, port, "/"
    ) as server:
        yield server


def measure(plan: Plan) -> list[Figure]:
    """Measure how many pages go out in a second."""
    whole = Figure("page", "letter page, full answer (against “hello”)", "/s", least=25_000, ratio_least=0.7)
    same = Figure("page-304", "letter page, not modified (against “hello”)", "/s", least=25_000, ratio_least=0.7)
    with plan.instance() as instance, plan.serving(instance, "--no-work") as server, hello(plan, instance) as bare:
        accept = f"Accept-Encoding: {ENCODINGS}"
        _, headers, body = server.get(f"/{SLUG}", **{"Accept-Encoding": ENCODINGS})
        whole.what += f", {len(body) / 1000:.0f} kB {headers.get('content-encoding', 'plain')}"
        tag = headers.get("etag", "")
        if not tag:
            same.missing = "the page has no ETag"
        page = f"{server.url}/{SLUG}"
        for _ in range(plan.rounds):
            shortest = load.same(f"{bare.url}/", plan.seconds)
            whole.values.append(load.same(page, plan.seconds, accept))
            whole.reference.append(shortest)
            if tag:
                same.values.append(load.same(page, plan.seconds, accept, f"If-None-Match: {tag}"))
                same.reference.append(shortest)
        if tag and server.get(f"/{SLUG}", **{"Accept-Encoding": ENCODINGS, "If-None-Match": tag})[0] != 304:
            raise load.Faulty("The page was not answered with 304.")
    return [whole, same]
