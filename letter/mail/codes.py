"""What a status code says of an address (RFC 3463)."""

import re
from enum import StrEnum

STATUS = re.compile(r"([245])\.(\d{1,3})\.(\d{1,3})")


class Verdict(StrEnum):
    """What is to be done about an address."""

    HARMLESS = "harmless"  # it may work another time
    FAILED = "failed"  # this mail did not arrive; the next one may
    DEAD = "dead"  # nobody reads mail there
    ALARM = "alarm"  # they do not want us, whoever it is for


# About the sender rather than the mailbox (RFC 3463, X.1.7 and X.1.8), or passing: a mailbox or a disk that is full.
ABOUT_US = ("5.1.7", "5.1.8")
FULL = ("5.2.2", "5.3.1")


def judge(status: str) -> Verdict:
    """Return what an enhanced status code such as 5.1.1 means for the address."""
    found = STATUS.fullmatch(status)
    if found is None:
        return Verdict.FAILED
    kind, subject, _ = found.groups()
    if kind != "5" or status in FULL:
        return Verdict.HARMLESS
    if subject == "7" or status in ABOUT_US:
        return Verdict.ALARM
    return Verdict.DEAD if subject == "1" else Verdict.FAILED
