"""Operational routes: is it alive, may it get traffic, what is it doing. None of them ever asks the vendor."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from stock_service.web.exchange import Exchange, Response, text_response
from stock_service.web.pages import DOCS_PAGE, FRONT_PAGE
from stock_service.web.routes import OPS_ROUTES

_JSON = b"application/json"
_HTML = b"text/html; charset=utf-8"
# No script, no foreign host: the pages are plain documents.
_PAGE_POLICY = (b"content-security-policy", b"default-src 'none'; style-src 'unsafe-inline'")

Snapshot = Callable[[], dict[str, Any]]


class Ops:
    """Answers the operational routes.

    Args:
        version: what runs here.
        readiness: `ready`, `starting` or `draining`.
        breaker: snapshot for `/circuit-breaker`.
        status: snapshot of every part for `/status`; contains no secret.
        metrics: renders the metrics for an `Accept` value, as (content type, body).
        openapi: the finished OpenAPI document.
    """

    def __init__(
        self,
        *,
        version: str,
        readiness: Callable[[], str],
        breaker: Snapshot,
        status: Snapshot,
        metrics: Callable[[str], tuple[str, bytes]],
        openapi: bytes,
    ) -> None:
        self._version = version
        self._readiness = readiness
        self._breaker = breaker
        self._status = status
        self._metrics = metrics
        self._openapi = openapi

    async def handle(self, exchange: Exchange) -> Response:
        """Return the answer of one operational route."""
        match OPS_ROUTES[exchange.path]:
            case "health":
                return self._health()
            case "ready":
                return self._ready()
            case "metrics":
                accept = (exchange.header(b"accept") or b"").decode("latin-1")
                content_type, body = self._metrics(accept)
                return text_response(200, content_type.encode("ascii"), body)
            case "status":
                return _json(200, self._status())
            case "circuit_breaker":
                return _json(200, self._breaker())
            case "openapi":
                return text_response(200, _JSON, self._openapi)
            case "docs":
                return text_response(200, _HTML, DOCS_PAGE, _PAGE_POLICY)
            case _:
                return text_response(200, _HTML, FRONT_PAGE, _PAGE_POLICY)

    def _health(self) -> Response:
        """Return 200 while the process lives: restarting it would not mend a vendor."""
        state = self._breaker()["state"]
        status = "ok" if state == "closed" else "degraded"
        told = {"service": "stock-service", "version": self._version, "status": status, "circuit_breaker": state}
        return _json(200, told)

    def _ready(self) -> Response:
        readiness = self._readiness()
        return _json(200 if readiness == "ready" else 503, {"status": readiness})


def _json(status: int, content: dict[str, Any]) -> Response:
    return text_response(status, _JSON, msgspec.json.encode(content) + b"\n")
