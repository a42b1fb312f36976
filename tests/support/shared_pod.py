"""One process of a fleet, as far as the shared store concerns it, over a real server."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from stock_service.base.clock import Clock, SystemClock
from stock_service.base.reply import Reply
from stock_service.cache.entry import Entry
from stock_service.cache.freshness import Lifetime
from stock_service.cache.shared import Found, Lead, SharedCache, SharedSettings
from stock_service.cache.shared_address import parse_address
from stock_service.cache.shared_client import open_wire
from stock_service.cache.shared_store import SharedStore, StoreSettings
from tests.support.reading import Recorder

LIFETIME = Lifetime(5.0, 60.0, 600.0)


async def until(holds: Callable[[], object], within: float = 5.0) -> float:
    """Wait for a condition; return the seconds it took."""
    begun = time.monotonic()
    while not holds():
        if time.monotonic() - begun > within:
            raise AssertionError(f"not within {within} s")
        await asyncio.sleep(0.005)
    return time.monotonic() - begun


class Pod:
    """A store, a cache on it, and what they reported."""

    def __init__(
        self,
        url: str,
        clock: Clock | None = None,
        settings: SharedSettings | None = None,
        answer_for: float = 0.05,
    ) -> None:
        self.clock = clock or SystemClock()
        self.events = Recorder()
        wire = open_wire(parse_address(url), answer_for, max(0.1, answer_for), 20)
        self.store = SharedStore(wire, StoreSettings("test", answer_for=answer_for), self.clock, self.events)
        self.cache = SharedCache(self.store, settings or SharedSettings(), self.clock, self.events, lambda: 0.5)
        self.keeper: asyncio.Task[None] | None = None

    def entry(self, key: str, body: bytes, age: float = 0.0) -> Entry:
        """An answer whose fetch began `age` seconds ago."""
        now = self.clock.monotonic()
        return Entry(key, "prev", self.reply(body, age), LIFETIME, now)

    def put(self, key: str, body: bytes, age: float = 0.0) -> bool:
        return self.cache.put(key, self.reply(body, age), LIFETIME, self.clock.monotonic(), "")

    def reply(self, body: bytes, age: float = 0.0) -> Reply:
        """What the vendor answered `age` seconds ago."""
        return Reply(200, "application/json", body, self.clock.monotonic() - age, "vendor-id")

    async def written(self) -> None:
        """Wait until nothing is queued or under way."""
        await until(lambda: not self.cache._tasks)

    async def body(self, key: str) -> bytes | None:
        found = await self.cache.find(key)
        return None if found is None else found.stored.body

    async def read(self, key: str, fetch: Callable[[], Awaitable[bytes]]) -> bytes:
        """What the read path does: find, lead, fetch, publish."""
        found = await self.cache.find(key)
        if found is not None:
            return found.stored.body
        lead = await self.cache.lead(key, found, self.clock.monotonic() + 8.0)
        if isinstance(lead, Found):
            return lead.stored.body
        assert isinstance(lead, Lead)
        async with lead:
            body = await fetch()
            lead.publish(self.reply(body), LIFETIME, self.clock.monotonic())
            return body


@asynccontextmanager
async def pod(
    url: str,
    *,
    up: bool = True,
    clock: Clock | None = None,
    settings: SharedSettings | None = None,
    answer_for: float = 0.05,
) -> AsyncIterator[Pod]:
    """A running pod; with `up`, one that has found its store."""
    made = Pod(url, clock, settings, answer_for)
    made.keeper = asyncio.create_task(made.store.keep())
    try:
        if up:
            await until(lambda: made.store.up)
        yield made
    finally:
        made.keeper.cancel()
        await asyncio.gather(made.keeper, return_exceptions=True)
        await made.cache.aclose(0.2)
        await made.store.aclose()
