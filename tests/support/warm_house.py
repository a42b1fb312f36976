"""A whole service in simulated time: the real wiring, and the simulated vendor as a function instead of a server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any
from unittest import mock
from urllib.parse import parse_qsl, unquote

from stock_service.config.load import load_settings
from stock_service.reads.read_path import Answer
from stock_service.reads.warm import State, Warmer
from stock_service.simulator.app import _answer
from stock_service.simulator.ask import Ask
from stock_service.simulator.prices import Prices
from stock_service.simulator.world import Plan, World
from stock_service.upstream.client import Exchange
from stock_service.upstream.outcome import ExchangeFailed, Fault
from stock_service.vendor.request import VendorRequest
from stock_service.wiring.build import build_service
from stock_service.wiring.recording import Answering
from stock_service.wiring.service import Service
from tests.support.clock import ManualClock, settle
from tests.support.reading import Asker, Recorder

VENDOR = "http://vendor.test"


@dataclass(slots=True)
class VendorFunction:
    """Answers at once, counts, and notes when each call came. `mend` may change a body; `away`: no answers.

    `retired` are paths it no longer has.
    """

    clock: ManualClock
    world: World
    calls: list[tuple[float, str]] = field(default_factory=list)
    away: bool = False
    mend: Callable[[str, bytes], bytes] = lambda _, body: body
    retired: frozenset[str] = frozenset()

    async def exchange(
        self, target: str, *, accept: str, within: float, edge: Mapping[str, str] | None = None
    ) -> Exchange:
        self.calls.append((self.clock.monotonic(), target))
        if self.away:
            raise ExchangeFailed(Fault.UNREACHABLE)
        path, _, query = target.partition("?")
        if path in self.retired:
            return Exchange(404, "text/plain", b"404 page not found", "")
        ask = Ask(unquote(path), dict(parse_qsl(query)), int(self.clock.wall()) * 1_000, VENDOR)
        status, payload = _answer(self.world, ask)
        return Exchange(status, payload.content_type, self.mend(target, payload.body), ask.request_id)

    async def aclose(self) -> None:
        pass

    def most_within(self, seconds: float) -> int:
        """The most calls there were in any so many seconds."""
        times = [at for at, _ in self.calls]
        return max((sum(start <= at < start + seconds for at in times) for start in times), default=0)


@dataclass(slots=True)
class House:
    """The service, its vendor, its clock, and the warming that runs in it."""

    service: Service
    vendor: VendorFunction
    clock: ManualClock
    events: Recorder
    warming: asyncio.Task[None] | None = None

    @property
    def warmer(self) -> Warmer:
        assert self.service._warmer is not None
        return self.service._warmer

    async def start(self) -> None:
        """Begin to warm."""
        self.warming = asyncio.get_running_loop().create_task(self.warmer.run())
        await settle()

    async def stop(self) -> None:
        """End the warming as a shutdown does."""
        if self.warming is not None:
            self.warming.cancel()
            with suppress(asyncio.CancelledError):
                await self.warming

    async def restart_warming(self) -> None:
        """Begin anew with a chore that remembers nothing."""
        await self.stop()
        old = self.warmer
        self.service._warmer = Warmer(
            old._settings,
            bars=old._bars,
            days=old._days,
            evictions=old._evictions,
            calendar=old._calendar,
            clock=self.clock,
            observer=self.events,
        )
        await self.start()

    async def pass_time(self, seconds: float) -> None:
        """Let time pass, sleeper by sleeper; whatever works in a thread is waited for."""
        until = self.clock.monotonic() + seconds
        while True:
            await self.idle()
            due = self.clock.next_due
            if due is None or due > until:
                break
            await self.clock.advance(max(0.0, due - self.clock.monotonic()))
        await self.clock.advance(until - self.clock.monotonic())

    async def idle(self) -> None:
        """Wait until the warming sleeps."""
        await settle()
        # What is waited for works in a thread and has no event.
        while self.clock.next_due is None and self.warming is not None and not self.warming.done():  # noqa: ASYNC110
            await asyncio.sleep(0.001)

    async def until_state(self, state: State, within: float = 86_400.0) -> None:
        """Let time pass until warming is in that state."""
        until = self.clock.monotonic() + within
        while self.warmer.state is not state:
            assert self.clock.monotonic() < until, self.warmer.snapshot()
            await self.pass_time(5.0)

    async def forget(self, ticker: str) -> None:
        """Have what is kept of a ticker forgotten, as an operator does."""
        await self.service._news._purge.forget(ticker)

    async def read(self, request: VendorRequest) -> Answer:
        """Ask as a client does. Time stands still meanwhile: whoever had to wait would fail."""
        deadline = self.clock.monotonic() + 9.0
        async with asyncio.timeout(5.0):
            return await self.service._reads.read(request, Asker(), deadline=deadline)


@asynccontextmanager
async def warm_house(
    wall: float, flags: Mapping[str, Any], *, plan: Plan = Plan.PAID, warming: bool = True
) -> AsyncIterator[House]:
    """A service that keeps ready what `flags` say, at the instant `wall` (Unix seconds)."""
    clock, events = ManualClock(wall=wall), Recorder()
    vendor = VendorFunction(clock, World(Prices(1), plan=plan))
    settings = load_settings(env={}, flags={"upstream.url": VENDOR, "upstream.api_key": "k", **flags}).settings
    with mock.patch("stock_service.wiring.reading.make_answering", return_value=Answering(vendor, clock)):
        service = build_service(settings, events, lambda: 0, clock)
    looking = mock.patch("stock_service.reads.warm.LOOK_EVERY", 300.0)  # weeks pass quicker
    looking.start()
    house = House(service, vendor, clock, events)
    if warming:
        await house.start()
    try:
        yield house
    finally:
        await house.stop()
        looking.stop()
        await service.aclose(0.0)
