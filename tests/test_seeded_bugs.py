"""A test that cannot fail proves nothing: each bug here is put into a copy of the code, and its test must find it."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.seeded_away import AWAY
from tests.seeded_faults import FAULTS
from tests.seeded_mail import MAIL, Bug

ROOT = Path(__file__).resolve().parents[1]


BUGS = {
    **MAIL,
    "answer before the commit": Bug(
        "letter/web/letters.py",
        "    gather(signing.put, signing.draft(keys(), letter, form.submission()))\n",
        "    import threading, time\n    from letter.web.request import instance\n    late = instance().database\n"
        "    draft = signing.draft(keys(), letter, form.submission())\n"
        "    threading.Thread(target=lambda: (time.sleep(0.3), late.gather(signing.put, draft))).start()\n",
        "tests/test_killing.py",
    ),
    "the mail is written after the commit": Bug(
        "letter/signing.py",
        '    bulk.add(connection, OUTBOX, [{**one.mail, "signature_id": number} for number, one in numbered])',
        '    rows = [{**one.mail, "signature_id": number} for number, one in numbered]\n    import threading, time\n'
        "    def late(engine=connection.engine):\n        time.sleep(0.05)\n"
        "        with engine.begin() as own:\n            bulk.add(own, OUTBOX, rows)\n"
        "    threading.Thread(target=late).start()",
        "tests/test_killing.py",
    ),
    "opening the link confirms": Bug(
        "letter/web/confirmation.py",
        "    try:\n        confirmation.demand_fresh(signature)",
        "    from letter.web.request import instance\n    with instance().database.writing() as own:\n"
        "        confirmation.confirm(own, keys(), confirmation.find(own, keys(), token))\n        own.commit()\n"
        "    try:\n        confirmation.demand_fresh(signature)",
        "tests/test_web_confirmation.py",
    ),
    "the stamp of public forms is not checked": Bug(
        "letter/web/guards.py",
        "    forms.check_stamp(request.form.get(forms.STAMP))",
        "    pass",
        "tests/test_web_guards.py",
    ),
    "staff forms are taken without their anti-forgery value": Bug(
        "letter/web/guards.py",
        "            validate_csrf(request.form.get(CSRF_FIELD))",
        "            pass",
        "tests/test_web_guards.py",
    ),
    "a role of one letter opens every letter": Bug(
        "letter/accounts.py",
        "Membership.person_id == person.id, either)",
        "Membership.person_id == person.id)",
        "tests/test_accounts.py tests/test_web_guards.py",
    ),
    "a stale page overwrites a newer decision": Bug(
        "letter/moderation.py",
        "if row.version == seen[row.id]]",
        "if row.version]",
        "tests/test_moderation.py",
    ),
    "counted people are exported": Bug(
        "letter/listing.py",
        "shown = (Display.PUBLIC, Display.RECIPIENTS)",
        "shown = tuple(Display)",
        "tests/test_exporting.py",
    ),
    "the address is kept after confirming": Bug(
        "letter/confirmation.py",
        "    if not signature.wants_updates:\n        signature.email_sealed = None",
        "    pass",
        "tests/test_confirmation.py",
    ),
    "one link serves every purpose": Bug(
        "letter/tokens.py",
        'URLSafeSerializer(secret, salt=f"letter.{purpose}"',
        'URLSafeSerializer(secret, salt="letter.confirm"',
        "tests/test_tokens.py",
    ),
    "the form looks up whether an address has signed": Bug(
        "letter/signing.py",
        "    connection = session.connection()\n",
        "    connection = session.connection()\n"
        '    same = select(SIGNATURE.c.id).where(SIGNATURE.c.email_key == given[0].signature["email_key"])\n'
        "    if connection.execute(same.where(SIGNATURE.c.state == State.CONFIRMED)).first():\n"
        "        connection.execute(select(1))\n",
        "tests/test_signatures.py",
    ),
    "one refusal takes back what others wrote": Bug(
        "letter/turns.py", "        with session.begin_nested():\n", "        if True:\n", "tests/test_turns.py"
    ),
    "what was written together is not committed": Bug(
        "letter/turns.py", "                session.commit()\n", "                pass\n", "tests/test_turns.py"
    ),
    "a commit that failed keeps everybody out": Bug(
        "letter/db.py", "            connection.rollback()  #", "            pass  #", "tests/test_turns.py"
    ),
    "a change of a number is forgotten": Bug(
        "letter/tally.py", "changes[letter_id, str(before)] = -1", "pass", "tests/test_tally.py"
    ),
    "a list is sorted by the database": Bug(
        "letter/listing.py",
        ".order_by(Signature.sort_key, Signature.uid)",
        ".order_by(Signature.fold_key, Signature.uid)",
        "tests/test_plans.py",
    ),
    "writers begin without taking the lock": Bug("letter/db.py", '"BEGIN IMMEDIATE"', '"BEGIN"', "tests/test_db.py"),
    "commits are not synced": Bug("letter/db.py", "synchronous=FULL", "synchronous=NORMAL", "tests/test_db.py"),
    "a mail that was taken is sent again": Bug(
        "letter/mail/recording.py",
        "            outbox.sent(session, self._lease, [due.id for _, due in sent])",
        "            outbox.put_back(session, self._lease, [due.id for _, due in sent], clock.now(), '')",
        "tests/test_mail_worker.py",
    ),
    "cells of a spreadsheet can be formulas": Bug(
        "letter/formats/csv.py", 'return f"\'{cell}" if', "return cell if", "tests/test_formats.py"
    ),
    "a changed audit row is not noticed": Bug(
        "letter/audit.py", "row.previous != previous or row.sha256 != _hash(row)", "False", "tests/test_audit.py"
    ),
    "a page reads while it writes": Bug(
        "letter/web/request.py",
        "    _stop_reading()\n    if",
        "    if",
        "tests/test_fallback.py",
    ),
    "a mail worker that dies stays dead": Bug(
        "letter/commands/serving.py", "running[:] = [subprocess.Popen(command)]", "return", "tests/test_faults.py"
    ),
    "a terminal's Ctrl-C reaches the web processes twice": Bug(
        "letter/app.py",
        "    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})\n",
        "",
        "tests/test_faults.py",
    ),
    "web processes outlive the one that started them": Bug(
        "letter/app.py", "    os._exit(1)", "    pass", "tests/test_faults.py"
    ),
    "confirming reads all who have not confirmed": Bug(
        "letter/signatures.py",
        "        Signature.email_key.in_([one.email_key for one in of]),\n",
        "        Signature.email_key.in_([one.email_key for one in of]),\n"
        "        Signature.letter_id == of[0].letter_id,\n",
        "tests/test_plans.py",
    ),
    "a database that was taken away is written to": Bug(
        "letter/db.py",
        "        except OSError:\n            raise NotReady from None\n        before",
        "        except OSError:\n            return\n        before",
        "tests/test_faults.py",
    ),
    "the standby is not waited for": Bug(
        "deploy/patroni/patroni.yml",
        "    synchronous_mode: true\n",
        "    synchronous_mode: false\n",
        "tests/test_failover.py",
    ),
    "the primary does not wait for its disk": Bug(
        "deploy/patroni/patroni.yml",
        'synchronous_commit: "on"',
        'synchronous_commit: "off"',
        "tests/test_failover.py",
    ),
    "a ready page is never looked at again": Bug(
        "letter/pages.py",
        "            self.due = asked_at + CHECK_SECONDS",
        "            self.due = float('inf')",
        "tests/test_pages.py",
    ),
    "a ready page is rendered for every reader": Bug(
        "letter/pages.py", "            self.shelf.put(key, page)", "            pass", "tests/test_pages.py"
    ),
    "the page of another letter is answered": Bug(
        "letter/pages.py",
        'key = (environ["PATH_INFO"], environ.get("QUERY_STRING", ""))',
        'key = ("/" + environ["PATH_INFO"].rpartition("/")[2], environ.get("QUERY_STRING", ""))',
        "tests/test_pages.py tests/test_web_pages.py",
    ),
    "a page is stamped with a version from after its rendering": Bug(
        "letter/pages.py",
        "            version = known.get(rendering.mark.letter_id)",
        "            version = self.watch._read().get(rendering.mark.letter_id)",
        "tests/test_pages.py",
    ),
    "an absent database takes the pages along": Bug(
        "letter/pages.py",
        '        if old and rendering.status >= "500" and is_kept:',
        "        if False:",
        "tests/test_pages.py tests/test_web_pages.py",
    ),
    "made-up addresses fill the memory": Bug(
        "letter/web/listing.py",
        "(not search and listing.is_place(session, letter, place))",
        "not search",
        "tests/test_web_pages.py",
    ),
    "a page with somebody's cookie is kept": Bug(
        "letter/pages.py", '{"set-cookie", "vary"}', '{"none"}', "tests/test_pages.py"
    ),
    "a tag is the same for every encoding": Bug(
        "letter/shelf.py", """f'"{digest}-{encoding}"'""", """f'"{digest}"'""", "tests/test_pages.py"
    ),
    "nginx keeps a copy for every address that somebody makes up": Bug(
        "deploy/nginx.conf", '+$" "";\n        default 1;', '+$" "";\n        default "";', "tests/test_nginx.py"
    ),
}
BUGS |= {name: Bug(*facts) for name, facts in {**FAULTS, **AWAY}.items()}


@pytest.mark.nightly
@pytest.mark.parametrize("name", list(BUGS))
def test_the_suite_finds(name: str, tmp_path: Path) -> None:
    bug = BUGS[name]
    for part in ("letter", "templates", "static", "deploy", "tests", "pyproject.toml", "README.md"):
        copy = shutil.copytree if (ROOT / part).is_dir() else shutil.copy
        copy(ROOT / part, tmp_path / part)
    file = tmp_path / bug.file
    source = file.read_text("utf-8")
    assert source.count(bug.right) == 1, f"{bug.file} no longer reads {bug.right!r}"
    file.write_text(source.replace(bug.right, bug.wrong), "utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", *bug.test.split()],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(tmp_path), "LETTER_TEST_ALL": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1, f"not found: {name}\n{done.stdout[-2000:]}"
