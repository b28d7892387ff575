"""Mail: its text (`messages`), its way out (`smtp`, `folder`), who sends it (`worker`), what comes back (`bounces`)."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Envelope:
    """A mail that is ready to go: for whom, whom to tell if it cannot be delivered, and its bytes."""

    sender: str
    to: str
    message_id: str
    date: datetime
    content: bytes


class Refused(Exception):
    """The server does not take this mail, now or for good. `code` holds its reply codes, never its words."""

    def __init__(self, code: str, for_good: bool, *, is_about_rate: bool = False) -> None:
        super().__init__(code)
        self.code = code
        self.for_good = for_good
        self.is_about_rate = is_about_rate


class Unreachable(Exception):
    """No mail can be handed over now; the words say why, with nothing in them that the server said.

    `tried` is the mail that was on its way, if one was: nobody can tell whether it was taken.
    """

    def __init__(self, why: str, tried: Envelope | None = None) -> None:
        super().__init__(why)
        self.tried = tried


class Transport(Protocol):
    """Something that takes mails."""

    def open(self) -> None:
        """Make sure that mails can be handed over. Raise Unreachable."""

    def close(self) -> None:
        """End it."""

    def deliver(self, envelopes: Iterator[Envelope]) -> Iterator[tuple[Envelope, Refused | None]]:
        """Hand over one mail after the other, and give what became of each as soon as it is known.

        Raise Unreachable; what was not given by then, and is not the one tried, was not handed over.
        """
