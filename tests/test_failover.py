"""The loss of the PostgreSQL primary under load, with the files of deploy/patroni: nothing acknowledged is lost."""

import contextlib
import http.client
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count, pairwise
from pathlib import Path

import pytest
from sqlalchemy import func, select

from letter import config
from letter.db import Database
from letter.models import Letter, Outbox, Signature
from letter.sealing import email_key
from tests.cluster import MISSING, NODES, Cluster, started, until
from tests.serving import Server, serving

pytestmark = [
    pytest.mark.no_database,
    pytest.mark.timeout(900),
    pytest.mark.skipif(
        bool(MISSING),
        reason=f"{', '.join(MISSING)} missing: apt install postgresql-15 patroni etcd-server haproxy python3-etcd",
    ),
]
CLIENTS = 32
BACK_WITHIN = 30.0
CUT_OFF = 1.5  # seconds for which the standby hears nothing before the primary dies
ROUNDS = 5


@dataclass
class Supporters:
    """Sign without a pause, half of them at each web server, and remember what was acknowledged when."""

    servers: list[Server]
    stamp: str
    acknowledged: list[tuple[float, int, str]] = field(default_factory=list)
    answers: Counter[int] = field(default_factory=Counter)
    stop: threading.Event = field(default_factory=threading.Event)

    def one(self, number: int) -> None:
        which = number % len(self.servers)
        for turn in count():
            if self.stop.is_set():
                return
            email = f"s{number}.{turn}@example.org"
            status = self.sign(self.servers[which], email)
            self.answers[status] += 1
            if status == 303:
                self.acknowledged.append((time.monotonic(), which, email))
            else:
                time.sleep(0.2)

    def sign(self, server: Server, email: str) -> int:
        try:
            return server.sign("library", self.stamp, name="Dana Ivers", affiliation="Nurse", email=email)
        except (OSError, http.client.HTTPException):
            return 0

    def acks_after(self, moment: float, which: int) -> int:
        return sum(at > moment and server == which for at, server, _ in list(self.acknowledged))

    def longest_pause(self, since: float, which: int) -> float:
        moments = sorted(at for at, server, _ in self.acknowledged if server == which and at > since)
        return max(later - earlier for earlier, later in pairwise([since, *moments]))


@contextlib.contextmanager
def signing(servers: list[Server]) -> Iterator[Supporters]:
    supporters = Supporters(servers, servers[0].stamp("library"))
    threads = [threading.Thread(target=supporters.one, args=(number,)) for number in range(CLIENTS)]
    for thread in threads:
        thread.start()
    try:
        yield supporters
    finally:
        supporters.stop.set()
        for thread in threads:
            thread.join()


@contextlib.contextmanager
def in_service(cluster: Cluster, folder: Path) -> Iterator[list[Server]]:
    """Two web servers, one through HAProxy with its lists from the standby and one that knows both; a mail worker."""
    through_haproxy = {"LETTER_DATABASE_URL": cluster.url, "LETTER_REPLICA_URL": cluster.replica_url}
    with serving(folder, "--no-work", **through_haproxy) as balanced:
        knowing = Server(folder, LETTER_DATABASE_URL=cluster.both)
        worker = subprocess.Popen([sys.executable, "-m", "letter", "work"], env=balanced.environ)
        knowing.start("--no-work")
        try:
            yield [balanced, knowing]
            assert worker.poll() is None, "the mail worker did not outlive the loss"
        finally:
            knowing.stop()
            worker.kill()
            worker.wait()


def lose_the_primary(cluster: Cluster) -> tuple[float, str]:
    """Cut the link to the standby, then kill the primary's machine; return when that was, and which one."""
    name = cluster.primary()
    (standby,) = {*NODES} - {name}
    cluster.cut_off(standby, CUT_OFF, then=lambda: cluster.kill_machine(name))
    return time.monotonic(), name


def demand_nothing_is_lost(server: Server, supporters: Supporters) -> None:
    settings = config.load(server.environ)
    database = Database(settings.database_url)
    with database.reading() as session:
        uid = session.scalars(select(Letter.uid)).one()
        kept = {bytes(key) for key in session.scalars(select(Signature.email_key)) if key}
        of_each = select(Signature.id, func.count(Outbox.id)).outerjoin(Outbox).where(Signature.place.is_(None))
        mails = Counter(number for _, number in session.execute(of_each.group_by(Signature.id)))
    database.close()
    lost = [email for _, _, email in supporters.acknowledged if email_key(settings.keys, uid, email) not in kept]
    assert lost == [], f"{len(lost)} of {len(supporters.acknowledged)} acknowledged signatures are lost"
    assert mails.keys() == {1}, "a signature without its mail, or with two"
    assert supporters.answers.keys() <= {0, 303, 503}, supporters.answers


def a_round(cluster: Cluster, servers: list[Server], seconds: float) -> str:
    """Lose the primary in the middle of signing, wait until both servers take signatures again, and compare."""
    cluster.await_standby()
    with signing(servers) as supporters:
        time.sleep(seconds)
        lost_at, name = lose_the_primary(cluster)
        for which in range(len(servers)):
            until(lambda which=which: supporters.acks_after(lost_at + 1, which) > 50, "writes are not back")
        time.sleep(seconds)
    demand_nothing_is_lost(servers[0], supporters)
    pauses = [supporters.longest_pause(lost_at, which) for which in range(len(servers))]
    assert max(pauses) <= BACK_WITHIN
    began = time.monotonic()
    cluster.start_node(name)
    assert cluster.await_standby() == name
    return (
        f"{name} lost: {len(supporters.acknowledged)} signatures acknowledged, 0 lost; "
        f"writes paused {pauses[0]:.1f} s through HAProxy, {pauses[1]:.1f} s with both nodes named; "
        f"back as standby after {time.monotonic() - began:.1f} s; answers {dict(supporters.answers)}"
    )


def test_a_lost_primary_costs_no_acknowledged_signature_and_writes_are_back_within_30_seconds(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with started() as cluster, in_service(cluster, tmp_path) as servers:
        told = a_round(cluster, servers, 2)
        with capsys.disabled():
            print(f"\n{told}")


@pytest.mark.nightly
def test_a_primary_that_froze_and_wakes_again_takes_nothing_that_is_not_kept(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Patroni and PostgreSQL stand still, as on a machine that swaps: no connection is closed, no lease given up."""
    with started() as cluster, serving(tmp_path, "--no-work", LETTER_DATABASE_URL=cluster.url) as server:
        cluster.await_standby()
        with signing([server]) as supporters:
            time.sleep(5)
            name, frozen_at = cluster.primary(), time.monotonic()
            cluster.signal_machine(name, signal.SIGSTOP)
            until(lambda: supporters.acks_after(frozen_at + 1, 0) > 50, "writes are not back")
            cluster.signal_machine(name, signal.SIGCONT)
            time.sleep(5)
        demand_nothing_is_lost(server, supporters)
        pause = supporters.longest_pause(frozen_at, 0)
        assert pause <= BACK_WITHIN
        assert cluster.await_standby() == name
        with capsys.disabled():
            print(f"\n{name} froze: {len(supporters.acknowledged)} acknowledged, 0 lost; writes paused {pause:.1f} s")


@pytest.mark.nightly
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGSTOP])
def test_a_lost_standby_holds_up_signing_for_less_than_30_seconds(
    how: signal.Signals, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with started() as cluster, serving(tmp_path, "--no-work", LETTER_DATABASE_URL=cluster.url) as server:
        name = cluster.await_standby()
        with signing([server]) as supporters:
            time.sleep(5)
            cluster.signal_machine(name, how)
            lost_at = time.monotonic()
            until(lambda: supporters.acks_after(lost_at + 1, 0) > 50, "writes are not back")
        demand_nothing_is_lost(server, supporters)
        pause = supporters.longest_pause(lost_at, 0)
        assert pause <= BACK_WITHIN
        with capsys.disabled():
            print(f"\nstandby lost by {how.name}: writes paused {pause:.1f} s")


@pytest.mark.nightly
def test_primaries_are_lost_again_and_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with started() as cluster, in_service(cluster, tmp_path) as servers:
        for number in range(ROUNDS):
            told = a_round(cluster, servers, 5)
            with capsys.disabled():
                print(f"\n{number + 1}: {told}")
