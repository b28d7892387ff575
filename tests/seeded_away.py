"""Bugs for `test_seeded_bugs`: a database that is away, many at once on PostgreSQL, and moving house."""

AWAY = {
    "signing acknowledges when the database was away": (
        "letter/web/errors.py",
        "typed=request.form), error.status, patience",
        "typed=request.form), 200, patience",
        "tests/test_away.py",
    ),
    "what was typed is gone when the database was away": (
        "letter/web/errors.py",
        "fields=fields, typed",
        "fields=[], typed",
        "tests/test_away.py",
    ),
    "the form of another site becomes one of ours": (
        "letter/web/errors.py",
        "        forms.check_origin()",
        "        pass",
        "tests/test_away.py",
    ),
    "a frozen PostgreSQL is waited for without end": (
        "letter/postgres.py",
        "if not ready and time.monotonic() > deadline",
        "if False",
        "tests/test_away_postgres.py",
    ),
    "the replica is asked for everything": (
        "letter/db.py",
        "self._on_replica() if public else None",
        "self._on_replica()",
        "tests/test_away_postgres.py",
    ),
    "who comes second does not see what came of the first": (
        "letter/signatures.py",
        ".order_by(Signature.id).with_for_update(of=Signature)",
        "",
        "--database postgres tests/test_races.py",
    ),
    "two moderators decide about one entry at once": (
        "letter/moderation.py",
        "rows.order_by(Signature.id).with_for_update()",
        "rows",
        "--database postgres tests/test_races.py",
    ),
    "a move forgets a table": (
        "letter/moving.py",
        "TABLES = tuple(Base.metadata.sorted_tables)",
        "TABLES = tuple(table for table in Base.metadata.sorted_tables if table.name != 'blocked')",
        "tests/test_moving.py",
    ),
    "a move forgets the rows of a table": (
        "letter/moving.py",
        "read = {table.name: _copy(here, there, table, progress) for table in TABLES}",
        "read = {table.name: _copy(here, there, table, progress) for table in TABLES if table.name != 'outbox'}",
        "tests/test_moving.py",
    ),
    "the old database goes on after a move": (
        "letter/moving.py",
        "        _close(here, target)\n",
        "        pass\n",
        "tests/test_moving.py",
    ),
    "new rows take the ids of moved ones": (
        "letter/moving.py",
        "    bulk.go_on_counting(there, table)\n",
        "",
        "tests/test_moving.py",
    ),
    "a move is stored before it is compared": (
        "letter/moving.py",
        "    written = digests(there)\n",
        "    there.commit()\n    written = digests(there)\n",
        "tests/test_moving.py",
    ),
}
