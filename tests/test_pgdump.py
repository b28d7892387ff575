"""PostgreSQL's programs are told of a database what the driver is told, and nobody else sees the password."""

from pathlib import Path

import pytest
from psycopg.conninfo import conninfo_to_dict
from sqlalchemy import create_engine, make_url, text

from letter import pgdump
from tests import postgres

pytestmark = pytest.mark.no_database  # it brings its own
SPY = '#!/bin/sh\nprintf "%s\\n" "$PGPASSWORD" "$@" > "$(dirname "$0")/said"\n'
TWO_HOSTS = {"host": "one.example,two.example", "port": "5432,5433", "dbname": "letter", "user": "letter"}


@pytest.mark.parametrize(
    ("address", "wanted"),
    [
        ("@/letter?host=one.example:5432&host=two.example:5433", TWO_HOSTS),
        ("@/letter?host=one.example:5432&host=two.example:5433&prepare_threshold=none", TWO_HOSTS),
        (
            "@db.example:6432/letter?prepare_threshold=none&sslmode=require",
            {"host": "db.example", "port": "6432", "dbname": "letter", "user": "letter", "sslmode": "require"},
        ),
        (
            "@db.example/it%27s%20%5C%20mine",
            {"host": "db.example", "dbname": "it's \\ mine", "user": "letter"},
        ),
    ],
)
def test_the_programs_reach_the_database_that_the_service_reaches(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, address: str, wanted: dict[str, str]
) -> None:
    (tmp_path / "pg_dump").write_text(SPY)
    (tmp_path / "pg_dump").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    pgdump.dump(make_url(f"postgresql+psycopg://letter:a%40secret{address}"), tmp_path / "copy")
    password, *arguments = (tmp_path / "said").read_text().splitlines()
    assert password == "a@secret" and "secret" not in " ".join(arguments)
    assert conninfo_to_dict(arguments[0].removeprefix("--dbname=")) == wanted


def test_a_database_on_one_of_several_hosts_is_copied_and_put_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cluster = postgres.shared.cluster
    monkeypatch.setenv("PATH", str(cluster.bin), prepend=":")
    url = make_url(cluster.create("copied", tables=False))
    hosts = (f"{tmp_path}:5432", f"{cluster.folder}:5432")
    url = url.update_query_dict({"host": hosts, "prepare_threshold": "none"})
    engine = create_engine(cluster.url("copied"))
    try:
        with engine.begin() as connection:
            connection.execute(text("CREATE TABLE kept AS SELECT 7 AS number"))
        pgdump.dump(url, tmp_path / "copy")
        with engine.begin() as connection:
            connection.execute(text("DROP TABLE kept"))
        pgdump.load(url, tmp_path / "copy")
        with engine.begin() as connection:
            assert connection.scalar(text("SELECT number FROM kept")) == 7
    finally:
        engine.dispose()
        cluster.drop("copied")
