"""One instance, as far as purges concern it: what it keeps, a shelf it shares with others, and how it hears of them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from stock_service.cache.entry import Entry
from stock_service.cache.memory import Memory
from stock_service.cache.outdated import Outdated
from stock_service.cache.series_store import SeriesStore
from stock_service.reads.fleet import Together
from stock_service.reads.purge import Purge, Reach
from stock_service.reads.purge_feed import PurgeFeed
from stock_service.vendor.request import VendorRequest, ask
from tests.support.shared_pod import LIFETIME, Pod, running, until

KEEP_FOR = 400 * 86_400.0


def prev(ticker: str) -> VendorRequest:
    """Return a question about one ticker."""
    return ask(f"/v2/aggs/ticker/{ticker}/prev")


class PurgePod:
    """`pod` with a memory in front of it, and its feed of purges."""

    def __init__(self, pod: Pod) -> None:
        self.pod = pod
        self.memory = Memory(1 << 20)
        self.outdated = Outdated()
        purge = Purge(self.memory, SeriesStore(1 << 20), self.outdated, pod.clock)
        self.feed = PurgeFeed(pod.shelf, purge, Reach.FLEET, KEEP_FOR, pod.clock, pod.events)
        self.fleet = Together(pod.cache, self.feed, pod.clock, frozenset())

    async def fetch(self, ticker: str, body: bytes) -> None:
        """Fetch an answer, keep it and share it."""
        reply = self.pod.reply(body)
        self.memory.put(Entry(prev(ticker).key, "prev", reply, LIFETIME, self.pod.clock.monotonic()))
        self.pod.cache.put(prev(ticker).key, reply, LIFETIME, self.pod.clock.monotonic(), "")
        await self.pod.written()

    async def recall(self, ticker: str) -> bytes | None:
        """Return what the others' answer is, as far as it counts here."""
        request = prev(ticker)
        recalled = await self.fleet.recall(request.key, self.outdated.counts_from(request))
        return None if recalled is None else recalled.reply.body

    def keeps(self, ticker: str) -> bool:
        """Whether memory has an answer."""
        return self.memory.peek(prev(ticker).key) is not None


@asynccontextmanager
async def purging(made: Pod, *, up: bool = True) -> AsyncIterator[PurgePod]:
    """`made`, kept, with its feed; with `up`, once it has heard the list."""
    async with running(made, up=up):
        instance = PurgePod(made)
        keeper = asyncio.create_task(instance.feed.keep())
        try:
            if up:
                await until(lambda: instance.feed.current)
            yield instance
        finally:
            keeper.cancel()
            await asyncio.gather(keeper, return_exceptions=True)
