"""PostgreSQL goes away under a running service and comes back: nobody hangs, nothing is falsely acknowledged."""

import http.client
import os
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest
from sqlalchemy import select, text

from letter import letters
from letter.config import BadSetting
from letter.db import Database
from letter.models import Letter, Signature
from tests.conftest import make_letter
from tests.postgres import Cluster, a_cluster
from tests.serving import Server, serving

pytestmark = pytest.mark.no_database  # it brings its own
LONGEST_SECONDS = 10.5
CLIENTS = 40


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    with a_cluster(durable=True) as cluster:
        yield cluster


@pytest.fixture
def server(cluster: Cluster, tmp_path: Path) -> Iterator[Server]:
    name = f"away{time.monotonic_ns()}"
    with serving(tmp_path, LETTER_DATABASE_URL=cluster.create(name, tables=False)) as server:
        yield server
    cluster.drop(name)


def signs(server: Server, stamp: str, number: int) -> tuple[str, int, float]:
    """Sign; return the name, the status (0 for none), and how long that took."""
    name, begin = f"Supporter {number}", time.monotonic()
    try:
        status = server.sign("library", stamp, name=name, email=f"s{number}@example.org")
    except (OSError, http.client.HTTPException):
        status = 0
    return name, status, time.monotonic() - begin


def many_sign(server: Server, stamp: str, first: int) -> list[tuple[str, int, float]]:
    with ThreadPoolExecutor(CLIENTS) as pool:
        return list(pool.map(lambda number: signs(server, stamp, number), range(first, first + CLIENTS)))


def until_signed(server: Server, stamp: str, number: int) -> str:
    """Press the button again and again, as the page says; return the name that was taken in the end."""
    end = time.monotonic() + 15
    while time.monotonic() < end:
        name, status, _ = signs(server, stamp, number)
        if status == 303:
            return name
        time.sleep(0.5)
    raise AssertionError("the service did not recover")


def timed(server: Server, path: str) -> tuple[int, float]:
    begin = time.monotonic()
    return server.get(path)[0], time.monotonic() - begin


def stored(url: str) -> set[str]:
    database = Database(url)
    with database.reading() as session:
        found = set(session.scalars(select(Signature.name)))
    database.close()
    return found


def processes(cluster: Cluster) -> list[int]:
    """The server and all that it has started."""
    first = int((cluster.data / "postmaster.pid").read_text().split()[0])
    parents = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            parents[int(stat.parent.name)] = int(stat.read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue
    return [first, *(pid for pid, parent in parents.items() if parent == first)]


def tell(cluster: Cluster, number: signal.Signals) -> None:
    for pid in processes(cluster):
        with suppress(ProcessLookupError):
            os.kill(pid, number)


def freeze(cluster: Cluster) -> None:
    tell(cluster, signal.SIGSTOP)


def thaw(cluster: Cluster) -> None:
    tell(cluster, signal.SIGCONT)


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="no /proc here: this needs Linux")
@pytest.mark.parametrize(
    ("goes", "comes"), [(lambda c: c.stop("immediate"), Cluster.start), (freeze, thaw)], ids=["crashes", "freezes"]
)
def test_nobody_hangs_and_nothing_is_lost(
    server: Server, cluster: Cluster, goes: Callable[[Cluster], None], comes: Callable[[Cluster], None]
):
    stamp = server.stamp("library")
    before = many_sign(server, stamp, 0)
    assert {server.get("/library")[0] for _ in range(30)} == {200}  # by now it is ready in each of the processes
    goes(cluster)
    try:
        meanwhile = many_sign(server, stamp, 100)
        looked = [timed(server, path) for path in ("/library", "/readyz")]
    finally:
        comes(cluster)
    again = until_signed(server, stamp, 200)
    assert Counter(status for _, status, _ in before) == {303: CLIENTS}
    assert Counter(status for _, status, _ in meanwhile) == {503: CLIENTS}
    assert max(seconds for _, _, seconds in meanwhile) < LONGEST_SECONDS
    assert [status for status, _ in looked] == [200, 503]
    assert max(seconds for _, seconds in looked) < LONGEST_SECONDS
    names = stored(server.environ["LETTER_DATABASE_URL"])
    assert {name for name, _, _ in before} | {again} <= names


# Where it is, and how it is asked


def test_of_several_hosts_the_one_that_can_be_written_to_is_found(cluster: Cluster, tmp_path: Path):
    url = cluster.create("several", tables=True)
    both = url.replace(f"host={cluster.folder}", f"host={tmp_path},{cluster.folder}&target_session_attrs=read-write")
    database = Database(both, patience=2)
    with database.writing() as session:
        make_letter(session, "library")
        session.commit()
    with database.reading() as session:
        assert session.scalar(select(Letter.slug)) == "library"
    database.close()
    cluster.drop("several")


@pytest.mark.parametrize("said", ["none", "0"])
def test_statements_need_not_be_prepared(cluster: Cluster, said: str):
    url = cluster.create("prepared", tables=True)
    database = Database(f"{url}&prepare_threshold={said}")
    with database.writing() as session:
        for _ in range(7):
            session.execute(select(Letter.id)).all()
        prepared = session.scalar(text("SELECT count(*) FROM pg_prepared_statements"))
    assert (prepared == 0) == (said == "none")
    database.close()
    cluster.drop("prepared")
    with pytest.raises(BadSetting, match="prepare_threshold"):
        Database(f"{url}&prepare_threshold=sometimes")


def test_nobody_waits_for_a_row_longer_than_a_page_may_take(cluster: Cluster):
    """And only for rows: where a commit waits for a standby, the server must not cut it off."""
    database = Database(cluster.create("patient", tables=False))
    with database.writing() as session:
        shown = [session.scalar(text(f"SHOW {name}")) for name in ("lock_timeout", "statement_timeout")]
    assert shown == ["8s", "0"]
    database.close()
    cluster.drop("patient")


# A replica


@pytest.fixture
def two(cluster: Cluster) -> Iterator[tuple[str, str]]:
    """A primary, and a copy of it that is behind: it knows another title."""
    yield cluster.create("primary", tables=True), cluster.create("replica", tables=True)
    cluster.drop("primary")
    cluster.drop("replica")


def titles(database: Database) -> list[str | None]:
    """What is read for the public, and what is read for everything else."""
    found = []
    for public in (True, False):
        with database.reading(public=public) as session:
            found.append(session.scalar(select(Letter.slug)))
    return found


def test_what_is_public_is_read_from_the_replica_and_everything_else_from_the_primary(
    cluster: Cluster, two: tuple[str, str]
):
    for url in two:
        plain = Database(url)
        with plain.writing() as session:
            make_letter(session, "new" if url == two[0] else "old")
            session.commit()
        plain.close()
    database = Database(two[0], replica_url=two[1])
    assert titles(database) == ["old", "new"]
    with database.writing() as session:
        assert letters.by_slug(session, "new")
    cluster.execute("ALTER DATABASE {} ALLOW_CONNECTIONS false", "replica")
    cluster.end_connections("replica")
    assert titles(database) == ["new", "new"]
    database.close()


def test_a_replica_must_be_postgresql():
    with pytest.raises(BadSetting, match="LETTER_REPLICA_URL"):
        Database("sqlite://", replica_url="sqlite:///copy.sqlite3")
