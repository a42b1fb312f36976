"""Where an answer comes from when memory has none: the vendor as it stands, the fleet, or our series of bars.

A source fetches and says how long what it brings may be kept; who asks, joins or falls back is the read path's
business. Runs as the flight's own task.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

from stock_service.base.clock import Clock
from stock_service.base.errors import ServiceError
from stock_service.base.record import record
from stock_service.base.reply import Reply
from stock_service.cache.freshness import Lifetime
from stock_service.cache.outdated import Outdated
from stock_service.reads.decide import may_fall_back, stale_reason
from stock_service.reads.fleet import Fleet
from stock_service.upstream.call import Priority
from stock_service.vendor.request import VendorRequest


class Upstream(Protocol):
    """Whoever asks the vendor."""

    async def fetch(
        self,
        request: VendorRequest,
        *,
        deadline: float,
        priority: Priority,
        edge: Mapping[str, str],
        spend: Callable[[], None],
    ) -> Reply:
        """Return the vendor's answer or raise one of the family; `spend` is called for each exchange."""
        ...


class LifetimePolicy(Protocol):
    """Whoever knows how long an answer holds."""

    def judge_lifetime(self, request: VendorRequest, reply: Reply, wall: float) -> Lifetime | None:
        """Return the promise for `reply`, None when it must not be kept."""
        ...


@record
class Errand:
    """One fetch: what for, until when (monotonic), and how.

    `force`: what is kept does not count. `spend` is called for each vendor call as it begins. `edge` are
    headers to send with it.
    """

    request: VendorRequest
    deadline: float
    priority: Priority
    force: bool
    spend: Callable[[], None]
    edge: Mapping[str, str]

    @property
    def background(self) -> bool:
        """Whether nobody waits for it."""
        return not self.priority.waits


@record
class Brought:
    """What a source brings. `lifetime` None: must not be kept.

    `asked` says whether the vendor was asked at all; `stale` is why a stale answer had to do, or empty. `aged_from`
    is when what may still change in it was fetched (monotonic), None: when the whole was. `derived`: it was made here,
    not by the vendor.
    """

    reply: Reply
    lifetime: Lifetime | None
    asked: bool = True
    stale: str = ""
    aged_from: float | None = None
    derived: bool = False


class Source(Protocol):
    """Fetches one answer."""

    async def fetch(self, errand: Errand) -> Brought:
        """Return an answer or raise one of the family."""
        ...


class VendorSource:
    """The vendor as it stands: one question, one answer."""

    def __init__(self, upstream: Upstream, policy: LifetimePolicy, clock: Clock) -> None:
        self._upstream = upstream
        self._policy = policy
        self._clock = clock

    async def fetch(self, errand: Errand) -> Brought:
        """Ask the vendor."""
        reply = await self._upstream.fetch(
            errand.request,
            deadline=errand.deadline,
            priority=errand.priority,
            edge=errand.edge,
            spend=errand.spend,
        )
        return Brought(reply, self._policy.judge_lifetime(errand.request, reply, self._clock.wall()))


class FleetSource:
    """What the other processes of the fleet have, else what `beyond` brings, which is offered to them."""

    def __init__(self, beyond: Source, fleet: Fleet, outdated: Outdated) -> None:
        self._beyond = beyond
        self._fleet = fleet
        self._outdated = outdated

    async def fetch(self, errand: Errand) -> Brought:
        """Return another process's answer, or a new one; when there is none to be had, theirs though it is stale."""
        counts_from = self._outdated.counts_from(errand.request)
        async with self._fleet.seat(
            errand.request, errand.deadline, force=errand.force, counts_from=counts_from
        ) as seat:
            if seat.recalled is not None:
                return Brought(seat.recalled.reply, seat.recalled.lifetime, asked=False)
            try:
                brought = await self._beyond.fetch(errand)
            except ServiceError as error:
                if seat.fallback is None or not may_fall_back(error):
                    raise
                if seat.fallback.reply.fetched_at < self._outdated.purged_from(errand.request):
                    raise  # while we asked
                return Brought(seat.fallback.reply, seat.fallback.lifetime, stale=stale_reason(error))
            seat.publish(brought.reply, brought.lifetime)
            return brought
