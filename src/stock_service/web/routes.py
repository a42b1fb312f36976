"""Which part of the service a path belongs to, and the closed name it has in metrics and logs. Pure."""

from __future__ import annotations

import re
from enum import Enum

# A version among the first four segments, the vendor's deepest being /stocks/filings/10-K/vX/…; its JavaScript client
# calls `vX_0` and `dev` too.
_VERSIONED = re.compile(r"/?(?:[^/]*/){0,3}?(?:v(?:\d{1,2}|X)(?:_\d)?|dev)(?:/|\Z)")
_OWN = re.compile(r"/?(api|admin)(?:/|\Z)")


class Part(Enum):
    """Who answers."""

    GATEWAY = "gateway"
    API = "api"
    ADMIN = "admin"
    OPS = "ops"
    NOBODY = "nobody"


OPS_ROUTES = {
    "/": "page",
    "/health": "health",
    "/ready": "ready",
    "/metrics": "metrics",
    "/status": "status",
    "/circuit-breaker": "circuit_breaker",
    "/docs": "docs",
    "/openapi.json": "openapi",
}
API_ROUTES = ("api_quote", "api_quotes", "api_bars", "api_average", "api_quality", "api_market", "api_unknown")


def part_of(path: str) -> Part:
    """Return who answers `path` (as received, percent-encoded)."""
    if path in OPS_ROUTES:
        return Part.OPS
    own = _OWN.match(path)
    if own is not None:
        return Part(own[1])
    return Part.GATEWAY if _VERSIONED.match(path) else Part.NOBODY
