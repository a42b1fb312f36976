"""Conditional requests and content negotiation: what a client's validators and codings mean. Pure."""

from __future__ import annotations

from functools import lru_cache


def matches_etag(if_none_match: bytes, etag: bytes) -> bool:
    """Return whether an `If-None-Match` value names `etag`, by weak comparison (RFC 9110 13.1.2)."""
    if if_none_match.strip() == b"*":
        return True
    return any(_opaque(candidate) == etag for candidate in if_none_match.split(b","))


@lru_cache(maxsize=64)  # clients send one value over and over
def accepts_gzip(accept_encoding: bytes) -> bool:
    """Return whether an `Accept-Encoding` value admits gzip and does not rank identity above it (RFC 9110 12.5.3)."""
    ranks: dict[bytes, float] = {}
    for item in accept_encoding.lower().split(b","):
        coding, _, parameters = item.partition(b";")
        ranks[coding.strip()] = _rank(parameters)
    star = ranks.get(b"*", 0.0)
    packed = ranks.get(b"gzip", ranks.get(b"x-gzip", star))
    return packed > 0.0 and packed >= ranks.get(b"identity", 0.0)


def _rank(parameters: bytes) -> float:
    for parameter in parameters.split(b";"):
        name, _, value = parameter.strip().partition(b"=")
        if name.strip() == b"q":
            try:
                return float(value)
            except ValueError:
                return 0.0
    return 1.0


def _opaque(candidate: bytes) -> bytes:
    candidate = candidate.strip()
    return candidate[2:] if candidate.startswith(b"W/") else candidate
