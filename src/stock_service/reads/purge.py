"""Makes kept answers about a ticker go, or count as stale: at an operator's word, or because its prices were rescaled.

Looks through everything kept here a few hundred keys at a time, so that the event loop keeps turning. What another
process has shared, or a running fetch brings later, is held back by `Outdated`, which is told first. `purge_feed`
tells the other instances.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from enum import Enum

from stock_service.base.clock import Clock
from stock_service.cache.entry import Entry
from stock_service.cache.memory import Memory
from stock_service.cache.outdated import NEVER, Outdated, follows_splits, is_market_wide, keys_naming
from stock_service.cache.series_store import SeriesStore
from stock_service.vendor.request import VendorRequest, reopen_request

_AT_ONCE = 200  # keys looked at before others get their turn
_SAMPLE = 20
_WORDS_MAX = 20  # more of them in one expression cost more than reading every key


class Reach(Enum):
    """Who holds to a purge by now."""

    NOBODY = "nobody"  # it was a preview
    ALONE = "instance"  # this instance has nothing in common with others
    CUT_OFF = "cut_off"  # this instance: what it has in common with the others cannot be had now
    MACHINE = "machine"  # all instances that use the folder of answers
    FLEET = "fleet"  # all instances on the shared store


@dataclass(slots=True)
class Swept:
    """What was found here: answers, series of bars, their bytes, and the first few keys; and who else looks."""

    entries: int = 0
    series: int = 0
    bytes: int = 0
    sample: tuple[str, ...] = ()
    reach: Reach = Reach.NOBODY


class Purge:
    """The broom."""

    def __init__(self, memory: Memory, series: SeriesStore, outdated: Outdated, clock: Clock) -> None:
        self._memory = memory
        self._series = series
        self._outdated = outdated
        self._clock = clock

    async def forget(self, ticker: str | None, *, preview: bool = False) -> Swept:
        """Forget all about a ticker, or everything when it is None; `preview`: only say what that would be."""
        swept = await self._sweep({ticker: self._clock.monotonic()}, preview=preview)
        swept.reach = Reach.NOBODY if preview else Reach.ALONE
        return swept

    async def heed(self, since: Mapping[str | None, float]) -> Swept:
        """Forget of each ticker, of all for None, its bars and the answers fetched before `since` (monotonic)."""
        return await self._sweep(since, preview=False) if since else Swept()

    async def _sweep(self, since: Mapping[str | None, float], *, preview: bool) -> Swept:
        told = Outdated()
        for ticker, at in since.items():
            told.purge(ticker, at)
            if not preview:
                self._outdated.purge(ticker, at)
                self._series.refuse_older(ticker, at)
        swept = Swept()
        for ticker, at in since.items():
            for key in self._series.keys_of(ticker):
                swept.series += 1
                swept.bytes += self._series.weight_of(key)
                if not preview:
                    self._series.forget(key, at)
        words = [ticker for ticker in since if ticker is not None]
        suspects = re.compile(keys_naming(words)) if len(words) == len(since) <= _WORDS_MAX else None
        async for entry in self._entries(suspects, lambda asked: told.purged_from(asked) > NEVER):
            if entry.fetched_at <= told.purged_from(reopen_request(entry.key)):
                swept.entries += 1
                swept.bytes += entry.weight_bytes
                swept.sample = (*swept.sample, entry.key)[:_SAMPLE]
                if not preview:
                    self._memory.discard(entry.key)
        return swept

    async def rescale(self, since: Mapping[str, float], market_since: float) -> Swept:
        """Make stale what holds adjusted prices fetched before `since` (monotonic) of its ticker.

        `market_since` is the same for answers about all tickers at once. Stale answers may still stand in while the
        vendor cannot be asked.
        """
        now = self._clock.monotonic()
        for ticker, at in since.items():
            self._outdated.rescale(ticker, at)
            self._series.refuse_older(ticker, at)
        self._outdated.rescale_market(market_since)
        swept = Swept()
        for ticker in since:
            for key in self._series.keys_of(ticker):
                if key.adjusted:
                    swept.series += 1
                    swept.bytes += self._series.weight_of(key)
                    self._series.outdate(key, now)
        suspects = re.compile(f"/aggs/grouped/|{keys_naming(since)}")
        async for entry in self._entries(suspects, lambda asked: follows_splits(asked) or is_market_wide(asked)):
            if entry.fetched_at < self._outdated.counts_from(reopen_request(entry.key)) and entry.soft_until > now:
                swept.entries += 1
                swept.bytes += entry.weight_bytes
                entry.expire(now)
        return swept

    async def _entries(
        self, suspects: re.Pattern[str] | None, meant: Callable[[VendorRequest], bool]
    ) -> AsyncIterator[Entry]:
        """Yield the kept entries whose key matches `suspects` and whose question is `meant`."""
        for number, key in enumerate(self._memory.keys()):
            if number % _AT_ONCE == _AT_ONCE - 1:
                await self._clock.sleep(0)
            if suspects is not None and not suspects.search(key):
                continue
            entry = self._memory.peek(key)
            if entry is not None and meant(reopen_request(key)):
                yield entry
