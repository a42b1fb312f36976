"""What an operator may change while the service runs. Every route needs an admin key; every change leaves a log line
that says who made it and never a key.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Protocol

from stock_service.access.key_desk import KeyDesk
from stock_service.base.clock import Clock
from stock_service.base.errors import BadRequest, NotFound, WrongMethod
from stock_service.base.events import Observer, Purged
from stock_service.reads.purge import Swept
from stock_service.vendor.checks import check_ticker
from stock_service.web.admin_keys import AdminKeys
from stock_service.web.admin_orders import HOW, done, read_order
from stock_service.web.admin_table import BREAKER_MODES, BreakerOrder, PurgeOrder, match_admin, report_purge
from stock_service.web.admin_usage import UsageDesk
from stock_service.web.api import read_parameters
from stock_service.web.api_table import Operation
from stock_service.web.doorkeeper import Doorkeeper
from stock_service.web.exchange import Exchange, Response


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
        """Forget what is kept of a ticker, or everything, wherever that can be reached; `preview`: only look."""
        ...


Answer = Callable[[Exchange, Operation, str, str], Awaitable[Response]]  # the id in the path, the admin's id


class Admin:
    """Answers `/admin/…`.

    Args:
        keys: takes orders about keys; None where there are none, and so nobody who could give any.
    """

    def __init__(
        self,
        *,
        doorkeeper: Doorkeeper,
        breaker: BreakerLever,
        snapshot: Callable[[], dict[str, Any]],
        purge: Purging,
        keys: KeyDesk | None,
        usage: UsageDesk,
        clock: Clock,
        observer: Observer,
    ) -> None:
        self._doorkeeper = doorkeeper
        self._breaker = breaker
        self._snapshot = snapshot
        self._purge = purge
        self._usage = usage
        self._observer = observer
        self._answers: dict[str, Answer] = {
            "breaker_show": self._show_breaker,
            "breaker_move": self._move_breaker,
            "purge": self._forget,
            "usage": self._show_usage,
        }
        if keys is not None:
            routes = AdminKeys(keys, clock)
            self._answers |= {
                "keys_list": routes.list_keys,
                "keys_create": routes.create,
                "keys_show": routes.show,
                "keys_rotate": routes.rotate,
                "keys_revoke": routes.revoke,
            }

    async def handle(self, exchange: Exchange) -> Response:
        """Return the answer of one admin route.

        Raises:
            NotAllowed: the asker holds no admin key.
            WrongMethod: the route takes others.
            BadRequest: the order is malformed.
            NotFound: there is no such route, or no such key.
            KeysFixed, Unavailable: keys cannot be changed here, or not now.
        """
        admin = await self._doorkeeper.admit_admin(exchange)
        operations, key_id = match_admin(exchange.path)
        if not operations:
            raise NotFound("route", exchange.path)
        method = "GET" if exchange.method == "HEAD" else exchange.method
        operation = operations.get(method)
        if operation is None:
            raise WrongMethod(*sorted({*operations, *(("HEAD",) if "GET" in operations else ())}))
        return await self._answers[operation.route](exchange, operation, key_id, admin.id)

    async def _show_breaker(self, _exchange: Exchange, operation: Operation, _id: str, _by: str) -> Response:
        return done(operation, self._snapshot())

    async def _move_breaker(self, exchange: Exchange, operation: Operation, _id: str, by: str) -> Response:
        mode = (await read_order(exchange, BreakerOrder)).mode
        if mode not in BREAKER_MODES:
            raise BadRequest("mode", f"{mode[:20]!r} is unknown", HOW[BreakerOrder])
        if mode == "reset":
            self._breaker.reset(by)
        else:
            self._breaker.override(mode, by)
        return done(operation, self._snapshot())

    async def _forget(self, exchange: Exchange, operation: Operation, _id: str, by: str) -> Response:
        order = await read_order(exchange, PurgeOrder)
        if bool(order.ticker) is order.everything:
            problem = "names a ticker and everything" if order.ticker else "names neither a ticker nor everything"
            raise BadRequest("body", problem, HOW[PurgeOrder])
        if order.ticker:
            check_ticker(order.ticker)
        swept = await self._purge.forget(None if order.everything else order.ticker, preview=order.preview)
        if not order.preview:
            named = order.ticker or "everything"
            self._observer.notify(Purged(swept.entries, swept.series, by, swept.reach.value, named))
        return done(operation, report_purge(swept, order.ticker))

    async def _show_usage(self, exchange: Exchange, operation: Operation, _id: str, _by: str) -> Response:
        return await self._usage.answer(read_parameters(operation, exchange.query))
