"""Which part of the service a path belongs to, and the closed name it has in metrics and logs. Pure."""

from __future__ import annotations

import re
from enum import Enum

_VERSION = re.compile(r"(?:v(?:\d{1,2}|X)(?:_\d)?|dev)\Z")  # the vendor's JavaScript client calls `vX_0` and `dev` too
_VERSION_WITHIN = 4  # the vendor's deepest: /stocks/filings/10-K/vX/…


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
    head, *rest = path.removeprefix("/").split("/", _VERSION_WITHIN)
    if head == "api":
        return Part.API
    if head == "admin":
        return Part.ADMIN
    if any(_VERSION.match(segment) for segment in [head, *rest[: _VERSION_WITHIN - 1]]):
        return Part.GATEWAY
    return Part.NOBODY
