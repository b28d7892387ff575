"""Addresses at rest: a keyed hash to recognise one, a sealed copy only while a mail to it is due."""

import hashlib
import hmac
import unicodedata
from dataclasses import dataclass
from functools import lru_cache

from cryptography.fernet import Fernet, InvalidToken

PADDED_TO = 64


class Unsealable(Exception):
    """A sealed value that these keys do not open."""


@dataclass(frozen=True, repr=False)
class Keys:
    """The instance's secrets, each 32 bytes in URL-safe base64. They live outside the database and its backups.

    `secret` signs links, forms and sessions; `sealing` seals addresses; `index` makes the keyed hashes.
    """

    secret: bytes
    sealing: bytes
    index: bytes


def fingerprint(keys: Keys) -> str:
    """Return what the database remembers its keys by; it tells nothing of them."""
    parts = [hmac.digest(key, b"fingerprint", hashlib.sha256) for key in (keys.secret, keys.sealing, keys.index)]
    return hashlib.sha256(b"".join(parts)).hexdigest()


def normal(address: str) -> str:
    """Return `address` as it is compared: NFKC and case-folded. Dots and plus tags stay: they may be other people."""
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", address.strip()).casefold())


def keyed(keys: Keys, scope: str, value: str) -> bytes:
    """Return the HMAC-SHA-256 of `value` under a key of its own for `scope`, so that two scopes cannot be joined."""
    return hmac.digest(_scope_key(keys.index, scope), value.encode(), hashlib.sha256)


@lru_cache(maxsize=256)
def _scope_key(key: bytes, scope: str) -> bytes:
    return hmac.digest(key, b"scope:" + scope.encode(), hashlib.sha256)


def email_key(keys: Keys, scope: str, address: str) -> bytes:
    """Return what stands for `address` within `scope` (a letter's uid)."""
    return keyed(keys, scope, normal(address))


@lru_cache(maxsize=4)
def _box(key: bytes) -> Fernet:
    return Fernet(key)


def seal(keys: Keys, text: str) -> bytes:
    """Return `text` encrypted and authenticated (Fernet), padded so that its length tells little."""
    data = text.encode()
    return _box(keys.sealing).encrypt(data + b"\0" * (-len(data) % PADDED_TO))


def unseal(keys: Keys, sealed: bytes) -> str:
    """Return what was sealed. Raise Unsealable if it was changed or sealed with another key."""
    try:
        return _box(keys.sealing).decrypt(sealed).rstrip(b"\0").decode()
    except InvalidToken:
        raise Unsealable from None
