"""In which form a browser takes a page, and whether it has it already (RFC 9110, sections 12.5.3 and 13.1.2)."""

import gzip
from functools import lru_cache

import brotli

IDENTITY = "identity"
OFFERED = ("br", "gzip", IDENTITY)  # the smallest first
WORTH_COMPRESSING = 600  # bytes; below that it all fits into the first packet anyway
BROTLI_QUALITY = 5  # one more costs twice the time and saves a hundredth
GZIP_LEVEL = 6


def forms(body: bytes) -> dict[str, bytes]:
    """Return `body` in each encoding that is offered."""
    if len(body) < WORTH_COMPRESSING:
        return {IDENTITY: body}
    packed = gzip.compress(body, GZIP_LEVEL, mtime=0)
    return {"br": brotli.compress(body, quality=BROTLI_QUALITY), "gzip": packed, IDENTITY: body}


@lru_cache(maxsize=256)
def best(accepted: str) -> str:
    """Return the encoding that the `Accept-Encoding` header likes best; of equals the smallest."""
    likes = dict(_like(part) for part in accepted.lower().split(","))
    weights = {one: likes.get(one, likes.get("*", 0.0)) for one in OFFERED[:-1]}
    liked = max(weights, key=lambda one: weights[one])  # the first of equals
    return liked if weights[liked] > 0 and weights[liked] >= likes.get(IDENTITY, 0) else IDENTITY


def _like(part: str) -> tuple[str, float]:
    name, _, weight = part.partition(";")
    try:
        return name.strip(), float(weight.partition("=")[2]) if weight.strip() else 1.0
    except ValueError:
        return name.strip(), 0.0


def is_known(asked: str, tag: str) -> bool:
    """Tell whether the `If-None-Match` header `asked` names the page's `tag`, compared weakly as the RFC demands."""
    if asked == tag:
        return True
    return any(one.strip().removeprefix("W/") in (tag, "*") for one in asked.split(","))
