"""Renders the metrics for a scrape: what was counted, and what other parts say about themselves at that moment.

Never decides, and never walks the cache's entries: a scrape costs the same however much is kept. Always holds: every
metric of the table is in every answer, and the two formats say the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Protocol

from prometheus_client.exposition import generate_latest
from prometheus_client.openmetrics.exposition import generate_latest as generate_openmetrics
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import CollectorRegistry

from stock_service.telemetry import table
from stock_service.telemetry.counters import Buckets, Counters, Labels
from stock_service.telemetry.exposition import Writer
from stock_service.telemetry.table import Kind, Metric

_TEXT = "text/plain; version=0.0.4; charset=utf-8"
_OPENMETRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"
_CGROUP_LIMITS = (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"))
_NO_LIMIT_FROM = 1 << 60  # the older cgroup interface writes "none" as a huge number


class SeriesCounts(Protocol):
    """What the hit path counted of one route, method and status; `web/hit_series.Series` is one."""

    @property
    def route(self) -> str: ...
    @property
    def method(self) -> str: ...
    @property
    def status(self) -> int: ...
    @property
    def answered(self) -> int: ...
    @property
    def not_modified(self) -> int: ...
    @property
    def stale(self) -> int: ...
    @property
    def seconds(self) -> float: ...
    @property
    def buckets(self) -> Sequence[int]: ...


class CacheSize(NamedTuple):
    """What the memory cache says of itself."""

    entries: int = 0
    bytes: int = 0
    evictions: int = 0


class QuotaLevel(NamedTuple):
    """What the pacer says of itself."""

    remaining: int = 0
    waiting: int = 0


class SharedLevel(NamedTuple):
    """What the shared store says of itself: 0 none, 1 in use, 2 away; and whether the budget is planned without it."""

    state: int = 0
    budget_local: int = 0


class WarmLevel(NamedTuple):
    """What warming says of itself."""

    targets: int = 0
    left: int = 0
    calls: int = 0


class ClientCounts(NamedTuple):
    """The meters of one client; `access.usage.ClientUsage` has the same order."""

    client: str
    requests: int
    vendor_calls: int
    limited: int


@dataclass(frozen=True, slots=True)
class Sources:
    """What is asked at each scrape; every call must be cheap. `breaker` is the state of each endpoint class."""

    series: Callable[[], Iterable[SeriesCounts]] = tuple
    fallthroughs: Callable[[], Mapping[str, int]] = dict
    cache: Callable[[], CacheSize] = CacheSize
    breaker_state: Callable[[], int] = int
    breaker_due: Callable[[], float] = float
    breaker: Callable[[], Mapping[str, int]] = dict
    quota: Callable[[], QuotaLevel] = QuotaLevel
    shared: Callable[[], SharedLevel] = SharedLevel
    warm: Callable[[], WarmLevel] = WarmLevel
    clients: Callable[[], Iterable[tuple[str, int, int, int]]] = tuple
    in_progress: Callable[[], int] = int
    log_dropped: Callable[[], int] = int


class Exporter:
    """Answers `/metrics`."""

    def __init__(self, counters: Counters, sources: Sources, *, version: str, commit: str) -> None:
        self._counters = counters
        self._sources = sources
        self._build = (version, commit)
        self._memory_limit = read_memory_limit(_CGROUP_LIMITS)
        self._writer = Writer()
        self._process = CollectorRegistry(auto_describe=False)
        ProcessCollector(registry=self._process)

    def render(self, accept: str) -> tuple[str, bytes]:
        """Return content type and body: OpenMetrics for those who accept it, else the text format 0.0.4."""
        types = (part.partition(";")[0].strip().lower() for part in accept.split(","))
        if "application/openmetrics-text" in types:
            return _OPENMETRICS, self._own(openmetrics=True) + bytes(generate_openmetrics(self._process))  # type: ignore[no-untyped-call]
        return _TEXT, self._own(openmetrics=False) + generate_latest(self._process)

    def _own(self, *, openmetrics: bool) -> bytes:
        """Return every metric of the table."""
        values = {metric: dict(series) for metric, series in self._counters.values.items()}
        request_seconds = dict(self._counters.buckets[table.REQUEST_SECONDS])
        self._add_hits(values, request_seconds)
        self._add_levels(values)
        buckets = {**self._counters.buckets, table.REQUEST_SECONDS: request_seconds}
        writer, parts = self._writer, []
        for metric in table.TABLE:
            parts.append(writer.head(metric, openmetrics=openmetrics))
            if metric.kind is Kind.HISTOGRAM:
                parts.append(writer.histograms(metric, buckets[metric]))
            else:
                parts.append(writer.values(metric, values[metric]))
        return "".join(parts).encode()

    def _add_hits(self, values: dict[Metric, dict[Labels, float]], seconds: dict[Labels, Buckets]) -> None:
        """Add what was answered below the framework to what the ASGI path counted."""
        requests = values[table.REQUESTS]
        own: set[Labels] = set()
        for series in self._sources.series():
            labels = (series.method, series.route)
            for status, count in ((str(series.status), series.answered), ("304", series.not_modified)):
                if count:
                    requests[*labels, status] = requests.get((*labels, status), 0) + count
            if labels not in own:  # the counters' own histogram must not change
                own.add(labels)
                seconds[labels] = seconds[labels].copy() if labels in seconds else Buckets(table.REQUEST_EDGES)
            seconds[labels].add(list(series.buckets), series.seconds)
            served = series.answered + series.not_modified
            values[table.HIT_PATH][()] += served
            values[table.HITS][()] += served
            values[table.STALE][()] += series.stale
        values[table.FALLTHROUGHS].update({(why,): count for why, count in self._sources.fallthroughs().items()})

    def _add_levels(self, values: dict[Metric, dict[Labels, float]]) -> None:
        sources = self._sources
        cache, quota, shared, warm = sources.cache(), sources.quota(), sources.shared(), sources.warm()
        alone: dict[Metric, float] = {
            table.ENTRIES: cache.entries,
            table.BYTES: cache.bytes,
            table.EVICTIONS: cache.evictions,
            table.QUOTA_LEFT: quota.remaining,
            table.QUOTA_WAITING: quota.waiting,
            table.SHARED_STATE: shared.state,
            table.SHARED_BUDGET: shared.budget_local,
            table.WARM_TARGETS: warm.targets,
            table.WARM_LEFT: warm.left,
            table.WARM_CALLS: warm.calls,
            table.BREAKER_STATE: sources.breaker_state(),
            table.BREAKER_DUE: sources.breaker_due(),
            table.IN_PROGRESS: sources.in_progress(),
            table.LOG_DROPPED: sources.log_dropped(),
            table.MEMORY_LIMIT: self._memory_limit,
        }
        for metric, value in alone.items():
            values[metric][()] = value
        values[table.BUILD] = {self._build: 1}
        values[table.BREAKER_ENDPOINT] = {(endpoint,): state for endpoint, state in sources.breaker().items()}
        for client, requests, vendor_calls, limited in sources.clients():
            values[table.CLIENT_REQUESTS][client,] = requests
            values[table.CLIENT_CALLS][client,] = vendor_calls
            values[table.CLIENT_LIMITED][client,] = limited


def read_memory_limit(files: Iterable[Path]) -> int:
    """Return the memory limit of the container in bytes from the first of `files` there is; 0 without one."""
    for file in files:
        try:
            text = file.read_text().strip()
        except OSError:
            continue
        return int(text) if text.isdigit() and int(text) < _NO_LIMIT_FROM else 0
    return 0
