"""What a service takes that nobody visits, and how soon it answers."""

import contextlib
import socket
import time

from bench.plan import Plan
from bench.serving import Instance, Running, free_port, memory
from bench.table import Figure

SETTLED_AFTER = 3.0  # seconds


def measure(plan: Plan) -> list[Figure]:
    """Measure the time from the start of `letter serve` to its first answer, and its memory at rest."""
    start = Figure("start", "start of web and worker to the first answer", " s", most=1.5)
    idle = Figure("idle", "memory at rest, web and worker, all processes (PSS)", " MB", most=150)
    with plan.instance(signatures=min(plan.signatures, 1000), pending=100) as instance:
        for number in range(-1, plan.rounds):  # the first start compiles, and does not count
            seconds, megabytes = _once(instance)
            if number >= 0:
                start.values.append(seconds)
                idle.values.append(megabytes)
    return [start, idle]


def _once(instance: Instance) -> tuple[float, float]:
    port = free_port()
    begun = time.monotonic()
    server = Running(instance.command("serve", "--port", str(port)), instance.environ, port)
    try:
        while not _is_listening(port) and server.process.poll() is None:
            time.sleep(0.005)
        server.wait_for("/healthz")
        seconds = time.monotonic() - begun
        time.sleep(SETTLED_AFTER)
        return seconds, memory(server.pids)
    finally:
        server.stop()


def _is_listening(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False
