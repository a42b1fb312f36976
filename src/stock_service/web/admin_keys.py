"""Answers `/admin/keys…`: turns requests into orders for the key desk, and records into what may be shown."""

from __future__ import annotations

from bisect import bisect_right

from stock_service.access.key_desk import KeyDesk
from stock_service.access.key_orders import KeyOrder, RotateOrder, find_record
from stock_service.base.clock import Clock
from stock_service.base.errors import BadRequest
from stock_service.web.admin_orders import done, read_order
from stock_service.web.admin_table import KEYS_PAGE_MAX, KeyPage, MadeKey, RotatedKey, view_key
from stock_service.web.api import read_parameters
from stock_service.web.api_table import Operation
from stock_service.web.exchange import Exchange, Response


class AdminKeys:
    """The routes of client keys. Each takes its exchange, its operation, the key's id and the admin's."""

    def __init__(self, desk: KeyDesk, clock: Clock) -> None:
        self._desk = desk
        self._clock = clock

    async def list_keys(self, exchange: Exchange, operation: Operation, _id: str, _by: str) -> Response:
        """Return one page of keys."""
        parameters = read_parameters(operation, exchange.query)
        text = parameters["limit"]
        limit = int(text) if text.isascii() and text.isdigit() and len(text) < 6 else 0
        if not 1 <= limit <= KEYS_PAGE_MAX:
            raise BadRequest("limit", f"{text[:20]!r} is no number of keys", f"use 1 to {KEYS_PAGE_MAX}")
        records = self._desk.records()
        begin = bisect_right(records, parameters["after"], key=lambda record: record.id)
        page, wall = records[begin : begin + limit], self._clock.wall()
        more = begin + limit < len(records)
        return done(operation, KeyPage([view_key(record, wall) for record in page], page[-1].id if more else None))

    async def show(self, _exchange: Exchange, operation: Operation, key_id: str, _by: str) -> Response:
        """Return one key."""
        return done(operation, view_key(find_record(self._desk.records(), key_id), self._clock.wall()))

    async def create(self, exchange: Exchange, operation: Operation, _id: str, by: str) -> Response:
        """Make a key."""
        record, key = await self._desk.create(await read_order(exchange, KeyOrder), by)
        return done(operation, MadeKey(key, view_key(record, self._clock.wall())))

    async def rotate(self, exchange: Exchange, operation: Operation, key_id: str, by: str) -> Response:
        """Replace a key."""
        order = await read_order(exchange, RotateOrder)
        fresh, old, key = await self._desk.rotate(key_id, order, by)
        wall = self._clock.wall()
        return done(operation, RotatedKey(key, view_key(fresh, wall), view_key(old, wall)))

    async def revoke(self, _exchange: Exchange, operation: Operation, key_id: str, by: str) -> Response:
        """Withdraw a key."""
        return done(operation, view_key(await self._desk.revoke(key_id, by), self._clock.wall()))
