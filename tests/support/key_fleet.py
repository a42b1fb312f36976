"""Instances of a fleet that hear of client keys, and tell what clients used, over a real server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from stock_service.access.gate import Gate
from stock_service.access.key_desk import KeyDesk, StoreShelf
from stock_service.access.key_feed import KeyFeed
from stock_service.access.key_file import KeyFile
from stock_service.access.key_ring import KeyRing
from stock_service.access.usage_ledger import OwnLedger, SharedLedger
from stock_service.base.clock import SystemClock
from stock_service.base.errors import NotAllowed, Unavailable
from stock_service.cache.shared_address import parse_address
from stock_service.cache.shared_client import open_wire
from stock_service.cache.shared_rest import RestSettings
from stock_service.cache.shared_store import SharedStore, StoreSettings
from tests.support.reading import Recorder
from tests.support.shared_pod import until

CLOCK = SystemClock()
_ANSWER_FOR = 0.5
_REST = RestSettings(suspect_for=0.4 * _ANSWER_FOR)


class KeyPod:
    """One instance, as far as its clients are concerned."""

    def __init__(self, url: str, file: Path) -> None:
        self.events = Recorder()
        # More time than a service gives it: the machine of the tests may be busy.
        wire = open_wire(parse_address(url), _ANSWER_FOR, 20)
        self.store = SharedStore(wire, StoreSettings("t", answer_for=_ANSWER_FOR, rest=_REST), CLOCK, self.events)
        self.feed = KeyFeed(self.store, "t:access", CLOCK, self.events)
        watched = KeyFile(file, self.events)
        self.ring = KeyRing(watched, self.feed)
        self.gate = Gate(self.ring, anonymous=False)
        self.desk = KeyDesk(StoreShelf(self.feed, watched), self.ring, self.refresh, CLOCK, self.events)
        self.own = OwnLedger(self.gate.usage, CLOCK)
        self.ledger = SharedLedger(self.store, "t:access", self.own, CLOCK)

    def refresh(self) -> None:
        self.gate.refresh(CLOCK.monotonic(), CLOCK.wall())

    def verdict(self, key: str) -> str:
        """Whether the key is let in here, and if not, why; as a service that looks at its keys sees it."""
        self.refresh()
        try:
            return self.gate.identify(key, CLOCK.wall()).id
        except NotAllowed as error:
            return error.reason
        except Unavailable:
            return "unavailable"

    def use(self, key: str, requests: int, calls: int) -> None:
        """Count what a client does."""
        self.refresh()
        client = self.gate.identify(key, CLOCK.wall())
        client.requests += requests
        client.vendor_calls += calls


@asynccontextmanager
async def key_pod(url: str, file: Path, *, up: bool = True) -> AsyncIterator[KeyPod]:
    """A running instance; with `up`, one that has heard of all keys."""
    pod = KeyPod(url, file)
    keepers = [asyncio.create_task(part.keep()) for part in (pod.store, pod.feed)]
    try:
        if up:
            await until(lambda: pod.feed.complete)
        yield pod
    finally:
        for keeper in keepers:
            keeper.cancel()
        await asyncio.gather(*keepers, return_exceptions=True)
        await pod.store.aclose()
