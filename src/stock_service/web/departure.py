"""Notices that the client has left, for the few answers that take long enough to care."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from stock_service.web.exchange import Exchange


@asynccontextmanager
async def watch_departure(exchange: Exchange) -> AsyncIterator[asyncio.Event]:
    """Give an event that is set when the client of `exchange` has left. For requests without a body."""
    left = asyncio.Event()

    async def watch() -> None:
        while (await exchange.receive())["type"] != "http.disconnect":
            pass
        left.set()

    watching = asyncio.get_running_loop().create_task(watch(), name="departure")
    try:
        yield left
    finally:
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)
