"""Mail: its text (`messages`), its way out (`smtp`, `folder`) and who sends it (`worker`)."""

from email.message import EmailMessage
from typing import Protocol


class Refused(Exception):
    """The server does not take this mail, now or for good. `code` holds its reply codes, never its words."""

    def __init__(self, code: str, for_good: bool) -> None:
        super().__init__(code)
        self.code = code
        self.for_good = for_good


class Unreachable(Exception):
    """No mail can be handed over now; the words say why, with nothing in them that the server said."""


class Transport(Protocol):
    """Something that takes mails."""

    def send(self, message: EmailMessage, to: str) -> None:
        """Hand `message` over for the routable address `to`. Raise Refused or Unreachable."""
