"""What an operator may change while the service runs. Every route needs an admin key and leaves a log line."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import msgspec

from stock_service.base.errors import BadRequest, NotFound
from stock_service.web.doorkeeper import Doorkeeper
from stock_service.web.exchange import Exchange, Response, text_response

_BODY_MAX = 4096
_MODES = ("force_open", "force_closed", "none", "reset")
_HOW = 'POST {"mode": "force_open"}; modes: ' + ", ".join(_MODES)


class BreakerLever(Protocol):
    """The breaker, as far as an operator may move it."""

    def override(self, mode: str, by: str) -> None:
        """Force it open or closed, or let it decide again (`none`)."""
        ...

    def reset(self, by: str) -> None:
        """Forget all failures and close it."""
        ...


class _Order(msgspec.Struct, forbid_unknown_fields=True):
    mode: str


class Admin:
    """Answers `/admin/…`."""

    def __init__(
        self, *, doorkeeper: Doorkeeper, breaker: BreakerLever, snapshot: Callable[[], dict[str, Any]]
    ) -> None:
        self._doorkeeper = doorkeeper
        self._breaker = breaker
        self._snapshot = snapshot

    async def handle(self, exchange: Exchange) -> Response:
        """Return the answer of one admin route.

        Raises:
            NotAllowed: the asker holds no admin key.
            BadRequest: the order is malformed.
            NotFound: there is no such route.
        """
        admin = await self._doorkeeper.admit_admin(exchange)
        if exchange.path != "/admin/circuit-breaker":
            raise NotFound("route", exchange.path)
        if exchange.method == "POST":
            mode = await _read_mode(exchange)
            if mode == "reset":
                self._breaker.reset(admin.id)
            else:
                self._breaker.override(mode, admin.id)
        elif exchange.method not in ("GET", "HEAD"):
            raise BadRequest("method", f"{exchange.method[:10]} is not understood here", _HOW)
        return text_response(200, b"application/json", msgspec.json.encode(self._snapshot()) + b"\n")


async def _read_mode(exchange: Exchange) -> str:
    body = await exchange.body(_BODY_MAX)
    try:
        mode = msgspec.json.decode(body or b"", type=_Order).mode
    except msgspec.DecodeError:
        raise BadRequest("body", "is not the JSON this route takes", _HOW) from None
    if mode not in _MODES:
        raise BadRequest("mode", f"{mode[:20]!r} is unknown", _HOW)
    return mode
