"""One running gateway, as its process sees it: an application, a protocol class, and the chores beside them."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

from stock_service.base.clock import Clock
from stock_service.base.events import Faulted, Observer
from stock_service.cache.flight import Flights
from stock_service.reads.market_news import MarketNews
from stock_service.reads.read_path import Landed, ReadPath
from stock_service.reads.warm import Warmer
from stock_service.upstream.call import Upstream
from stock_service.web.app import App
from stock_service.web.drain import Drain
from stock_service.web.guard_limits import Limits
from stock_service.web.hit_protocol import HitProtocol
from stock_service.web.lookup import Lookup
from stock_service.wiring.access import Access

if TYPE_CHECKING:
    from stock_service.wiring.disk import Disk
    from stock_service.wiring.shared import Shared

CHORES_EVERY = 1.0


@dataclass(slots=True)
class Service:
    """One running gateway, as its process sees it."""

    app: App
    protocol: type[HitProtocol]
    limits: Limits
    drain: Drain
    observer: Observer
    clock: Clock
    plan: str
    _access: Access
    _lookup: Lookup
    _reads: ReadPath
    _flights: Flights[Landed]
    _upstream: Upstream
    _news: MarketNews
    _shared: Shared | Disk | None = None
    _warmer: Warmer | None = None
    ready: bool = False

    async def do_chores(self) -> None:
        """Look after clients, news of the market, the shared store and what is to be kept ready, for ever."""
        shared = () if self._shared is None else (self._shared.keep(),)
        warm = () if self._warmer is None else (self._warmer.run(),)
        await asyncio.gather(self._watch_clients(), self._watch_market(), self._access.keep(), *shared, *warm)

    async def _watch_market(self) -> None:
        while True:
            try:
                await self._news.keep()
            except Exception as error:  # noqa: BLE001 - one failed look must not end all later ones
                self.observer.notify(Faulted("chores", error))

    async def _watch_clients(self) -> None:
        gate, ledger = self._access.gate, self._access.ledger
        generation = gate.generation
        while True:
            await self.clock.sleep(CHORES_EVERY)
            try:
                gate.refresh(self.clock.monotonic(), self.clock.wall())
                ledger.note()
            except Exception as error:  # noqa: BLE001 - one failed look must not end all later ones
                self.observer.notify(Faulted("chores", error))
            if gate.generation != generation:
                generation = gate.generation
                self._lookup.distrust_all()

    async def look_at_market(self) -> None:
        """Look once after what the market's news make wrong; the chores do so every minute."""
        await self._news.look()

    def quiet(self) -> None:
        """Start no more background work; what was asked is still answered."""
        self._reads.quiet()
        if self._warmer is not None:
            self._warmer.quiet()

    async def aclose(self, within: float = 1.0) -> None:
        """Let running fetches finish within so many seconds, then close the connections to the vendor."""
        await self._flights.aclose(within)
        await self._access.aclose()
        if self._shared is not None:
            await self._shared.aclose()
        await self._upstream.aclose()
