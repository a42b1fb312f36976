"""What the vendor's headers say about when to ask again.

Pure parsers. `Retry-After` in both its forms (RFC 9110 10.2.3) and the limit headers in their common spellings;
whatever is malformed is as good as absent. The vendor documents none of them, so nothing depends on them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC
from email.utils import parsedate_to_datetime

RETRY_AFTER_MAX_FOR = 300.0

_DELTA = re.compile(r"[0-9]{1,18}\Z")
_MEMBER = re.compile(r"(?:^|[;,\s])(r|t|remaining|reset)\s*=\s*([0-9]{1,9})(?=$|[;,\s])")
_PREFIXES = ("ratelimit-", "x-ratelimit-")


def parse_retry_after(value: str | None, now_wall: float) -> float | None:
    """Return how many seconds to wait, from 0 to `RETRY_AFTER_MAX_FOR`; None when absent or not understood."""
    if value is None:
        return None
    text = value.strip()
    if _DELTA.match(text):
        return min(float(text), RETRY_AFTER_MAX_FOR)
    try:
        date = parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    if date.tzinfo is None:
        date = date.replace(tzinfo=UTC)
    try:
        return min(max(0.0, date.timestamp() - now_wall), RETRY_AFTER_MAX_FOR)
    except (ValueError, OverflowError):
        return None


def parse_spent_for(headers: Mapping[str, str]) -> float | None:
    """Return for how many seconds nothing is left of the vendor's budget, by its own account; None when unsaid.

    Only "nothing left" is heard: a vendor's header may lower our view of the budget and never raise it. A reset
    that is further away than `RETRY_AFTER_MAX_FOR` is a date or an error and is not believed.
    """
    if not [name for name in headers if "ratelimit" in name]:
        return None
    members = dict(_MEMBER.findall(headers.get("ratelimit", "")))
    left = _first_of(headers, "remaining") or members.get("r") or members.get("remaining") or ""
    reset = _first_of(headers, "reset") or members.get("t") or members.get("reset") or ""
    if not (_DELTA.match(left) and _DELTA.match(reset)) or int(left) > 0:
        return None
    return float(reset) if float(reset) <= RETRY_AFTER_MAX_FOR else None


def _first_of(headers: Mapping[str, str], name: str) -> str | None:
    values = (headers.get(prefix + name) for prefix in _PREFIXES)
    return next((value.strip() for value in values if value is not None), None)
