"""The driver of a read: acts on what `decide` says, in the order memory ▸ flight ▸ vendor.

Never decides anything about time or staleness itself. Always holds: a kept answer is replaced only by one whose
fetch began later; a fetch runs once per key however many ask; whoever leaves early disturbs nobody; whoever asks after
a purge gets nothing that was fetched before it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Protocol, assert_never

from stock_service.base.clock import Clock
from stock_service.base.errors import ServiceError, VendorFailed
from stock_service.base.events import (
    CacheHit,
    CacheMissed,
    FetchJoined,
    Observer,
    OlderDropped,
    RefreshFailed,
    StaleServed,
)
from stock_service.base.record import record
from stock_service.base.reply import Reply
from stock_service.cache.entry import GZIP_INLINE_BYTES, Entry
from stock_service.cache.flight import Flights
from stock_service.cache.freshness import Freshness, Lifetime
from stock_service.cache.memory import Memory
from stock_service.cache.outdated import NEVER, Outdated
from stock_service.reads.chains import next_page_key
from stock_service.reads.decide import (
    ANY_WAY,
    Fetch,
    Refuse,
    ServeFresh,
    ServeStale,
    ServeStaleAndRefresh,
    Wishes,
    decide_read,
    may_fall_back,
    stale_reason,
)
from stock_service.reads.doubts import Doubts
from stock_service.reads.renewals import Renewals
from stock_service.reads.sources import Brought, Errand, Source
from stock_service.upstream.call import Priority
from stock_service.vendor.links import clean_body, find_links
from stock_service.vendor.moments import moment_of
from stock_service.vendor.request import VendorRequest, reopen_request

JITTER = 0.1  # lifetimes are shortened by up to this share, so that equals do not expire together
_NEVER = Lifetime(0.0)


class Meter(Protocol):
    """The asker, as far as reading concerns it: a name for counters, and the vendor calls it caused."""

    id: str
    vendor_calls: int


class Via(StrEnum):
    """How an answer was come by."""

    HIT = "hit"
    MISS = "miss"
    COLLAPSED = "collapsed"
    STALE = "stale"


@record
class Answer:
    """An entry and how it was come by. `reason` says why a stale one had to do."""

    entry: Entry
    via: Via
    reason: str = ""


@record
class Landed:
    """What a flight brings to all who joined it. `stale` says why a stale answer had to do, or is empty."""

    entry: Entry
    asked: bool
    stale: str = ""


@dataclass(frozen=True, slots=True)
class ReadSettings:
    """`request_for`: seconds a fetch nobody waits for may take. `origins`: the vendor's own link origins."""

    request_for: float
    origins: frozenset[bytes]


class ReadPath:
    """Answers canonical questions from memory or the vendor."""

    def __init__(
        self,
        *,
        memory: Memory,
        flights: Flights[Landed],
        source: Source,
        clock: Clock,
        observer: Observer,
        settings: ReadSettings,
        jitter: Callable[[], float],
        outdated: Outdated,
    ) -> None:
        self._memory = memory
        self._outdated = outdated
        self._flights = flights
        self._source = source
        self._clock = clock
        self._observer = observer
        self._settings = settings
        self._jitter = jitter
        self._renewals = Renewals(jitter)
        self._doubts = Doubts()
        self._quiet = False

    async def read(self, request: VendorRequest, meter: Meter, *, deadline: float, wishes: Wishes = ANY_WAY) -> Answer:
        """Return the best answer to `request` before `deadline` (monotonic).

        Raises:
            ServiceError: nothing usable is kept and the vendor could not be asked or did not answer.
        """
        key = request.key
        now = self._clock.monotonic()
        step = decide_read(self._memory.peek(key), wishes, now, deadline, self._renewals.retry_at(key))
        match step:
            case Fetch(until, fallback):
                return await self._fetch(request, meter, until, fallback, wishes)
            case ServeFresh(entry):
                return self._hit(entry, meter)
            case ServeStaleAndRefresh(entry):
                self.refresh(request, meter)
                self._observer.notify(StaleServed(entry.group, entry.age(now), "refreshing"))
                return self._hit(entry, meter)
            case ServeStale(entry):
                return self._stale(entry, "backing-off")
            case Refuse(error):
                raise error
        assert_never(step)

    def refresh(self, request: VendorRequest, meter: Meter) -> None:
        """Renew the answer to `request` in the background, unless that runs already or we are shutting down."""
        flight = self._flight_of(request)
        if self._quiet or self._flights.running(flight):
            return
        # The flight keeps its own task and reports its own failure; nobody waits for this one.
        _ = self._flights.launch(flight, lambda: self._run(request, Priority.REFRESH, meter))

    def refresh_entry(self, entry: Entry, meter: Meter) -> None:
        """Renew a kept answer behind a hit, unless its last renewal failed a moment ago."""
        if self._clock.monotonic() >= self._renewals.retry_at(entry.key):
            self.refresh(reopen_request(entry.key), meter)

    def quiet(self) -> None:
        """Start no more background work (shutdown)."""
        self._quiet = True

    def _hit(self, entry: Entry, meter: Meter) -> Answer:
        entry.hits += 1
        self._observer.notify(CacheHit(entry.group, meter.id))
        return Answer(entry, Via.HIT)

    def _stale(self, entry: Entry, reason: str) -> Answer:
        entry.hits += 1
        self._observer.notify(StaleServed(entry.group, entry.age(self._clock.monotonic()), reason))
        return Answer(entry, Via.STALE, reason)

    async def _fetch(
        self, request: VendorRequest, meter: Meter, until: float, fallback: Entry | None, wishes: Wishes
    ) -> Answer:
        priority = Priority.INTERACTIVE if fallback is None else Priority.RENEWAL
        try:
            flight = self._flight_of(request)
            flown = await self._flights.join(flight, lambda: self._run(request, priority, meter, wishes), until)
        except ServiceError as error:
            self._observer.notify(CacheMissed(request.endpoint.group, meter.id))
            if fallback is None or not may_fall_back(error) or self._is_purged(request, fallback):
                raise
            return self._stale(fallback, stale_reason(error))
        landed = flown.value
        if landed.stale:
            return self._stale(landed.entry, landed.stale)
        if not landed.asked:
            return self._hit(landed.entry, meter)
        self._observer.notify(CacheMissed(request.endpoint.group, meter.id))
        if flown.joined:
            self._observer.notify(FetchJoined(request.endpoint.group))
        return Answer(landed.entry, Via.COLLAPSED if flown.joined else Via.MISS)

    def _flight_of(self, request: VendorRequest) -> str:
        """Name the flight of a question: who asks after a purge joins none that began before it."""
        since = self._outdated.purged_from(request)
        return request.key if since == NEVER else f"{request.key} {since}"

    def _is_purged(self, request: VendorRequest, entry: Entry) -> bool:
        return entry.fetched_at < self._outdated.purged_from(request)

    async def _run(self, request: VendorRequest, priority: Priority, meter: Meter, wishes: Wishes = ANY_WAY) -> Landed:
        """Fetch an answer and keep it. Runs as the flight's own task."""

        def spend() -> None:
            meter.vendor_calls += 1

        deadline = self._clock.monotonic() + self._settings.request_for
        try:
            brought = await self._source.fetch(Errand(request, deadline, priority, wishes.force, spend, wishes.edge))
        except ServiceError as error:
            self._note_failure(request, error)
            raise
        objection = self._objection(request, brought)
        if objection:
            unfit = VendorFailed(objection, brought.reply.status)
            self._note_failure(request, unfit)
            raise unfit
        entry = await self._keep(request, brought)
        if brought.stale:
            self._back_off(request, brought.stale, None)
        else:
            self._renewals.settle_success(request.key)
        return Landed(entry, brought.asked, brought.stale)

    def _objection(self, request: VendorRequest, brought: Brought) -> str:
        """Return why what is kept, while it may be served, must not give way to what was brought, or nothing."""
        kept = self._memory.peek(request.key)
        if kept is None or kept.freshness(self._clock.monotonic()) is Freshness.DEAD:
            return ""
        if _is_about_earlier(request, kept, brought.reply):
            self._observer.notify(OlderDropped(kept.group))
            return "older"
        return "unconfirmed-empty" if brought.asked and not self._doubts.confirm(kept, brought.reply) else ""

    def _note_failure(self, request: VendorRequest, error: ServiceError) -> None:
        if self._memory.peek(request.key) is not None:
            self._back_off(request, type(error).__name__, getattr(error, "retry_after", None))

    def _back_off(self, request: VendorRequest, why: str, retry_after: float | None) -> None:
        after = self._renewals.settle_failure(request.key, self._clock.monotonic(), retry_after)
        self._observer.notify(RefreshFailed(request.endpoint.group, why, after))

    async def _keep(self, request: VendorRequest, brought: Brought) -> Entry:
        promise, reply = brought.lifetime, brought.reply
        lifetime = (promise or _NEVER).spread(-JITTER * self._jitter())
        if len(reply.body) > GZIP_INLINE_BYTES:
            # Hashing and scanning megabytes would hold up every other connection.
            entry = await asyncio.to_thread(self._make, request, brought, lifetime)
        else:
            entry = self._make(request, brought, lifetime)
        if promise is None:
            return entry
        return self._store(request, entry)

    def _make(self, request: VendorRequest, brought: Brought, lifetime: Lifetime) -> Entry:
        reply = brought.reply
        origins = self._settings.origins
        body = clean_body(reply.body, origins) if "json" in reply.content_type else reply.body
        cleaned = reply if body is reply.body else replace(reply, body=body)
        links = find_links(body, origins)
        now = self._clock.monotonic()
        return Entry(
            request.key,
            request.endpoint.group,
            cleaned,
            lifetime,
            now,
            links,
            brought.aged_from,
            derived=brought.derived,
        )

    def _store(self, request: VendorRequest, entry: Entry) -> Entry:
        kept = self._memory.peek(entry.key)
        if kept is not None and kept.fetched_at > entry.fetched_at:
            self._observer.notify(OlderDropped(entry.group))
            return kept
        if entry.fetched_at < self._outdated.counts_from(request):
            if self._is_purged(request, entry):
                return entry
            entry.expire(self._clock.monotonic())
        self._memory.put(entry)
        following = next_page_key(entry.body, self._settings.origins) if entry.links else None
        later = None if following is None else self._memory.peek(following)
        if later is not None and later.fetched_at < entry.fetched_at:
            later.expire(self._clock.monotonic())
        return entry


def _is_about_earlier(request: VendorRequest, kept: Entry, reply: Reply) -> bool:
    """Return whether the vendor's own stamps say that `reply` would take the asker back in time."""
    if kept.status != 200 or reply.status != 200:
        return False
    group = request.endpoint.group
    new, old = moment_of(group, reply.body), moment_of(group, kept.body)
    return new is not None and old is not None and new < old
