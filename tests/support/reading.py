"""A read path with a vendor under the test's control."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from stock_service.base.events import Event
from stock_service.base.reply import Reply
from stock_service.cache.flight import Flights
from stock_service.cache.freshness import Lifetime
from stock_service.cache.memory import Memory
from stock_service.cache.outdated import Outdated
from stock_service.reads.read_path import Landed, ReadPath, ReadSettings
from stock_service.reads.sources import VendorSource
from stock_service.upstream.call import Priority
from stock_service.vendor.request import VendorRequest
from tests.support.clock import ManualClock

LIFETIME = Lifetime(fresh_for=10.0, stale_while_for=20.0, stale_error_for=120.0)


class Recorder:
    """Keeps every event."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    def notify(self, event: Event) -> None:
        self.events.append(event)

    def count(self, kind: type[Event]) -> int:
        return sum(isinstance(event, kind) for event in self.events)


@dataclass(slots=True)
class Asker:
    """A client that only has meters."""

    id: str = "tester"
    vendor_calls: int = 0


@dataclass(slots=True)
class Call:
    """One question that reached the vendor; the test answers it."""

    request: VendorRequest
    priority: Priority
    deadline: float
    started_at: float
    outcome: asyncio.Future[Reply] = field(default_factory=lambda: asyncio.get_running_loop().create_future())

    def answer(self, body: bytes, status: int = 200) -> None:
        self.outcome.set_result(Reply(status, "application/json", body, self.started_at))

    def fail(self, error: Exception) -> None:
        self.outcome.set_exception(error)


class Vendor:
    """Records calls; answers at once with `now_answer` when that is set."""

    def __init__(self, clock: ManualClock) -> None:
        self._clock = clock
        self.calls: list[Call] = []
        self.now_answer: Callable[[VendorRequest], bytes | Exception] | None = None

    async def fetch(
        self,
        request: VendorRequest,
        *,
        deadline: float,
        priority: Priority,
        edge: Mapping[str, str],
        spend: Callable[[], None],
    ) -> Reply:
        spend()
        call = Call(request, priority, deadline, self._clock.monotonic())
        self.calls.append(call)
        if self.now_answer is not None:
            given = self.now_answer(request)
            if isinstance(given, Exception):
                raise given
            call.answer(given)
        return await call.outcome


class FixedPolicy:
    """The same promise for every answer."""

    def __init__(self, lifetime: Lifetime | None = LIFETIME) -> None:
        self.lifetime = lifetime

    def judge_lifetime(self, request: VendorRequest, reply: Reply, wall: float) -> Lifetime | None:
        return self.lifetime


@dataclass(slots=True)
class Desk:
    """Everything a read needs, each part reachable."""

    clock: ManualClock
    vendor: Vendor
    memory: Memory
    flights: Flights[Landed]
    policy: FixedPolicy
    events: Recorder
    reads: ReadPath
    asker: Asker
    outdated: Outdated


def make_desk(max_bytes: int = 1 << 20) -> Desk:
    """Return a read path on a manual clock, without jitter."""
    clock, outdated = ManualClock(), Outdated()
    vendor, events, policy = Vendor(clock), Recorder(), FixedPolicy()
    memory, flights = Memory(max_bytes), Flights[Landed](clock)
    reads = ReadPath(
        memory=memory,
        flights=flights,
        source=VendorSource(vendor, policy, clock),
        clock=clock,
        observer=events,
        settings=ReadSettings(request_for=9.0, origins=frozenset({b"https://api.polygon.io"})),
        jitter=lambda: 0.0,
        outdated=outdated,
    )
    return Desk(clock, vendor, memory, flights, policy, events, reads, Asker(), outdated)
