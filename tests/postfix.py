"""A Postfix of the tests' own: its configuration, queue and mailboxes in a temporary folder, its port on loopback."""

import os
import pwd
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.mail_server import free_port

MISSING = "Postfix is not installed: `apt install postfix`"
NOT_ROOT = "Postfix only starts as root, and this is an ordinary user: run the tests as root to try it"
START_SECONDS = 20
# What comes back is delivered to a Maildir; supporters' mail goes nowhere, or to a server that refuses it.
MAIN = """\
compatibility_level = 3.6
queue_directory = {folder}/queue
data_directory = {folder}/data
command_directory = /usr/sbin
daemon_directory = /usr/lib/postfix/sbin
mail_owner = postfix
setgid_group = postdrop
maillog_file = {folder}/log
maillog_file_prefixes = {folder}
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
mynetworks = 127.0.0.0/8
myhostname = mx.letter.test
mydestination =
relay_domains =
recipient_delimiter = +
smtpd_relay_restrictions = permit_mynetworks, reject
smtpd_peername_lookup = no
smtpd_tls_security_level = none
disable_dns_lookups = yes
transport_maps = inline:{{ gmail.com=smtp:[127.0.0.1]:{refusing}, web.de=smtp:[127.0.0.1]:{refusing},
    example.org=discard: }}
virtual_mailbox_domains = letter.test
virtual_mailbox_base = {folder}/box
virtual_mailbox_maps = inline:{{ bounces@letter.test=back/ }}
virtual_uid_maps = static:{uid}
virtual_gid_maps = static:{gid}
virtual_minimum_uid = 1
alias_maps =
local_recipient_maps =
"""
MASTER = """\
127.0.0.1:{port} inet n - n - - smtpd
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
smtp unix - - n - - smtp
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
virtual unix - n n - - virtual
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
proxymap unix - - n - - proxymap
postlog unix-dgram n - n - 1 postlogd
"""


@dataclass(frozen=True)
class Postfix:
    """Where it takes mails, and the folder to which they come back."""

    url: str
    maildir: Path
    log: Path


@contextmanager
def running(refusing: int) -> Iterator[Postfix]:
    """Run Postfix: what is for gmail.com and web.de goes to the port `refusing`, what is for example.org nowhere."""
    if not shutil.which("postfix"):
        pytest.skip(MISSING)
    if os.geteuid() != 0:
        pytest.skip(NOT_ROOT)
    folder, port = Path(tempfile.mkdtemp(prefix="letter-postfix-", dir="/tmp")), free_port()
    owner = pwd.getpwnam("postfix")
    folder.chmod(0o755)
    for name in ("etc", "queue", "data", "box"):
        (folder / name).mkdir(mode=0o755)
    for name in ("data", "box"):
        os.chown(folder / name, owner.pw_uid, owner.pw_gid)
    facts = {"folder": folder, "refusing": refusing, "port": port, "uid": owner.pw_uid, "gid": owner.pw_gid}
    (folder / "etc" / "main.cf").write_text(MAIN.format(**facts))
    (folder / "etc" / "master.cf").write_text(MASTER.format(**facts))
    command = ["postfix", "-c", str(folder / "etc")]
    try:
        done = subprocess.run([*command, "start"], capture_output=True, text=True, check=False, timeout=60)
        assert done.returncode == 0, done.stdout + done.stderr
        yield Postfix(f"smtp://127.0.0.1:{port}", folder / "box" / "back", folder / "log")
    finally:
        with suppress(subprocess.TimeoutExpired):
            subprocess.run([*command, "stop"], capture_output=True, check=False, timeout=60)
        shutil.rmtree(folder, ignore_errors=True)


def eventually(folder: Path, mails: int) -> None:
    """Wait until so many mails are in a Maildir folder."""
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end:
        if len(list((folder / "new").glob("*"))) >= mails:
            return
        time.sleep(0.1)
    raise AssertionError("the mails did not come back")
