"""Absolute links. They start with the setting LETTER_BASE_URL, never with what a request says of itself."""

from urllib.parse import quote

from letter import tokens
from letter.config import Settings
from letter.tokens import Purpose

# In the notation of the pages' own table, so that a test can compare the two.
PATHS = {
    "letter": "/<slug>",
    "letter_in": "/<slug>/<language>",
    "confirm": "/confirm/<token>",
    "mine": "/mine/<token>",
    "not_me": "/not-me/<token>",
    "invitation": "/staff/invitation/<secret>",
}


class Links:
    """The links of one instance."""

    def __init__(self, settings: Settings) -> None:
        self._base = settings.base_url
        self._secret = settings.keys.secret

    def letter(self, slug: str, language: str | None = None) -> str:
        """Return the link to a letter, in its default language or in the one given."""
        return self._to("letter_in", slug=slug, language=language) if language else self._to("letter", slug=slug)

    def confirm(self, uid: str) -> str:
        """Return the link that confirms the signature `uid`."""
        return self._to("confirm", token=tokens.write(self._secret, Purpose.CONFIRM, uid))

    def mine(self, uid: str) -> str:
        """Return the link to the signer's own page of the signature `uid`."""
        return self._to("mine", token=tokens.write(self._secret, Purpose.MINE, uid))

    def not_me(self, uid: str) -> str:
        """Return the link that says of the signature `uid`: this was not me."""
        return self._to("not_me", token=tokens.write(self._secret, Purpose.NOT_ME, uid))

    def invitation(self, secret: str) -> str:
        """Return the link with which an invited person sets a password."""
        return self._to("invitation", secret=secret)

    def _to(self, name: str, **values: str) -> str:
        path = PATHS[name]
        for key, value in values.items():
            path = path.replace(f"<{key}>", quote(value, safe=""))
        return self._base + path
