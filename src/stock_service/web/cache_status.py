"""What the `Cache-Status` field says (RFC 9211): one function from an answer to a value. Pure."""

from __future__ import annotations

from typing import assert_never

from stock_service.cache.entry import CACHE_NAME
from stock_service.reads.read_path import Answer, Via


def cache_status(answer: Answer, now: float) -> bytes:
    """Return the field's value; `hit` and `fwd` exclude one another.

    `hit` carries the seconds of freshness left, negative while a stale answer is being refreshed.
    """
    ttl = answer.entry.ttl(now)
    match answer.via:
        case Via.HIT:
            return answer.entry.hit_status(now)
        case Via.MISS:
            stored = b"stored; " if answer.entry.kept else b""  # too large an answer is not, nor one for this once
            return b"%b; fwd=uri-miss; %bttl=%d" % (CACHE_NAME, stored, ttl)
        case Via.COLLAPSED:
            return b"%b; fwd=uri-miss; collapsed; ttl=%d" % (CACHE_NAME, ttl)
        case Via.STALE:
            return b"%b; fwd=stale; ttl=%d; detail=%b" % (CACHE_NAME, ttl, answer.reason.encode("ascii"))
    assert_never(answer.via)
