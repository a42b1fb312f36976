"""Orders of an operator as they come in a body: read whole, or refused with what was wrong and how it should look."""

from __future__ import annotations

from typing import Any, TypeVar

import msgspec

from stock_service.access.key_orders import KeyOrder, RotateOrder
from stock_service.base.errors import BadRequest
from stock_service.web.admin_table import BREAKER_MODES, BreakerOrder, PurgeOrder
from stock_service.web.api_table import Operation
from stock_service.web.exchange import Exchange, Response, text_response

_BODY_MAX = 4096
_PROBLEM_MAX = 200  # characters of what the JSON reader says
HOW: dict[type, str] = {
    BreakerOrder: 'POST {"mode": "force_open"}; modes: ' + ", ".join(BREAKER_MODES),
    PurgeOrder: 'POST {"ticker": "AAPL"} or {"everything": true}; with "preview": true nothing is forgotten',
    KeyOrder: 'POST {"name": "notebooks", "limit": "100/s", "rights": ["no_cache"], "expires_after": "90d"}',
    RotateOrder: 'POST {"grace": "24h"}',
}

T = TypeVar("T")


async def read_order(exchange: Exchange, kind: type[T]) -> T:
    """Return the order in the body; an empty body is an order that leaves everything open.

    Raises:
        BadRequest: it is too long, did not arrive whole, is no JSON, or no such order.
    """
    body = await exchange.body(_BODY_MAX)
    if body is None:
        raise BadRequest("body", f"is longer than {_BODY_MAX} bytes", HOW[kind])
    try:
        return msgspec.json.decode(body or b"{}", type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BadRequest("body", f"is not the JSON this route takes: {str(error)[:_PROBLEM_MAX]}", HOW[kind]) from None


def done(operation: Operation, content: Any) -> Response:
    """Return the answer of an operation that succeeded."""
    return text_response(operation.status, b"application/json", msgspec.json.encode(content) + b"\n")
