"""What an operator may change while the service runs. Every route needs an admin key and leaves a log line."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import msgspec

from stock_service.base.errors import BadRequest, NotFound, WrongMethod
from stock_service.base.events import Observer, Purged
from stock_service.reads.purge import Swept
from stock_service.web.doorkeeper import Doorkeeper
from stock_service.web.exchange import Exchange, Response, text_response

_BODY_MAX = 4096
_PURGE = "/admin/purge"
_HOW_TO_PURGE = 'POST {"ticker": "AAPL"} or {"everything": true}; with "preview": true nothing is forgotten'
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


class Purging(Protocol):
    """Whoever forgets kept answers."""

    async def forget(self, ticker: str | None, *, preview: bool) -> Swept:
        """Forget what is kept of a ticker, or everything; `preview`: only say what that would be."""
        ...


class _PurgeOrder(msgspec.Struct, forbid_unknown_fields=True):
    ticker: str = ""
    everything: bool = False
    preview: bool = False


class _Order(msgspec.Struct, forbid_unknown_fields=True):
    mode: str


class Admin:
    """Answers `/admin/…`."""

    def __init__(
        self,
        *,
        doorkeeper: Doorkeeper,
        breaker: BreakerLever,
        snapshot: Callable[[], dict[str, Any]],
        purge: Purging,
        observer: Observer,
    ) -> None:
        self._doorkeeper = doorkeeper
        self._breaker = breaker
        self._snapshot = snapshot
        self._purge = purge
        self._observer = observer

    async def handle(self, exchange: Exchange) -> Response:
        """Return the answer of one admin route.

        Raises:
            NotAllowed: the asker holds no admin key.
            BadRequest: the order is malformed.
            NotFound: there is no such route.
        """
        admin = await self._doorkeeper.admit_admin(exchange)
        if exchange.path == _PURGE:
            return await self._forget(exchange, admin.id)
        if exchange.path != "/admin/circuit-breaker":
            raise NotFound("route", exchange.path)
        if exchange.method == "POST":
            mode = await _read_mode(exchange)
            if mode == "reset":
                self._breaker.reset(admin.id)
            else:
                self._breaker.override(mode, admin.id)
        elif exchange.method not in ("GET", "HEAD"):
            raise WrongMethod("GET", "HEAD", "POST")
        return text_response(200, b"application/json", msgspec.json.encode(self._snapshot()) + b"\n")

    async def _forget(self, exchange: Exchange, by: str) -> Response:
        if exchange.method != "POST":
            raise WrongMethod("POST")
        order = await _read_purge(exchange)
        swept = await self._purge.forget(None if order.everything else order.ticker, preview=order.preview)
        if not order.preview:
            self._observer.notify(Purged(swept.entries, swept.series, by))
        answer = {
            "preview": order.preview,
            "answers": swept.entries,
            "series": swept.series,
            "bytes": swept.bytes,
            "first_keys": swept.sample,
        }
        return text_response(200, b"application/json", msgspec.json.encode(answer) + b"\n")


async def _read_purge(exchange: Exchange) -> _PurgeOrder:
    body = await exchange.body(_BODY_MAX)
    try:
        order = msgspec.json.decode(body or b"", type=_PurgeOrder)
    except msgspec.DecodeError:
        raise BadRequest("body", "is not the JSON this route takes", _HOW_TO_PURGE) from None
    if bool(order.ticker) is order.everything:
        raise BadRequest("body", "names neither one ticker nor everything", _HOW_TO_PURGE)
    return order


async def _read_mode(exchange: Exchange) -> str:
    body = await exchange.body(_BODY_MAX)
    try:
        mode = msgspec.json.decode(body or b"", type=_Order).mode
    except msgspec.DecodeError:
        raise BadRequest("body", "is not the JSON this route takes", _HOW) from None
    if mode not in _MODES:
        raise BadRequest("mode", f"{mode[:20]!r} is unknown", _HOW)
    return mode
