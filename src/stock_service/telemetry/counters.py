"""Counts events in plain slots; a scrape reads them.

An observer only: it decides nothing, and without it every decision is the same. Always holds: a count never goes
down; every series of a closed set is there from the start at 0, so the first failure is seen as a rise.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable
from dataclasses import dataclass
from itertools import accumulate, permutations, product
from typing import Any

from stock_service.base import events
from stock_service.base.events import Event
from stock_service.telemetry import table
from stock_service.telemetry.table import Kind, Metric

_FIRST_FAILURES = ("500", "502", "503", "504")
_STATES = ("closed", "half_open", "open")
_PRIORITIES = ("interactive", "renewal", "refresh", "backfill")
_RETRY_RESULTS = ("done", "budget", "deadline")
_SHARED_OPERATIONS = ("get", "put", "script", "beat")
_SHARED_MOVES = ("up", "away")
_FETCH_RESULTS = ("lead", "followed", "late", "alone")
_OVERRIDES = {"none": 0, "force_open": 1, "force_closed": 2}

Labels = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ClosedSets:
    """The values labels may have, known before anything happens.

    Args:
        routes: names for `route`: the vendor's groups, our own routes, operational ones, `unmatched`.
        endpoints: names for `endpoint` of vendor calls.
        refusals: kinds of `ConnectionRefused`.
        faults: places of `Faulted`.
        shared_results: words of `SharedAsked`.
        damages: kinds of `SharedDamaged`.
    """

    routes: tuple[str, ...] = ()
    endpoints: tuple[str, ...] = ()
    refusals: tuple[str, ...] = ()
    faults: tuple[str, ...] = ()
    shared_results: tuple[str, ...] = ()
    damages: tuple[str, ...] = ()


class Buckets:
    """One histogram. `counts[i]` is for values up to `edges[i]`, the last one for all above."""

    __slots__ = ("counts", "edges", "total")

    def __init__(self, edges: tuple[float, ...]) -> None:
        self.edges = edges
        self.counts = [0] * (len(edges) + 1)
        self.total = 0.0

    def observe(self, value: float) -> None:
        """Count one value."""
        self.counts[bisect_left(self.edges, value)] += 1
        self.total += value

    def add(self, counts: list[int], total: float) -> None:
        """Add the counts of another histogram with the same edges."""
        self.counts = [ours + theirs for ours, theirs in zip(self.counts, counts, strict=True)]
        self.total += total

    def copy(self) -> Buckets:
        """Return a histogram of its own with the same counts."""
        other = Buckets(self.edges)
        other.add(self.counts, self.total)
        return other

    def cumulative(self) -> list[int]:
        """Return the counts as the exposition format wants them; the last is the count of all."""
        return list(accumulate(self.counts))


class Counters:
    """The observer that counts. `values` and `buckets` are by metric, then by label values."""

    def __init__(self, sets: ClosedSets) -> None:
        counted = [metric for metric in table.TABLE if metric.kind is not Kind.HISTOGRAM]
        self.values: dict[Metric, dict[Labels, float]] = {metric: {} for metric in counted}
        self.buckets: dict[Metric, dict[Labels, Buckets]] = {
            metric: {} for metric in table.TABLE if metric.kind is Kind.HISTOGRAM
        }
        self._start(sets)
        self._takers: dict[type[Event], Callable[[Any], None]] = {
            events.RequestFinished: self._request_finished,
            events.ConnectionRefused: lambda event: self._count(table.REFUSED, event.kind),
            events.CacheHit: lambda _: self._count(table.HITS),
            events.CacheMissed: lambda _: self._count(table.MISSES),
            events.StaleServed: self._stale_served,
            events.FetchJoined: lambda _: self._count(table.COALESCED),
            events.OlderDropped: lambda _: self._count(table.OLDER_DROPPED),
            events.Rescaled: lambda event: self._count(table.RESCALED, by=event.entries + event.series),
            events.Purged: lambda event: self._count(table.PURGED, by=event.entries + event.series),
            events.RefreshFailed: lambda _: self._count(table.REFRESH_FAILED),
            events.VendorCalled: self._vendor_called,
            events.VendorRetried: lambda event: self._count(table.RETRIES, event.result),
            events.VendorLimited: lambda _: self._count(table.VENDOR_LIMITED),
            events.SlotGranted: lambda event: self._observe(table.QUOTA_SECONDS, event.waited, event.priority),
            events.SlotRefused: lambda event: self._count(table.QUOTA_REFUSED, event.priority),
            events.BreakerMoved: lambda event: self._count(table.BREAKER_MOVES, event.before, event.after),
            events.BreakerOverridden: self._breaker_overridden,
            events.LateResultDropped: lambda _: self._count(table.BREAKER_LATE),
            events.CredentialLatched: lambda _: self._set(table.CREDENTIAL_LATCHED, 1),
            events.CredentialAccepted: lambda _: self._set(table.CREDENTIAL_LATCHED, 0),
            events.SharedAsked: lambda event: self._count(table.SHARED_OPERATIONS, event.operation, event.result),
            events.SharedAnswered: lambda event: self._observe(table.SHARED_SECONDS, event.seconds),
            events.SharedMoved: lambda event: self._count(table.SHARED_MOVES, event.state),
            events.SharedDamaged: lambda event: self._count(table.SHARED_DAMAGED, event.kind),
            events.FetchLed: lambda event: self._count(table.SHARED_FETCHES, event.result),
            events.DrainStarted: lambda _: self._set(table.DRAINING, 1),
            events.DrainFinished: lambda event: self._count(table.ABORTED, by=event.aborted),
            events.LoopStalled: self._loop_stalled,
            events.Faulted: lambda event: self._count(table.FAULTS, event.where),
        }

    def notify(self, event: Event) -> None:
        """Count `event`; events that answer no question of the table are ignored."""
        taker = self.taker_of(type(event))
        if taker is not None:
            taker(event)

    def taker_of(self, kind: type[Event]) -> Callable[[Any], None] | None:
        """Return what counts events of `kind`, or None when nothing does."""
        return self._takers.get(kind)

    def _start(self, sets: ClosedSets) -> None:
        for metric, series in self.values.items():
            if not metric.labels:
                series[()] = 0
        for metric, histograms in self.buckets.items():
            if not metric.labels:
                histograms[()] = Buckets(metric.edges)
        self._set(table.REACHABLE, 1)
        closed: dict[Metric, list[Labels]] = {
            table.REQUESTS: [("GET", route, status) for route in sets.routes for status in ("200", *_FIRST_FAILURES)],
            table.BREAKER_MOVES: list(permutations(_STATES, 2)),
            table.RETRIES: [(result,) for result in _RETRY_RESULTS],
            table.QUOTA_REFUSED: [(priority,) for priority in _PRIORITIES],
            table.REFUSED: [(kind,) for kind in sets.refusals],
            table.FAULTS: [(where,) for where in sets.faults],
            table.SHARED_OPERATIONS: list(product(_SHARED_OPERATIONS, sets.shared_results)),
            table.SHARED_MOVES: [(state,) for state in _SHARED_MOVES],
            table.SHARED_DAMAGED: [(kind,) for kind in sets.damages],
            table.SHARED_FETCHES: [(result,) for result in _FETCH_RESULTS],
        }
        for metric, all_labels in closed.items():
            self.values[metric].update(dict.fromkeys(all_labels, 0))
        for route in sets.routes:
            self._histogram(table.REQUEST_SECONDS, ("GET", route))
        for endpoint in sets.endpoints:
            self._histogram(table.VENDOR_SECONDS, (endpoint, "ok"))
        for priority in _PRIORITIES:
            self._histogram(table.QUOTA_SECONDS, (priority,))

    def _request_finished(self, event: events.RequestFinished) -> None:
        self._count(table.REQUESTS, event.method, event.route, str(event.status))
        self._observe(table.REQUEST_SECONDS, event.seconds, event.method, event.route)

    def _stale_served(self, event: events.StaleServed) -> None:
        self._count(table.STALE)
        self._observe(table.STALE_AGE, event.age)
        if event.reason != "refreshing":
            self._count(table.STALE_FORCED)

    def _vendor_called(self, event: events.VendorCalled) -> None:
        self._observe(table.VENDOR_SECONDS, event.seconds, event.group, event.outcome)
        self._set(table.REACHABLE, 0 if event.status is None else 1)

    def _breaker_overridden(self, event: events.BreakerOverridden) -> None:
        mode = _OVERRIDES.get(event.mode)
        if mode is not None:  # a reset is announced too, and leaves an override as it is
            self._set(table.BREAKER_OVERRIDE, mode)

    def _loop_stalled(self, event: events.LoopStalled) -> None:
        self._count(table.STALLS)
        self._count(table.STALLED_SECONDS, by=event.seconds)

    def _count(self, metric: Metric, *labels: str, by: float = 1) -> None:
        series = self.values[metric]
        series[labels] = series.get(labels, 0) + by

    def _set(self, metric: Metric, value: float) -> None:
        self.values[metric][()] = value

    def _observe(self, metric: Metric, value: float, *labels: str) -> None:
        (self.buckets[metric].get(labels) or self._histogram(metric, labels)).observe(value)

    def _histogram(self, metric: Metric, labels: Labels) -> Buckets:
        return self.buckets[metric].setdefault(labels, Buckets(metric.edges))
