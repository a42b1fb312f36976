"""The tier on this machine's disk. Loaded only when a folder for it is configured."""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass
from pathlib import Path

from stock_service.base.clock import Clock
from stock_service.base.events import Observer
from stock_service.cache.disk_shelf import DiskSettings, DiskShelf
from stock_service.cache.shared import SharedCache, SharedSettings
from stock_service.config.sections import Settings
from stock_service.reads.fleet import Together
from stock_service.reads.purge import Purge, Reach
from stock_service.reads.purge_feed import PurgeFeed
from stock_service.telemetry.metrics import SharedLevel
from stock_service.wiring.keeping import keep_up
from stock_service.wiring.translate import account_digest, policy_settings

_WRITES_END_WITHIN = 2.0


@dataclass(frozen=True, slots=True)
class Disk:
    """Answers and fetches shared by the processes of this machine; the budget is each one's own."""

    shelf: DiskShelf
    cache: SharedCache
    fleet: Together
    purges: PurgeFeed
    clock: Clock
    observer: Observer
    slots: None = None
    store: None = None

    async def keep(self) -> None:
        """Run what must run beside, for ever."""
        await asyncio.gather(*(keep_up(part, self.clock, self.observer) for part in (self.shelf, self.purges)))

    def snapshot(self) -> dict[str, str]:
        """Return what `/status` shows."""
        return {
            "kind": "disk",
            "store": "up" if self.shelf.up and self.purges.current else "away",
            "budget": "local",
            "limits": "local",
            "purges": "untold" if self.purges.untold else "told",
        }

    def level(self) -> SharedLevel:
        """Return what a scrape shows; a budget of its own is no emergency here."""
        return SharedLevel(1 if self.shelf.up else 2, 0)

    async def aclose(self) -> None:
        """Write what is left and let go of the file."""
        await self.cache.aclose(_WRITES_END_WITHIN)
        await self.shelf.aclose(_WRITES_END_WITHIN)


def make_disk(settings: Settings, origins: frozenset[bytes], purge: Purge, clock: Clock, observer: Observer) -> Disk:
    """Return the tier; its threads start, the file is opened by them."""
    section = settings.cache
    waits_for = settings.shared.timeout
    disk = DiskSettings(Path(section.dir), section.dir_max_bytes, account_digest(settings), waits_for)
    shelf = DiskShelf(disk, clock, observer)
    cache = SharedCache(shelf, SharedSettings(), clock, observer, random.random)
    purges = PurgeFeed(shelf, purge, Reach.MACHINE, policy_settings(settings).longest_for, clock, observer)
    return Disk(shelf, cache, Together(cache, purges, clock, origins), purges, clock, observer)
