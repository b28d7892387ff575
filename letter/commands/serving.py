"""`serve` and `work`: the web pages and the mail worker."""

import contextlib
import gc
import multiprocessing
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import click
from granian import Granian
from granian.constants import Interfaces
from granian.log import LogLevels

from letter import config, durability
from letter.commands.opening import instance
from letter.db import Database
from letter.errors import Refusal
from letter.mail import messages, smtp
from letter.mail.worker import Worker

PROCESSES = 2  # what the smallest machines for hire have cores for; a second one takes 20 MB
THREADS = 32  # most of them wait, for a form that comes slowly or for the lock
EVERYWHERE = ("0.0.0.0", "::")  # noqa: S104 - to recognise, not to listen on
SECONDS_TO_STOP = 20
SECONDS_TO_RESTART = 1.0
PARENT_CHECK_SECONDS = 1.0
SWITCH_SECONDS = 0.0005  # a thread whose server has answered goes on at once; 5 ms cost a fifth of the pace


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", default=config.DEFAULT_PORT, show_default=True, type=click.IntRange(1, 65535))
@click.option(
    "--processes",
    default=PROCESSES,
    show_default=True,
    type=click.IntRange(1, 64),
    help="Web processes: one for a core.",
)
@click.option("--no-work", is_flag=True, help="Serve pages only; run `letter work` elsewhere.")
def serve(host: str, port: int, processes: int, no_work: bool) -> None:
    """Serve the pages, and send the mails."""
    run(host, port, processes=processes, work=not no_work)


def _demand_durable(settings: config.Settings, database: Database) -> None:
    """Raise Refusal if the database could lose what it has acknowledged; on a machine of one's own, only say so."""
    with database.reading() as session:
        faults = durability.faults(session)
    if faults and not settings.is_local:
        raise Refusal(f"{'; '.join(faults)}. Set it to on before others sign here.")
    for fault in faults:
        click.echo(f"FAULT  {fault}", err=True)


def run(host: str, port: int, *, processes: int = PROCESSES, work: bool = True) -> None:
    """Serve until a signal to stop. Raise Refusal if the port is taken or the instance is half set."""
    url = "" if config.is_said(os.environ, "base_url") else _url(host, port)
    if url and host in EVERYWHERE:
        raise config.BadSetting("LETTER_BASE_URL is missing: a service that others reach must know its own address.")
    settings = config.load({**os.environ, "LETTER_BASE_URL": url} if url else os.environ)
    smtp.check(settings)
    messages.sender(settings)
    with instance() as (_, database):
        demand_free(host, port)
        _demand_durable(settings, database)
    if url:
        os.environ["LETTER_BASE_URL"] = url  # for the processes that start here
        config.remember(settings.instance, url)  # for the commands that are run beside them
    click.echo(f"Letter is at {settings.base_url}", err=True)
    _share_memory()
    with _worker_beside() if work else contextlib.nullcontext():
        server = Granian(
            "letter.app:from_environment",
            address=host,
            port=port,
            interface=Interfaces.WSGI,
            factory=True,
            workers=processes,
            blocking_threads=THREADS,
            websockets=False,
            log_level=LogLevels.error,
        )
        server.signal_handler_reload = server.signal_handler_interrupt  # type: ignore[method-assign]  # a closed terminal
        server.serve()


@contextlib.contextmanager
def _worker_beside() -> Iterator[None]:
    """Keep a mail worker running: one that dies is replaced, since nobody would notice that no mail goes out."""
    command = [sys.executable, "-m", "letter", "work", "--parent", str(os.getpid())]
    # The first one starts before the server forks: a fork in the middle of a start would hold its pipes open.
    running: list[Forked | subprocess.Popen[bytes]] = [
        Forked(_work_beside, os.getpid()) if can_fork() else subprocess.Popen(command)  # noqa: S603 - our own
    ]
    ending = threading.Event()

    def keep() -> None:
        while True:
            code = running[-1].wait()
            if ending.wait(SECONDS_TO_RESTART):
                return
            click.echo(f"The mail worker ended with {code}; starting another.", err=True)
            running[:] = [subprocess.Popen(command)]  # noqa: S603 - our own; by now there are threads, so no fork

    keeper = threading.Thread(target=keep, daemon=True)
    keeper.start()
    try:
        yield
    finally:
        ending.set()
        running[-1].terminate()
        keeper.join(SECONDS_TO_STOP)
        running[-1].kill()


def can_fork() -> bool:
    """Tell whether the processes that start here are forked, and so share the memory of what is loaded by now."""
    return sys.platform == "linux" and threading.active_count() == 1


class Forked:
    """A process that shares what this one has loaded; to be stopped like one of `subprocess`."""

    def __init__(self, run: Callable[..., None], *arguments: object) -> None:
        self._process = multiprocessing.get_context("fork").Process(target=run, args=arguments)
        self._process.start()

    def wait(self) -> int | None:
        """Return its exit code once it has ended."""
        self._process.join()
        return self._process.exitcode

    def terminate(self) -> None:
        """Ask it to stop."""
        self._process.terminate()

    def kill(self) -> None:
        """End it at once."""
        self._process.kill()


def _share_memory() -> None:
    """Keep what is loaded by now where it lies: a collection in a forked process would write to, and so copy, all."""
    if can_fork():
        multiprocessing.set_start_method("fork", force=True)
        gc.collect()
        gc.freeze()


def name_process(name: str) -> None:
    """Call this process `name` in lists of processes, where that can be done; forked ones all look alike."""
    with contextlib.suppress(OSError):
        Path("/proc/self/comm").write_text(name, "ascii")


def _url(host: str, port: int) -> str:
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"


def demand_free(host: str, port: int) -> None:
    """Raise Refusal if something else listens there."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise Refusal(f"Cannot listen on {host}, port {port}: {error.strerror}. Choose another --port.") from None


@click.command()
@click.option("--once", is_flag=True, help="Send what is due now, then stop.")
@click.option("--parent", type=int, hidden=True, help="Stop when this process is gone.")
def work(once: bool, parent: int | None) -> None:
    """Send the mails that are due, and tidy up."""
    if not once:
        _work(parent)
        return
    with instance() as (settings, database):
        worker = Worker(database, settings)
        click.echo(f"{worker.run_once()} mails handled.")
        worker.close()
        worker.keep_house()
        worker.collect()


def _work_beside(parent: int) -> None:
    """Run as the process that the web server forks. There, a refusal has nobody else to say it."""
    try:
        _work(parent)
    except Refusal as error:
        click.echo(error.sentence, err=True)
        sys.exit(1)


def _work(parent: int | None) -> None:
    name_process("letter-work")
    sys.setswitchinterval(SWITCH_SECONDS)
    with instance() as (settings, database):
        worker = Worker(database, settings)
        stop = threading.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: stop.set())
        if parent:
            signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent hears a terminal's Ctrl-C, too, and ends us
            threading.Thread(target=_follow, args=(parent, stop), daemon=True).start()
        worker.run(stop)


def _follow(parent: int, stop: threading.Event) -> None:
    """Stop when the web server that started this worker is gone, however it went."""
    while os.getppid() == parent and not stop.wait(PARENT_CHECK_SECONDS):
        pass
    stop.set()


def free_port(wanted: int) -> int:
    """Return `wanted` if nobody listens there, else any free port."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", wanted))
        except OSError:
            probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
