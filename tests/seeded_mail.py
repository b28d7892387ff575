"""Bugs of the mail room that its tests must find."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Bug:
    """What to change where, and the test that must fail."""

    file: str
    right: str
    wrong: str
    test: str


MAIL = {
    "an outcome is recorded before the server said yes": Bug(
        "letter/mail/dialogue.py",
        "                demand(self._reply())\n            except Refused as error:",
        "                yield now, None\n                demand(self._reply())\n            except Refused as error:",
        "tests/test_mail_servers.py",
    ),
    "a forged bounce is believed": Bug(
        "letter/tokens.py",
        "if len(uid) < UID_BYTES or not hmac.compare_digest(mark, _short_mark(secret, purpose, uid)):",
        "if len(uid) < UID_BYTES:",
        "tests/test_mail_bounces.py",
    ),
    "thanks go before confirmations": Bug(
        "letter/outbox.py",
        "for priority in (FIRST, LATER):",
        "for priority in (LATER, FIRST):",
        "tests/test_outbox_claims.py",
    ),
    "what became of mails is forgotten when the database fails": Bug(
        "letter/mail/recording.py", "self._kept.extend(lot)", "lot = []", "tests/test_mail_recording.py"
    ),
    "a mail that another has claimed is sent all the same": Bug(
        "letter/settling.py",
        "return [one for one in wanted if one[0].id in held]",
        "return wanted",
        "tests/test_settling.py",
    ),
    "a full mailbox is taken for a dead one": Bug(
        "letter/mail/codes.py", 'FULL = ("5.2.2", "5.3.1")', 'FULL = ("5.3.1",)', "tests/test_mail_bounces.py"
    ),
    "a domain that complains holds up the others": Bug(
        "letter/mail/pace.py",
        "return self._buckets.setdefault(domain, Bucket(self._rate))",
        'return self._buckets.setdefault("", Bucket(self._rate))',
        "tests/test_mail_pace.py",
    ),
    "a worker writes down what another worker's lease holds": Bug(
        "letter/outbox.py",
        "Outbox.state == Post.LEASED, Outbox.lease == held_by, *which)",
        "Outbox.state == Post.LEASED, *which)",
        "tests/test_outbox.py",
    ),
    "mails of a batch are counted as one": Bug(
        "letter/limits.py",
        "answers.append(counts[key] - rest[key] <= limit.amount)",
        "answers.append(counts[key] - rest.total() <= limit.amount)",
        "tests/test_limits.py tests/test_settling.py",
    ),
}
