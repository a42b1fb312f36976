"""The parts that several instances share. Loaded only when a shared store is configured: it imports its client."""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass

from stock_service.base.clock import Clock
from stock_service.base.events import Observer
from stock_service.cache.server_shelf import ServerShelf
from stock_service.cache.shared import SharedCache, SharedSettings
from stock_service.cache.shared_address import parse_address
from stock_service.cache.shared_client import open_wire
from stock_service.cache.shared_rest import RestSettings
from stock_service.cache.shared_store import SharedStore, StoreSettings
from stock_service.config.sections import Settings
from stock_service.reads.fleet import Together
from stock_service.reads.purge import Purge, Reach
from stock_service.reads.purge_feed import PurgeFeed
from stock_service.telemetry.metrics import SharedLevel
from stock_service.upstream.shared_settings import SharedSlotsSettings
from stock_service.upstream.shared_slots import Mode, SharedSlots
from stock_service.wiring.keeping import keep_up
from stock_service.wiring.translate import account_digest, pacer_settings, policy_settings

_SUSPECT_SHARE = 0.4  # of the answer's own time, after which more questions would only wait as well
_LET_GO_AFTER = 10  # times the answer's own time
_CONNECTIONS = 20
_WRITES_END_WITHIN = 0.5


@dataclass(frozen=True, slots=True)
class Shared:
    """Everything on the shared store."""

    store: SharedStore
    cache: SharedCache
    slots: SharedSlots
    fleet: Together
    purges: PurgeFeed
    clock: Clock
    observer: Observer

    async def keep(self) -> None:
        """Run what must run beside, for ever."""
        kept = (self.store, self.slots, self.purges)
        await asyncio.gather(*(keep_up(part, self.clock, self.observer) for part in kept))

    def snapshot(self) -> dict[str, str]:
        """Return what `/status` shows: whether the store is used, who plans the vendor's calls and lends to clients,
        and whether the others know of every purge told here.
        """
        up = self.store.up
        return {
            "kind": "server",
            "store": "up" if up and self.purges.current else "away",
            "budget": self.slots.mode.value,
            "limits": "shared" if up else "local",
            "purges": "untold" if self.purges.untold else "told",
        }

    def level(self) -> SharedLevel:
        """Return what a scrape shows."""
        return SharedLevel(1 if self.store.up else 2, int(self.slots.mode is Mode.LOCAL))

    async def aclose(self) -> None:
        """Write what is left, say goodbye, close the connections."""
        await self.cache.aclose(_WRITES_END_WITHIN)
        await self.slots.aclose()
        await self.store.aclose()


def make_shared(
    settings: Settings, origins: frozenset[bytes], purge: Purge, clock: Clock, observer: Observer
) -> Shared:
    """Return the shared parts; opens no connection yet."""
    section = settings.shared
    address = parse_address(section.url.reveal())
    wire = open_wire(address, _LET_GO_AFTER * section.timeout, _CONNECTIONS, section.ca_file)
    scope = f"{section.scope}:{account_digest(settings)}"
    rest = RestSettings(suspect_for=_SUSPECT_SHARE * section.timeout)
    store = SharedStore(wire, StoreSettings(scope, answer_for=section.timeout, rest=rest), clock, observer)
    shelf = ServerShelf(store)
    cache = SharedCache(shelf, SharedSettings(), clock, observer, random.random)
    purges = PurgeFeed(shelf, purge, Reach.FLEET, policy_settings(settings).longest_for, clock, observer)
    budget = SharedSlotsSettings(pacer_settings(settings), pods=section.max_pods)
    slots = SharedSlots(budget, store, clock, observer)
    return Shared(store, cache, slots, Together(cache, purges, clock, origins), purges, clock, observer)
