"""Pages of one list, kept as one: which question the next page of an answer is the answer to. Pure.

A page must never be younger than the one that follows it: rows that moved between the two fetches would be missing or
come twice. So whoever keeps a newer page looks after the next one, which then does the same for its own.
"""

from __future__ import annotations

import re

import msgspec

from stock_service.base.errors import BadRequest
from stock_service.vendor.links import follow_target
from stock_service.vendor.request import parse_request

_NEXT = re.compile(rb'"next_url"\s*:\s*("(?:[^"\\]|\\.)*")')
_ENDS_BYTES = 4_096  # the vendor writes it before the rows or after them


def next_page_key(body: bytes, origins: frozenset[bytes]) -> str | None:
    """Return the key of the question behind `next_url`, None where there is none that may be followed."""
    found = _NEXT.search(body[:_ENDS_BYTES]) or _NEXT.search(body[-_ENDS_BYTES:])
    if found is None:
        return None
    try:
        target = follow_target(msgspec.json.decode(found[1], type=str), origins)
        if target is None:
            return None
        path, _, query = target.partition("?")
        return parse_request(path, query).key
    except (msgspec.DecodeError, UnicodeError, BadRequest):
        return None
