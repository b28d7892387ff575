"""Links that cannot be made up: an opaque id, signed with one salt for each purpose.

When a link expires is decided by the row it points to, so that a mail sent twice carries the same link.
"""

import hashlib
import hmac
import secrets
from enum import StrEnum
from functools import lru_cache

from itsdangerous import BadData, TimestampSigner, URLSafeSerializer
from itsdangerous.encoding import base64_encode

from letter.errors import LinkInvalid

TOKEN_LENGTH = 200


class Purpose(StrEnum):
    """What a link is for; a link for one purpose is refused for every other."""

    CONFIRM = "confirm"
    MINE = "mine"
    NOT_ME = "not-me"
    INVITE = "invite"


def new_uid() -> str:
    """Return a new opaque id of 128 random bits in URL-safe letters."""
    return secrets.token_urlsafe(16)


@lru_cache(maxsize=32)
def _serializer(secret: bytes, purpose: str) -> URLSafeSerializer:
    return URLSafeSerializer(secret, salt=f"letter.{purpose}", signer_kwargs={"digest_method": hashlib.sha256})


def write(secret: bytes, purpose: Purpose, uid: str) -> str:
    """Return the token that names the row `uid` for one `purpose`."""
    payload = base64_encode(f'"{uid}"')
    return f"{payload.decode()}.{base64_encode(hmac.digest(_key(secret, purpose), payload, hashlib.sha256)).decode()}"


@lru_cache(maxsize=32)
def _key(secret: bytes, purpose: str) -> bytes:
    """Return the key that itsdangerous signs with: a mail holds two links, and it derives the key anew for each."""
    return _serializer(secret, purpose).make_signer().derive_key()


def read(secret: bytes, purpose: Purpose, token: str) -> str:
    """Return the id in `token`. Raise LinkInvalid for anything that was not written here for this purpose."""
    try:
        uid = _serializer(secret, purpose).loads(token) if len(token) <= TOKEN_LENGTH else None
    except (BadData, ValueError):
        raise LinkInvalid from None
    if not isinstance(uid, str) or token != write(secret, purpose, uid):  # base64 has many spellings, a link has one
        raise LinkInvalid
    return uid


def stamper(secret: bytes, purpose: str, kind: type[TimestampSigner] = TimestampSigner) -> TimestampSigner:
    """Return the signer of dated values (forms, session cookies) for one purpose."""
    return kind(secret, salt=f"letter.{purpose}", digest_method=hashlib.sha256)
