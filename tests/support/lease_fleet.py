"""Instances of a fleet that lend a client's allowance to each other: over a real server, or over a book in memory."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from stock_service.access.lease import Ask, Lent, fleet_burst
from stock_service.access.lender import Lender
from stock_service.access.quota import Allowance, Limit
from stock_service.base.clock import SystemClock
from stock_service.base.events import Silent
from stock_service.cache.shared_address import parse_address
from stock_service.cache.shared_client import open_wire
from stock_service.cache.shared_rest import RestSettings
from stock_service.cache.shared_store import SharedStore, StoreSettings
from tests.support.shared_pod import until

CLOCK = SystemClock()


@dataclass
class Borrower:
    """One instance and one client on it; `passed` are the instants at which requests were let through."""

    store: SharedStore
    allowance: Allowance
    passed: list[float] = field(default_factory=list)
    refused: int = 0
    slowest: float = 0.0

    async def ask(self) -> bool:
        """What a request does: take what is here, else borrow, else be refused."""
        begun = CLOCK.monotonic()
        borrow = self.allowance.borrow
        paid = self.allowance.take(begun) or (borrow is not None and await borrow())
        now = CLOCK.monotonic()
        self.slowest = max(self.slowest, now - begun)
        if paid or self.allowance.take(now):
            self.passed.append(now)
            return True
        self.refused += 1
        return False

    def hit(self) -> bool:
        """What a hit does: take what is here."""
        now = CLOCK.monotonic()
        if self.allowance.take(now):
            self.passed.append(now)
            return True
        return False


@asynccontextmanager
async def borrower(
    url: str, limit: Limit, pods: int = 3, *, up: bool = True, answer_for: float = 0.5
) -> AsyncIterator[Borrower]:
    """A running instance; with `up`, one that has found its store. The store has more time than a service gives it:
    the machine of the tests is busy with the load itself."""
    wire = open_wire(parse_address(url), 0.5, 20)
    rest = RestSettings(suspect_for=0.4 * answer_for)
    store = SharedStore(wire, StoreSettings("test", answer_for=answer_for, rest=rest), CLOCK, Silent())
    keeper = asyncio.create_task(store.keep())
    lender = Lender(store, "test:access", pods, CLOCK, Silent())
    try:
        if up:
            await until(lambda: store.up)
        yield Borrower(store, lender.allowance_of("team", limit))
    finally:
        keeper.cancel()
        await asyncio.gather(keeper, return_exceptions=True)
        await lender.aclose()
        await store.aclose()


class Stalls:
    """How long this process and its store were kept from running while this is entered: a busy machine gives less,
    and then more at once. On a quiet one `seconds` stays at nothing."""

    def __init__(self, url: str | None = None) -> None:
        self.seconds = 0.0
        self._wire = None if url is None else open_wire(parse_address(url), 5.0, 1)
        self._watching: asyncio.Task[None] | None = None
        self._over = False

    async def __aenter__(self) -> Stalls:
        self._watching = asyncio.create_task(self._watch())
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._watching is not None
        self._over = True  # not cancelled: the store's client may swallow that
        await self._watching
        if self._wire is not None:
            await self._wire.aclose()

    async def _watch(self) -> None:
        while not self._over:
            begun = CLOCK.monotonic()
            await asyncio.sleep(0.005)
            if self._wire is not None:
                await self._wire.send((), [("PING",)])
            self.seconds += max(0.0, CLOCK.monotonic() - begun - 0.03)


class Book:
    """The script of `lender_script.py`, in seconds and without a server."""

    def __init__(self, limit: Limit) -> None:
        self._step = 1.0 / limit.rate
        self._burst = fleet_burst(limit)
        self.taken: float | None = None

    def lend(self, ask: Ask, now: float) -> Lent:
        empty_at = now + self._burst * self._step
        taken = now + ask.taken_for if self.taken is None else self.taken
        taken = min(max(taken, now) + ask.spent * self._step, empty_at + self._burst * self._step)
        left = max(0, math.floor((empty_at - taken) / self._step + 0.001))
        given = min(left, ask.needed)
        given += min(ask.wanted - ask.needed, math.ceil((left - given) / 4))
        self.taken = taken + given * self._step
        return Lent(given, self.taken - now)
