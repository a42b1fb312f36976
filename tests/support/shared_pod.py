"""One process of a fleet, as far as its answers beyond memory concern it: over a real server, or a file on disk."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, closing
from pathlib import Path
from typing import TypeVar

from stock_service.base.clock import Clock, SystemClock
from stock_service.base.reply import Reply
from stock_service.cache.codec import PREFIX_BYTES
from stock_service.cache.disk_file import FILE_NAME
from stock_service.cache.disk_shelf import DiskSettings, DiskShelf
from stock_service.cache.entry import Entry
from stock_service.cache.freshness import Lifetime
from stock_service.cache.server_shelf import ServerShelf
from stock_service.cache.shared import Found, Lead, SharedCache, SharedSettings, name_of
from stock_service.cache.shared_address import parse_address
from stock_service.cache.shared_client import open_wire
from stock_service.cache.shared_store import SharedStore, StoreSettings
from stock_service.cache.shelf import Shelf
from tests.support.reading import Recorder

LIFETIME = Lifetime(5.0, 60.0, 600.0)
P = TypeVar("P", bound="Pod")


async def until(holds: Callable[[], object], within: float = 5.0) -> float:
    """Wait for a condition; return the seconds it took."""
    begun = time.monotonic()
    while not holds():
        if time.monotonic() - begun > within:
            raise AssertionError(f"not within {within} s")
        await asyncio.sleep(0.005)
    return time.monotonic() - begun


class AllHeard:
    """Every purge is known here."""

    current = True


class Pod:
    """A shelf, a cache on it, and what they reported. `plant` and `planted` reach past them to what is kept."""

    shelf: Shelf
    cache: SharedCache

    def __init__(self, clock: Clock | None, settings: SharedSettings | None) -> None:
        self.clock = clock or SystemClock()
        self.events = Recorder()
        self._settings = settings or SharedSettings()

    def _cache_on(self, shelf: Shelf) -> SharedCache:
        return SharedCache(shelf, self._settings, self.clock, self.events, lambda: 0.5)

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
        await until(lambda: not self.cache.busy)

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

    async def plant(self, key: str, value: bytes) -> None:
        """Put bytes where the value of `key` belongs."""
        raise NotImplementedError

    async def planted(self, key: str) -> bytes | None:
        """Return the bytes kept there."""
        raise NotImplementedError

    async def keep(self) -> None:
        """Run what must run beside."""
        raise NotImplementedError

    async def aclose(self) -> None:
        """Write what is left and let go."""
        raise NotImplementedError


class ServerPod(Pod):
    """A pod on a real server."""

    def __init__(
        self, url: str, clock: Clock | None = None, settings: SharedSettings | None = None, answer_for: float = 0.05
    ) -> None:
        super().__init__(clock, settings)
        wire = open_wire(parse_address(url), 10 * answer_for, 20)
        self.store = SharedStore(wire, StoreSettings("test", answer_for=answer_for), self.clock, self.events)
        self._server = ServerShelf(self.store)
        self.shelf, self.cache = self._server, self._cache_on(self._server)
        self._raw = wire._client  # type: ignore[attr-defined]

    async def plant(self, key: str, value: bytes) -> None:
        await self._raw.set(self.key_of(key), value)

    async def planted(self, key: str) -> bytes | None:
        value: bytes | None = await self._raw.get(self.key_of(key))
        return value

    async def plant_list(self, key: str) -> None:
        """Put something there that is no value at all."""
        await self._raw.rpush(self.key_of(key), "x")

    def key_of(self, key: str) -> str:
        return self._server.key_of(name_of(key))

    async def keep(self) -> None:
        await self.store.keep()

    async def aclose(self) -> None:
        await self.cache.aclose(0.2)
        await self.store.aclose()


class DiskPod(Pod):
    """A pod on a folder of this machine."""

    def __init__(
        self,
        folder: Path,
        clock: Clock | None = None,
        settings: SharedSettings | None = None,
        answer_for: float = 2.0,
        max_bytes: int = 64 * 1024 * 1024,
    ) -> None:
        super().__init__(clock, settings)
        self.disk = DiskShelf(DiskSettings(folder, max_bytes, "test", answer_for), self.clock, self.events)
        self.shelf, self.cache = self.disk, self._cache_on(self.disk)
        self._path = folder / FILE_NAME

    async def plant(self, key: str, value: bytes) -> None:
        stamp = value[6:PREFIX_BYTES]
        row = (f"test:{name_of(key)}", int(stamp) if stamp.isdigit() else 0, 1 << 50, value)
        with closing(sqlite3.connect(self._path, isolation_level=None)) as raw:
            raw.execute("INSERT OR REPLACE INTO answers VALUES (?, ?, ?, ?)", row)

    async def planted(self, key: str) -> bytes | None:
        with closing(sqlite3.connect(self._path, isolation_level=None)) as raw:
            row = raw.execute("SELECT value FROM answers WHERE name = ?", (f"test:{name_of(key)}",)).fetchone()
        return None if row is None else row[0]

    async def keep(self) -> None:
        await self.disk.keep()

    async def aclose(self) -> None:
        await self.cache.aclose(2.0)
        await self.disk.aclose(2.0)


@asynccontextmanager
async def running(made: P, *, up: bool = True) -> AsyncIterator[P]:
    """`made`, kept; with `up`, once it has found its store."""
    keeper = asyncio.create_task(made.keep())
    try:
        if up:
            await until(lambda: made.shelf.up)
        yield made
    finally:
        keeper.cancel()
        await asyncio.gather(keeper, return_exceptions=True)
        await made.aclose()


def pod(
    url: str,
    *,
    up: bool = True,
    clock: Clock | None = None,
    settings: SharedSettings | None = None,
    answer_for: float = 0.05,
) -> AbstractAsyncContextManager[ServerPod]:
    """A running pod on the server at `url`."""
    return running(ServerPod(url, clock, settings, answer_for), up=up)
