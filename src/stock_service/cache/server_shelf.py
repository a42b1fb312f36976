"""The shelf inside a server: each step is a script there, under names that keep a Cluster's halves together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from stock_service.cache.shared_scripts import (
    DISCARD,
    LEAD,
    MARK,
    MARKS,
    PURGES,
    PUT,
    RELEASE,
    RENEW,
    SWAP_PURGES,
)
from stock_service.cache.shelf import MARKS_MAX, Turn


class Store(Protocol):
    """What is asked of `shared_store.SharedStore`."""

    @property
    def up(self) -> bool: ...
    def key(self, *parts: str) -> str: ...
    def store_ms(self, instant: float) -> int | None: ...
    def instant_of(self, store_ms: int) -> float: ...
    async def get(self, key: str) -> bytes | None: ...
    async def run(
        self, script: str, keys: Sequence[str], args: Sequence[str | bytes | int], *, writes: bool = True
    ) -> Any | None: ...


class ServerShelf:
    """Answers in a shared server."""

    def __init__(self, store: Store) -> None:
        self._store = store

    @property
    def up(self) -> bool:
        """Whether the server is in use."""
        return self._store.up

    def store_ms(self, instant: float) -> int | None:
        """Return a monotonic `instant` in milliseconds of the server's clock; None before the first beat."""
        return self._store.store_ms(instant)

    def instant_of(self, store_ms: int) -> float:
        """Return the monotonic instant of a millisecond of the server's clock."""
        return self._store.instant_of(store_ms)

    async def get(self, name: str) -> bytes | None:
        """Return the value under `name`."""
        return await self._store.get(self.key_of(name))

    async def lead(self, name: str, token: str, lease_ms: int, seen_ms: int) -> Turn | None:
        """Say whose turn it is."""
        said = await self._store.run(LEAD, [self.key_of(name), self._lease(name)], [token, lease_ms, seen_ms])
        return next((turn for turn in Turn if turn.value.encode() == said), None)

    async def renew(self, name: str, token: str, lease_ms: int) -> None:
        """Prolong the lease."""
        await self._store.run(RENEW, [self._lease(name)], [token, lease_ms])

    async def release(self, name: str, token: str) -> None:
        """End the lease."""
        await self._store.run(RELEASE, [self._lease(name)], [token])

    async def put(self, name: str, token: str, fetched_ms: int, keep_ms: int, value: bytes) -> bool | None:
        """Keep `value` unless a newer one is there."""
        names = [self.key_of(name), self._lease(name)]
        said = await self._store.run(PUT, names, [token, fetched_ms, keep_ms, value])
        return said == b"kept" if said in (b"kept", b"older") else None

    async def discard(self, name: str) -> None:
        """Give up the value."""
        await self._store.run(DISCARD, [self.key_of(name)], [])

    async def mark(self, series: str, text: str, keep_ms: int) -> None:
        """Note `text` about a series."""
        await self._store.run(MARK, [self._store.key("marks", series)], [text, keep_ms, MARKS_MAX])

    async def marks(self, series: str) -> list[str]:
        """Return what is noted about a series."""
        found = await self._store.run(MARKS, [self._store.key("marks", series)], [])
        # Bytes that came over a wire: anything may be among them.
        listed = found if isinstance(found, list) else []
        return [each.decode("utf-8", "replace") for each in listed if isinstance(each, bytes)]

    async def purges(self) -> bytes | None:
        """Return the list of purges."""
        found = await self._store.run(PURGES, [self._store.key("purges")], [], writes=False)
        return found if isinstance(found, bytes) else None

    async def swap_purges(self, old: bytes, new: bytes) -> bool | None:
        """Put the list `new` in the place of `old`."""
        said = await self._store.run(SWAP_PURGES, [self._store.key("purges")], [old, new])
        return said == b"kept" if said in (b"kept", b"other") else None

    def key_of(self, name: str) -> str:
        """Return the server's key of a value."""
        # Braces: in a Cluster the lease lives where its value lives.
        return self._store.key("answer", f"{{{name}}}")

    def _lease(self, name: str) -> str:
        return self._store.key("lease", f"{{{name}}}")
