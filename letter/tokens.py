"""Links that cannot be made up: an opaque id, signed with one salt for each purpose.

When a link expires is decided by the row it points to, so that a mail sent twice carries the same link.
"""

import base64
import hashlib
import hmac
import secrets
from enum import StrEnum
from functools import lru_cache

from itsdangerous import BadData, TimestampSigner, URLSafeSerializer
from itsdangerous.encoding import base64_encode

from letter.errors import LinkInvalid

TOKEN_LENGTH = 200
UID_BYTES = 16
SHORT_MARK_BYTES = 10  # nobody can try them out but by mail


class Purpose(StrEnum):
    """What a link is for; a link for one purpose is refused for every other."""

    CONFIRM = "confirm"
    MINE = "mine"
    NOT_ME = "not-me"
    INVITE = "invite"
    BOUNCE = "bounce"


def new_uid() -> str:
    """Return a new opaque id of 128 random bits in URL-safe letters."""
    return secrets.token_urlsafe(UID_BYTES)


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


def write_short(secret: bytes, purpose: Purpose, uid: str) -> str:
    """Return a token of 42 small letters and digits for a uid made here: for the part of an address before the @.

    That part may have 64 characters (RFC 5321), and servers on the way may not keep capital letters apart.
    """
    data = base64.urlsafe_b64decode(uid + "==")
    return base64.b32encode(data + _short_mark(secret, purpose, data)).decode().rstrip("=").lower()


def read_short(secret: bytes, purpose: Purpose, token: str) -> str:
    """Return the uid in a short token. Raise LinkInvalid for anything that was not written here for this purpose."""
    try:
        data = base64.b32decode(token.upper() + "=" * (-len(token) % 8))
    except ValueError:
        raise LinkInvalid from None
    uid, mark = data[:UID_BYTES], data[UID_BYTES:]
    if len(uid) < UID_BYTES or not hmac.compare_digest(mark, _short_mark(secret, purpose, uid)):
        raise LinkInvalid
    return base64.urlsafe_b64encode(uid).decode().rstrip("=")


def _short_mark(secret: bytes, purpose: Purpose, data: bytes) -> bytes:
    return hmac.digest(_key(secret, purpose), data, hashlib.sha256)[:SHORT_MARK_BYTES]


def stamper(secret: bytes, purpose: str, kind: type[TimestampSigner] = TimestampSigner) -> TimestampSigner:
    """Return the signer of dated values (forms, session cookies) for one purpose."""
    return kind(secret, salt=f"letter.{purpose}", digest_method=hashlib.sha256)
