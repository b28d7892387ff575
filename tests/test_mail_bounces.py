"""What came back: reports as servers write them (RFC 3464), and forgeries."""

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from letter import outbox, tally
from letter.mail import bounces, codes, collecting
from letter.mail.bounces import Bounce
from letter.models import Letter, Outbox, Post
from letter.tokens import Purpose, new_uid, write_short
from tests.conftest import KEYS
from tests.mailing import sign, signed

ADDRESS = "bounces@letter.example"
FAILED = "failed"
REPORT = """\
Return-Path: <>
Received: by mx.example.org (Postfix) id 4XYZ; Wed,  8 Jul 2026 12:00:03 +0000 (UTC)
From: MAILER-DAEMON@mx.example.org (Mail Delivery System)
To: {to}
Subject: Undelivered Mail Returned to Sender
Auto-Submitted: auto-replied
MIME-Version: 1.0
Content-Type: multipart/report; report-type=delivery-status; boundary="4XYZ/mx"

--4XYZ/mx
Content-Type: text/plain; charset=us-ascii

I'm sorry to have to inform you that your message could not be delivered.

--4XYZ/mx
Content-Type: message/delivery-status

Reporting-MTA: dns; mx.example.org
Arrival-Date: Wed,  8 Jul 2026 12:00:01 +0000 (UTC)

Final-Recipient: rfc822; {recipient}
Original-Recipient: rfc822;{recipient}
Action: {action}
Status: {status}
Remote-MTA: dns; mx.provider.example
Diagnostic-Code: {said}

--4XYZ/mx
Content-Type: message/rfc822

From: Open letters <letters@letter.example>
To: {recipient}
Subject: Please confirm your signature

...
--4XYZ/mx--
"""

# Who says it, action, status, words, what is understood, and what that means.
REPORTS = [
    ("Postfix, unknown user", FAILED, "5.1.1", "smtp; 550 5.1.1 <a@b>: Recipient address rejected", "5.1.1", "dead"),
    ("Postfix, no such domain", FAILED, "5.1.2", "X-Postfix; Host or domain name not found", "5.1.2", "dead"),
    ("Postfix, bad syntax", FAILED, "5.1.3", "smtp; 501 5.1.3 Bad recipient address syntax", "5.1.3", "dead"),
    ("Postfix, null MX", FAILED, "5.1.10", "smtp; 556 5.1.10 Recipient address has null MX", "5.1.10", "dead"),
    ("Postfix, moved", FAILED, "5.1.6", "smtp; 551 5.1.6 mailbox has moved", "5.1.6", "dead"),
    ("Postfix, expired", FAILED, "4.4.1", "X-Postfix; connect to mx: Connection timed out", "4.4.1", "harmless"),
    ("Postfix, loop", FAILED, "5.4.6", "X-Postfix; mail for b loops back to myself", "5.4.6", FAILED),
    ("Postfix, unreachable", FAILED, "5.4.4", "X-Postfix; unable to look up host", "5.4.4", FAILED),
    ("Postfix, still trying", "delayed", "4.4.1", "X-Postfix; Connection refused", None, None),
    ("Postfix, delivered", "delivered", "2.0.0", "X-Postfix; delivered to maildir", None, None),
    ("Postfix, relayed", "relayed", "2.0.0", "smtp; 250 2.0.0 OK", None, None),
    ("Postfix, expanded", "expanded", "2.0.0", "X-Postfix; alias", None, None),
    ("Gmail, unknown user", FAILED, "5.1.1", "smtp; 550-5.1.1 The email account does not exist", "5.1.1", "dead"),
    ("Gmail, disabled", FAILED, "5.2.1", "smtp; 550-5.2.1 The email account is disabled", "5.2.1", FAILED),
    ("Gmail, over quota", FAILED, "5.2.2", "smtp; 552-5.2.2 out of storage space", "5.2.2", "harmless"),
    ("Gmail, over quota for now", FAILED, "4.2.2", "smtp; 452-4.2.2 out of storage space", "4.2.2", "harmless"),
    ("Gmail, too many mails", FAILED, "4.2.1", "smtp; 450-4.2.1 receiving mail too quickly", "4.2.1", "harmless"),
    ("Gmail, spam", FAILED, "5.7.1", "smtp; 550-5.7.1 likely unsolicited mail", "5.7.1", "alarm"),
    ("Gmail, no SPF", FAILED, "5.7.26", "smtp; 550-5.7.26 unauthenticated", "5.7.26", "alarm"),
    ("Gmail, rate", FAILED, "4.7.28", "smtp; 421-4.7.28 unusual rate", "4.7.28", "harmless"),
    ("Exchange, unknown user", FAILED, "5.1.1", "smtp;550 5.1.1 RESOLVER.ADR.RecipNotFound", "5.1.1", "dead"),
    ("Exchange, at the edge", FAILED, "5.1.10", "smtp;550 5.1.10 RESOLVER.ADR.RecipientNotFound", "5.1.10", "dead"),
    ("Exchange, full", FAILED, "5.2.2", "smtp;554 5.2.2 mailbox full; STOREDRV.Deliver", "5.2.2", "harmless"),
    ("Exchange, too large", FAILED, "5.3.4", "smtp;552 5.3.4 Message size exceeds fixed limit", "5.3.4", FAILED),
    ("Exchange, denied", FAILED, "5.7.133", "smtp;550 5.7.133 RESOLVER.RST.SenderNotAuthenticated", "5.7.133", "alarm"),
    ("Exchange, expired", FAILED, "4.4.7", "smtp;550 4.4.7 QUEUE.Expired; message expired", "4.4.7", "harmless"),
    ("Exchange, hop count", FAILED, "5.4.14", "smtp;554 5.4.14 Hop count exceeded", "5.4.14", FAILED),
    ("Exchange, agent", FAILED, "5.6.0", "smtp;554 5.6.0 Corrupt message content", "5.6.0", FAILED),
    ("Outlook, blocked", FAILED, "5.7.1", "smtp;550 5.7.1 messages from [192.0.2.1] weren't sent", "5.7.1", "alarm"),
    ("Outlook, unavailable", FAILED, "5.5.0", "smtp;550 5.5.0 Requested action not taken", "5.5.0", FAILED),
    ("Yahoo, no account", FAILED, "5.0.0", "smtp; 554 delivery error: no such account", "5.0.0", FAILED),
    ("Yahoo, deferred", FAILED, "4.0.0", "smtp; 421 4.7.0 [TSS04] Messages temporarily deferred", "4.7.0", "harmless"),
    ("Exim, vague status", FAILED, "5.0.0", "smtp; 550-5.1.1 no such user", "5.1.1", "dead"),
    ("Exim, vague and plain", FAILED, "5.0.0", "smtp; 550 No such user here", "5.0.0", FAILED),
    ("Exim, vague and full", FAILED, "5.0.0", "smtp; 552 5.2.2 mailbox is full", "5.2.2", "harmless"),
    ("Exim, vague and refused", FAILED, "5.0.0", "smtp; 550 5.7.1 blocked by policy", "5.7.1", "alarm"),
    ("Sendmail, unknown user", FAILED, "5.1.1", "SMTP; 550 5.1.1 <a@b>... User unknown", "5.1.1", "dead"),
    ("Sendmail, with a comment", FAILED, "5.1.1 (bad destination mailbox)", "SMTP; 550 unknown", "5.1.1", "dead"),
    ("Sendmail, timeout", FAILED, "4.4.7", "SMTP; 451 timeout", "4.4.7", "harmless"),
    ("qmail, by RFC 3464", FAILED, "5.1.1", "x-qmail; sorry, no mailbox here by that name", "5.1.1", "dead"),
    ("mail.ru, no mailbox", FAILED, "5.1.1", "smtp; 550 Message was not accepted -- invalid mailbox", "5.1.1", "dead"),
    ("mail.ru, spam", FAILED, "5.7.0", "smtp; 550 spam message rejected", "5.7.0", "alarm"),
    ("Yandex, no user", FAILED, "5.7.1", "smtp; 550 5.7.1 No such user!", "5.7.1", "alarm"),
    ("GMX, no mailbox", FAILED, "5.1.1", "smtp; 550 Requested action not taken: mailbox unavailable", "5.1.1", "dead"),
    ("GMX, reputation", FAILED, "5.0.0", "smtp; 554 Transaction failed, reputation", "5.0.0", FAILED),
    ("T-Online, unknown", FAILED, "5.1.1", "smtp; 550 5.1.1 user unknown", "5.1.1", "dead"),
    ("iCloud, full", FAILED, "5.2.2", "smtp; 552 5.2.2 user over quota", "5.2.2", "harmless"),
    ("Proton, no address", FAILED, "5.1.1", "smtp; 550 5.1.1 Address does not exist", "5.1.1", "dead"),
    ("Zimbra, disk full", FAILED, "5.3.1", "smtp; 452 5.3.1 mail system full", "5.3.1", "harmless"),
    ("our own address is refused", FAILED, "5.1.8", "smtp; 553 5.1.8 sender domain does not exist", "5.1.8", "alarm"),
    ("our own address is malformed", FAILED, "5.1.7", "smtp; 553 5.1.7 bad sender", "5.1.7", "alarm"),
    ("a code in capital words", "FAILED", " 5.1.1", "smtp; 550", "5.1.1", "dead"),
    ("no code at all", FAILED, "", "smtp; it did not work", "5.0.0", FAILED),
    ("a made-up code", FAILED, "9.9.9", "smtp; 550", "5.0.0", FAILED),
    ("an endless code", FAILED, "5.1.1111111111", "smtp; 550", "5.0.0", FAILED),
    ("a success that failed", FAILED, "2.0.0", "smtp; 250 ok", "2.0.0", "harmless"),
]  # fmt: skip


def report(to: str, action: str = FAILED, status: str = "5.1.1", said: str = "smtp; 550", **more: str) -> bytes:
    recipient = more.get("recipient", "dana@gmail.com")
    return REPORT.format(to=to, action=action, status=status, said=said, recipient=recipient).encode()


def read(data: bytes) -> Bounce | None:
    return bounces.read(data, ADDRESS, KEYS.secret)


@pytest.mark.parametrize(("action", "status", "said", "understood", "means"), [row[1:] for row in REPORTS],
                         ids=[row[0] for row in REPORTS])  # fmt: skip
def test_a_report_is_understood(action: str, status: str, said: str, understood: str | None, means: str | None) -> None:
    uid = new_uid()
    found = read(report(bounces.sender(ADDRESS, KEYS.secret, uid), action, status, said))
    assert found == (Bounce(uid, understood, "gmail") if understood else None)
    assert means is None or (found and codes.judge(found.status) == means)


def test_capital_letters_on_the_way_do_no_harm() -> None:
    uid = new_uid()
    assert read(report(bounces.sender(ADDRESS, KEYS.secret, uid).upper())) == Bounce(uid, "5.1.1", "gmail")


def test_the_token_fits_before_the_at_sign_and_says_nothing() -> None:
    uid = new_uid()
    sender = bounces.sender("b" * 20 + "@letter.example", KEYS.secret, uid)
    assert len(sender.partition("@")[0]) <= 64
    assert uid.lower() not in sender.lower()


def forged() -> list[str]:
    """Addresses that anybody can make up."""
    uid = new_uid()
    local, _, host = bounces.sender(ADDRESS, KEYS.secret, uid).partition("@")
    other = write_short(b"another key" * 4, Purpose.BOUNCE, uid)
    another_purpose = write_short(KEYS.secret, Purpose.MINE, uid)
    swapped = local[:-1] + ("b" if local[-1] == "a" else "a")
    return [
        ADDRESS,
        f"bounces+{uid}@{host}",
        f"bounces+{other}@{host}",
        f"bounces+{another_purpose}@{host}",
        f"{swapped[:-2]}aa@{host}",
        f"{local[:-4]}@{host}",
        f"{local}@elsewhere.example",
        f"bounces+{'a' * 42}@{host}",
        "",
        "bounces+@letter.example",
        f"bounces+{'a' * 5000}@{host}",
    ]


@pytest.mark.parametrize("number", range(11))
def test_a_forged_report_is_not_believed(number: int) -> None:
    assert read(report(forged()[number])) is None


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\0" * 1000,
        b"Content-Type: multipart/report; boundary=a\n\n" + b"--a\n" * 3000,
        b"To: " + b"bounces+" * 9000,
        b"".join(b'Content-Type: multipart/mixed; boundary="%d"\n\n--%d\n' % (n, n) for n in range(4000)),
    ],
    ids=["nothing", "zeros", "parts", "addresses", "nested"],
)  # fmt: skip
def test_nothing_that_strangers_send_is_too_much(data: bytes) -> None:
    to = bounces.sender(ADDRESS, KEYS.secret, new_uid())
    assert read(data) is None
    assert read(f"To: {to}\n".encode() + data) is None


# What follows


def came_back(session: Session, letter: Letter, status: str) -> Outbox:
    """A mail that was sent and came back with a status code."""
    row = sign(session, letter)
    row.state, row.to_sealed = Post.SENT, None
    session.flush()
    collecting.note(session, Bounce(row.message_id, status, "gmail"))
    session.expire_all()
    return row


def figures(session: Session) -> dict[str, int]:
    """The figures without the day in their names."""
    found = tally.everything(session, tally.EVERYWHERE)
    return {f"{name.split()[1]} {name.split()[3]}": number for name, (number, _) in found.items() if number}


@pytest.mark.parametrize(
    ("status", "state", "noted", "is_kept", "figure"),
    [
        ("5.1.1", Post.BOUNCED, "5.1.1", False, {"gmail bounced": 1}),
        ("5.4.6", Post.BOUNCED, "5.4.6", True, {"gmail bounced": 1}),
        ("5.2.2", Post.SENT, "", True, {}),
        ("4.4.7", Post.SENT, "", True, {}),
        ("5.7.1", Post.BOUNCED, "", True, {"gmail refused": 1}),
    ],
)
def test_a_bounce_reaches_the_signature_and_the_figures(
    session: Session, letter: Letter, status: str, state: Post, noted: str, is_kept: bool, figure: dict[str, int]
) -> None:
    row = came_back(session, letter, status)
    about = signed(row)
    assert (row.state, about.bounced, about.email_sealed is not None) == (state, noted, is_kept)
    assert figures(session) == figure


def test_a_report_read_twice_counts_once(session: Session, letter: Letter) -> None:
    row = came_back(session, letter, "5.1.1")
    collecting.note(session, Bounce(row.message_id, "5.1.1", "gmail"))
    assert figures(session) == {"gmail bounced": 1}


def test_a_report_about_a_mail_that_is_gone_or_was_never_sent_changes_nothing(session: Session, letter: Letter) -> None:
    row = sign(session, letter)
    for message_id in (row.message_id, new_uid()):
        collecting.note(session, Bounce(message_id, "5.1.1", "gmail"))
    session.expire_all()
    assert (row.state, signed(row).bounced, figures(session)) == (Post.WAITING, "", {})
    assert outbox.bounced(session, row.message_id, "5.1.1") is None
    assert session.scalars(select(Outbox.state)).all() == [Post.WAITING]
