"""Purges beyond this instance: tells the others, hears theirs, and remembers them all past a restart.

The list of purges lies on the shelf whose answers it is about, and is read once a second. Always holds: answers of the
shelf count only while the list was heard within `HEARD_FOR`; a list that lacks what is known here, because the shelf
was away, was restored or came back empty, is told it; what another instance has been told holds here as if this one
had been.
"""

from __future__ import annotations

import asyncio

from stock_service.base.clock import Clock
from stock_service.base.events import Observer, Purged
from stock_service.cache.purge_list import EVERYTHING, Purges, merge_purges, parse_purges, render_purges
from stock_service.cache.shelf import Shelf
from stock_service.reads.fleet import CLOCKS_DIFFER
from stock_service.reads.purge import Purge, Reach, Swept

HEARD_FOR = 5.0  # seconds
POLL_EVERY = 1.0
_START_EVERY = 0.05  # until the list is heard, again
_TELLS_FOR = 2.0  # an order that met another one's write, or a shelf that is looked into; then it has its answer
_AGAIN_AFTER = 0.2
_SHARED_AGAIN_AFTER = 2 * CLOCKS_DIFFER  # where others hear of a purge, and where they are handed what came after it
_NAMED_MAX = 10  # tickers in a line of the log
_NEVER = float("-inf")


class PurgeFeed:
    """The purges of all instances on `shelf`. `keep` must run beside it: without it the shelf's answers do not count.

    Args:
        reach: who is reached by what the shelf holds.
        keep_for: how long after its fetch an answer may be served at most, in seconds.
    """

    def __init__(
        self, shelf: Shelf, purge: Purge, reach: Reach, keep_for: float, clock: Clock, observer: Observer
    ) -> None:
        self._shelf = shelf
        self._purge = purge
        self._reach = reach
        self._keep_ms = round(keep_for * 1000)
        self._clock = clock
        self._observer = observer
        self._known: Purges = {}  # in force here
        self._untold: dict[str, float] = {}  # monotonic: the shelf's clock may not be known yet
        self._heard: bytes | None = None
        self._heard_at = _NEVER
        self._lock = asyncio.Lock()

    @property
    def current(self) -> bool:
        """Whether no purge can be unknown here for longer than `HEARD_FOR`."""
        return self._clock.monotonic() - self._heard_at <= HEARD_FOR

    @property
    def untold(self) -> int:
        """How many purges were told to this instance and not yet to the others."""
        return len(self._untold)

    async def keep(self) -> None:
        """Listen for ever."""
        while True:
            if self._shelf.up:
                await self.poll()
            await self._clock.sleep(POLL_EVERY if self.current else _START_EVERY)

    async def forget(self, ticker: str | None, *, preview: bool = False) -> Swept:
        """Forget all about a ticker, or everything when it is None, on every instance that can be reached.

        What is fetched once this has returned is shared again at once.
        """
        if preview:
            return await self._purge.forget(ticker, preview=True)
        now = self._clock.monotonic()
        self._untold[EVERYTHING if ticker is None else ticker] = now
        swept = await self._purge.forget(ticker)
        swept.reach = self._reach if await self._tell() else Reach.CUT_OFF
        await self._clock.sleep(max(0.0, now + _SHARED_AGAIN_AFTER - self._clock.monotonic()))
        return swept

    async def poll(self) -> bool:
        """Hear what others were told, and tell what the shelf does not know; False when that could not be."""
        async with self._lock:
            text = await self._shelf.purges()
            now_ms = self._shelf.store_ms(self._clock.monotonic())
            if text is None or now_ms is None:
                return False
            if text != self._heard:
                await self._heed(parse_purges(text), now_ms)
                self._heard = text
            self._heard_at = self._clock.monotonic()
            return await self._tell_missing(parse_purges(text), now_ms)

    async def _heed(self, listed: Purges, now_ms: int) -> None:
        """Do what the list asks for and was not done yet."""
        now = self._clock.monotonic()
        merged = merge_purges((self._known, listed), now_ms, self._keep_ms)
        news = {ticker: at for ticker, at in merged.items() if at > self._known.get(ticker, 0)}
        swept = await self._purge.heed(
            {
                None if ticker == EVERYTHING else ticker: min(now, self._shelf.instant_of(at) + CLOCKS_DIFFER)
                for ticker, at in news.items()
            }
        )
        self._known = merged
        if swept.entries or swept.series:
            self._observer.notify(Purged(swept.entries, swept.series, "fleet", self._reach.value, _name(news)))

    async def _tell_missing(self, listed: Purges, now_ms: int) -> bool:
        own = dict(self._untold)
        told = {ticker: max(self._shelf.store_ms(at) or 0, self._latest(ticker) + 1) for ticker, at in own.items()}
        merged = merge_purges((self._known, told), now_ms, self._keep_ms)
        if merged.items() - listed.items():
            new = render_purges(merged)
            if not await self._shelf.swap_purges(self._heard or b"", new):
                return False
            self._heard = new
        self._known = merged
        for ticker, at in own.items():
            if self._untold.get(ticker) == at:  # not purged once more meanwhile
                del self._untold[ticker]
        return True

    def _latest(self, ticker: str) -> int:
        """Return when `ticker` was last purged. A new order comes after it, also where a clock was set back since:
        another instance would take it for one it has heeded.
        """
        return max(self._known.get(ticker, 0), self._known.get(EVERYTHING, 0))

    async def _tell(self) -> bool:
        until = self._clock.monotonic() + _TELLS_FOR
        while self._shelf.up:
            if await self.poll() and not self._untold:
                return True
            if self._clock.monotonic() >= until:
                break
            await self._clock.sleep(_AGAIN_AFTER)
        return False


def _name(purges: Purges) -> str:
    """Return what is purged, as a line of the log says it."""
    if EVERYTHING in purges:
        return "everything"
    named = sorted(purges)
    return ", ".join(named[:_NAMED_MAX]) + (f" and {len(named) - _NAMED_MAX} more" if len(named) > _NAMED_MAX else "")
