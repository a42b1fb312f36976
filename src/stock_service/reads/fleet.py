"""Whether another process of the fleet has the answer, or is fetching it; a seat for the one who asks the vendor.

Around one vendor call: what is recalled fresh needs none; what is recalled stale may stand in when the vendor fails;
what is fetched is offered to the others. Alone, every seat is free and empty. Nothing is recalled while a purge told
to another process may be unknown here.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from dataclasses import dataclass, replace
from typing import Protocol

from stock_service.base.clock import Clock
from stock_service.base.reply import Reply
from stock_service.cache.freshness import Lifetime
from stock_service.cache.marks import Mark
from stock_service.cache.shared import Found, SharedCache
from stock_service.vendor.links import clean_body
from stock_service.vendor.request import VendorRequest

CLOCKS_DIFFER = 0.1  # seconds by which two processes may disagree on when something they share was fetched
_EXCHANGE_NEEDS = 1.0  # seconds of the deadline kept for a call of our own, should the others' fail


class Publish(Protocol):
    """Offers an answer to the others. A lifetime of None keeps it private; `mark` says what it tells of a series."""

    def __call__(self, reply: Reply, lifetime: Lifetime | None, mark: Mark | None = None) -> None: ...


def _keep_private(reply: Reply, lifetime: Lifetime | None, mark: Mark | None = None) -> None:
    """Share nothing: nobody is there, or they have it already."""


@dataclass(frozen=True, slots=True)
class Recalled:
    """An answer another process got. `kept_at` is when its lifetime began (monotonic); `lifetime` counts from now."""

    reply: Reply
    lifetime: Lifetime
    kept_at: float

    @property
    def usable(self) -> bool:
        """Whether it may be served when the vendor fails."""
        return self.lifetime.fresh_for + max(self.lifetime.stale_while_for, self.lifetime.stale_error_for) > 0


@dataclass(frozen=True, slots=True)
class Seat:
    """The right to ask the vendor, unless `recalled` makes that needless.

    `fallback` may be served when the vendor fails.
    """

    recalled: Recalled | None
    fallback: Recalled | None
    publish: Publish


_EMPTY = nullcontext(Seat(None, None, _keep_private))


class Fleet(Protocol):
    """The other processes."""

    def seat(
        self, request: VendorRequest, deadline: float, *, force: bool, counts_from: float
    ) -> AbstractAsyncContextManager[Seat]:
        """Return a seat for `request`, after waiting for whoever asks the same already.

        Args:
            deadline: monotonic instant by which our own call would have to be over.
            force: do not care what others have or do.
            counts_from: what was fetched before this monotonic instant is no answer (`cache/outdated.py`).
        """
        ...

    async def marks(self, series: str) -> list[Mark]:
        """Return which answers about a series others have; none also when they cannot be asked."""
        ...

    async def recall(self, key: str, counts_from: float) -> Recalled | None:
        """Return the answer another process got, however old, if it counts (`seat`)."""
        ...


class Alone:
    """A fleet of one."""

    def seat(
        self, request: VendorRequest, deadline: float, *, force: bool, counts_from: float
    ) -> AbstractAsyncContextManager[Seat]:
        """Return an empty seat at once."""
        return _EMPTY

    async def marks(self, series: str) -> list[Mark]:
        """Return none."""
        return []

    async def recall(self, key: str, counts_from: float) -> Recalled | None:
        """Return none."""
        return None


class Heard(Protocol):
    """Whoever hears of the purges told to others."""

    @property
    def current(self) -> bool:
        """Whether none is unknown here."""
        ...


class Together:
    """A fleet around a shared cache."""

    def __init__(self, shared: SharedCache, purges: Heard, clock: Clock, origins: frozenset[bytes]) -> None:
        self._shared = shared
        self._purges = purges
        self._clock = clock
        self._origins = origins

    @asynccontextmanager
    async def seat(
        self, request: VendorRequest, deadline: float, *, force: bool, counts_from: float
    ) -> AsyncIterator[Seat]:
        """Return what another process has or brings in time, else the lead."""
        key = request.key
        force = force or not self._purges.current
        found = None if force else await self._shared.find(key)
        recalled = self._recalled(found, counts_from)
        if recalled is not None and recalled.lifetime.fresh_for > 0:
            yield Seat(recalled, None, _keep_private)
            return
        lead = self._shared.alone(key) if force else await self._shared.lead(key, found, deadline - _EXCHANGE_NEEDS)
        if isinstance(lead, Found):
            recalled = self._recalled(lead, counts_from)
            if recalled is not None and recalled.lifetime.fresh_for > 0:
                yield Seat(recalled, None, _keep_private)
                return
            lead = self._shared.alone(key)
        async with lead as taken:

            def publish(reply: Reply, lifetime: Lifetime | None, mark: Mark | None = None) -> None:
                if lifetime is not None:
                    taken.publish(self._cleaned(reply), lifetime, self._clock.monotonic(), mark)

            yield Seat(None, recalled if recalled is not None and recalled.usable else None, publish)

    async def marks(self, series: str) -> list[Mark]:
        """Return which answers about a series the store has."""
        return await self._shared.marks(series)

    async def recall(self, key: str, counts_from: float) -> Recalled | None:
        """Return the store's answer, however old."""
        return self._recalled(await self._shared.find(key), counts_from) if self._purges.current else None

    def _recalled(self, found: Found | None, counts_from: float) -> Recalled | None:
        if found is None or found.fetched_at < counts_from + CLOCKS_DIFFER:
            return None
        stored = found.stored
        reply = Reply(stored.status, stored.content_type, stored.body, found.fetched_at, stored.request_id)
        elapsed = self._clock.monotonic() - found.kept_at
        left = replace(stored.lifetime, fresh_for=stored.lifetime.fresh_for - elapsed)
        return Recalled(reply, left, found.kept_at)

    def _cleaned(self, reply: Reply) -> Reply:
        """Return `reply` without credentials in its links: a store is read by others."""
        if "json" not in reply.content_type:
            return reply
        return replace(reply, body=clean_body(reply.body, self._origins))
