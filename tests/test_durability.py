"""What is acknowledged is on the disk, which a kill cannot show: the kernel's own record of writes and syncs does."""

import threading
from contextlib import closing, suppress
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

from letter import db, durability
from letter.commands import serving as serving_commands
from letter.config import Settings
from letter.db import Database
from letter.errors import Refusal
from tests import postgres, tracing
from tests.crowd import Caller
from tests.serving import Server, serving
from tests.tracing import ANSWERS, QUESTIONS, SYNCS, WRITES, Call

WANTED = {"synchronous": 2, "foreign_keys": 1, "secure_delete": 1, "fullfsync": 0, "journal_mode": db.journal_mode()}
CLIENTS, EACH = 8, 5


def pragmas(database: Database) -> list[dict[str, object]]:
    """Those of a reader's and a writer's connection, asked where they are in use."""
    found = []
    for opened in (database.reading, database.writing):
        with opened() as session:
            found.append({name: session.scalar(text(f"PRAGMA {name}")) for name in WANTED})
    found.append(database.together(lambda session: {name: session.scalar(text(f"PRAGMA {name}")) for name in WANTED}))
    return found


@pytest.mark.sqlite
def test_every_connection_syncs_each_commit_also_after_the_pool_was_emptied(database: Database) -> None:
    assert pragmas(database) == [WANTED] * 3
    database.close()
    assert pragmas(database) == [WANTED] * 3


@pytest.mark.sqlite
def test_a_file_that_somebody_else_made_unsafe_is_used_safely(tmp_path: Path) -> None:
    engine = create_engine(f"sqlite:///{tmp_path / 'loose.sqlite3'}")
    with engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA journal_mode=MEMORY")
        connection.exec_driver_sql("CREATE TABLE one (id INTEGER)")
        connection.commit()
    engine.dispose()
    with closing(Database(f"sqlite:///{tmp_path / 'loose.sqlite3'}")) as database:
        assert pragmas(database) == [WANTED] * 3


def sign_at_once(server: Server) -> list[str]:
    """Sign with eight clients at once; return the names, by which the kernel's record can be searched."""
    stamp, signed = server.stamp("library"), []

    def client(number: int) -> None:
        with closing(Caller(server.port)) as caller:
            for turn in range(EACH):
                name = f"Marker{number}x{turn}x"
                person = {"name": name, "affiliation": "", "email": f"{name}@example.org", "language": "en"}
                kind = {"display": "public", "kind": "person"}
                assert caller.send("POST", "/library/sign", stamp=stamp, **person, **kind)[0] == 303
                signed.append(name)

    threads = [threading.Thread(target=client, args=(number,)) for number in range(CLIENTS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return signed


def first(calls: list[Call], names: tuple[str, ...], file: str, holds: str, after: float) -> Call:
    return next(one for one in calls if one.start >= after and one.is_about(names, file) and holds in one.said)


def was_synced(calls: list[Call], name: str) -> bool:
    """Tell whether the signature of `name` was written, then synced to the end, and only then acknowledged."""
    asked = first(calls, QUESTIONS, "socket:", f"name={name}", 0)
    socket = asked.said.partition(">")[0]
    answer = first(calls, ANSWERS, socket, "HTTP/1.1 303", asked.end)
    with suppress(StopIteration):
        stored = first(calls, WRITES, "letter.sqlite3", name, asked.end)
        return first(calls, SYNCS, "letter.sqlite3", "", stored.end).end <= answer.start
    return False


@pytest.mark.sqlite
def test_each_answer_goes_out_after_a_sync_that_began_after_its_signature_was_written(tmp_path: Path) -> None:
    traces = tmp_path / "traces"
    traces.mkdir()
    with serving(tmp_path, "--no-work", before=tracing.before(traces)) as server:
        signed = sign_at_once(server)
        server.stop()
    calls = tracing.read(traces)
    assert len(signed) == CLIENTS * EACH
    assert [name for name in signed if not was_synced(calls, name)] == []


@pytest.mark.parametrize("off", [(), durability.DEMANDED])
def test_a_postgresql_that_could_lose_a_commit_is_found(off: tuple[str, ...]) -> None:
    with postgres.a_cluster(durable=True, **dict.fromkeys(off, "off")) as cluster:
        database = Database(cluster.create("letter", tables=False))
        with closing(database), database.reading() as session:
            wanted = [f"{name} is off in PostgreSQL: a crash could lose signatures" for name in off]
            assert durability.faults(session) == wanted


@pytest.mark.sqlite
def test_a_service_for_others_does_not_start_on_a_database_that_could_lose_a_commit(
    settings: Settings, database: Database, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    serving_commands._demand_durable(replace(settings, base_url="https://letter.example"), database)
    monkeypatch.setattr(durability, "FULL", 3)
    with pytest.raises(Refusal, match="could lose signatures"):
        serving_commands._demand_durable(replace(settings, base_url="https://letter.example"), database)
    serving_commands._demand_durable(replace(settings, base_url="http://127.0.0.1:8000"), database)
    assert capsys.readouterr().err == "FAULT  SQLite syncs at level 2: a crash could lose signatures\n"
