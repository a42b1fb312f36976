"""Which modules' branches guide the search of each target. Imports nothing: to be watched, they must not be loaded."""

from __future__ import annotations

_CONNECTION = (
    "stock_service.web.guard_connection",
    "stock_service.web.guard_head",
    "stock_service.web.guard_protocol",
    "stock_service.web.hit_answer",
    "stock_service.web.hit_head",
    "stock_service.web.hit_protocol",
    "stock_service.web.hit_template",
    "stock_service.web.lookup",
    "stock_service.web.conditional",
    "stock_service.web.origin",
)

PARTS: dict[str, tuple[str, ...]] = {
    "lanes": _CONNECTION,
    "framing": _CONNECTION,
    "canonical": (
        "stock_service.vendor.request",
        "stock_service.vendor.spelling",
        "stock_service.vendor.checks",
        "stock_service.vendor.endpoints",
    ),
    "bodies": (
        "stock_service.vendor.links",
        "stock_service.vendor.payloads",
        "stock_service.upstream.body",
        "stock_service.upstream.outcome",
    ),
    "answers": (
        "stock_service.upstream.body",
        "stock_service.upstream.connection",
        "stock_service.upstream.outcome",
    ),
    "credentials": (
        "stock_service.access.gate",
        "stock_service.access.keys",
        "stock_service.web.hit_head",
        "stock_service.web.hit_protocol",
        "stock_service.web.lookup",
    ),
    "negotiation": (
        "stock_service.upstream.vendor_limits",
        "stock_service.web.conditional",
        "stock_service.web.guard_head",
        "stock_service.web.origin",
    ),
}
