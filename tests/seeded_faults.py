"""Bugs that show only when something breaks: file, what is right, what is wrong, and the test that must find it."""

FAULTS = {
    "a confirmation is answered before its commit": (
        "letter/web/confirmation.py",
        "        signature, is_first = gather(confirmation.confirm_all, given)\n",
        "        import threading, time\n        from letter.web.request import instance\n"
        "        late = instance().database\n"
        "        work = lambda: (time.sleep(0.3), late.gather(confirmation.confirm_all, given))\n"
        "        threading.Thread(target=work).start()\n"
        "        signature, is_first = confirmation.find(reading(), keys(), token), True\n",
        "tests/test_killing.py",
    ),
    "a decision is answered before its commit": (
        "letter/web/moderation.py",
        "    commit()\n    return _back(action.value, outcome)",
        "    import threading, time\n    from flask import g\n"
        "    stack, kept = g.pop('stack'), g.pop('writing')\n"
        "    late = lambda: (time.sleep(0.3), kept.commit(), stack.close())\n"
        "    threading.Thread(target=late).start()\n    return _back(action.value, outcome)",
        "tests/test_killing.py",
    ),
    "commits are synced when the log is full": (
        "letter/db.py",
        "synchronous=FULL",
        "synchronous=NORMAL",
        "tests/test_durability.py -k each_answer",
    ),
    "nothing is ever synced": (
        "letter/db.py",
        "synchronous=FULL",
        "synchronous=OFF",
        "tests/test_durability.py -k each_answer",
    ),
    "a shared commit that failed is acknowledged": (
        "letter/turns.py",
        "            error = raised\n            jobs = jobs",
        "            error = None if jobs else raised\n            jobs = jobs",
        "tests/test_disk.py",
    ),
    "a database file that was replaced is written to": (
        "letter/db.py",
        "if before not in (None, self._identity):",
        "if before is None:",
        "tests/test_disk.py",
    ),
    "a backup is a copy of the file": (
        "letter/backup.py",
        '            _copy(Path(database.file or ""), copy, progress)',
        '            copy.write_bytes(Path(database.file or "").read_bytes())',
        "tests/test_backup_under_load.py",
    ),
    "a restored session lives on": (
        "letter/backup.py",
        "        session.execute(delete(StaffSession))\n",
        "",
        "tests/test_backup.py",
    ),
    "a backup is restored unchecked": (
        "letter/backup.py",
        '        if (found := opened.execute("PRAGMA integrity_check(1)").fetchone()[0]) != "ok":',
        '        if (found := "") != "":',
        "tests/test_backup.py",
    ),
    "who withdraws is still counted": (
        "letter/tally.py",
        "    if before.state not in NOT_COUNTED:",
        "    if before.state not in NOT_COUNTED and now.state is not State.WITHDRAWN:",
        "tests/test_life.py",
    ),
    "undo goes over a newer decision": (
        "letter/moderation.py",
        "if signature.version != step.version or step.before is None:",
        "if step.before is None:",
        "tests/test_life.py",
    ),
    "a withdrawn signature can be confirmed by its first link": (
        "letter/confirmation.py",
        "    if signature.state is State.WITHDRAWN:",
        "    if signature.state is State.HELD:",
        "tests/test_life.py",
    ),
    "a clock that is set right leaves mails waiting": (
        "letter/mail/keeping.py",
        ", outbox.pull_in)",
        ")",
        "tests/test_clock.py",
    ),
}
