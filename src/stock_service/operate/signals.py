"""The golden signals of a running service, read from its own `/metrics`. Pure.

Probes and scrapes are nobody's requests and are left out, as in the recorded series of the chart's rules.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from math import inf, nan

from prometheus_client.parser import text_string_to_metric_families

from stock_service.vendor.endpoints import Group

_VENDOR_DATA = frozenset(group.value for group in Group)
_ANSWERS = "http_request_duration_seconds_bucket"
_VENDOR = "stock_service_stock_api_duration_seconds_bucket"
_AWAY = 2
_PROBES = frozenset({"health", "ready", "metrics"})


class NoMetrics(Exception):
    """What came was no text of `/metrics`; `reason` says what it was."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Counts:
    """Counters that matter, over some time. Buckets, of our answers and of the vendor's, are cumulative by seconds."""

    answers: float = 0.0
    errors: float = 0.0
    hits: float = 0.0
    misses: float = 0.0
    buckets: Mapping[float, float] = field(default_factory=dict)
    vendor_buckets: Mapping[float, float] = field(default_factory=dict)

    def since(self, earlier: Counts) -> Counts:
        """Return what was counted after `earlier`, a reading of the same process."""
        return Counts(
            self.answers - earlier.answers,
            self.errors - earlier.errors,
            self.hits - earlier.hits,
            self.misses - earlier.misses,
            _less(self.buckets, earlier.buckets),
            _less(self.vendor_buckets, earlier.vendor_buckets),
        )


@dataclass(frozen=True, slots=True)
class Scrape:
    """One reading of one process. `counts` run since its start, and `started_at` (Unix seconds) tells it from others.

    `answered` are the vendor's kinds of data that brought a 200, `refused` those that brought a 403. `forced`: somebody
    overruled the breaker. `shared_away`: the shared store is configured and not in use.
    """

    counts: Counts
    started_at: float
    cpu_seconds: float
    memory_bytes: float
    memory_limit_bytes: float
    breaker: int
    forced: bool
    shared_away: bool
    quota_remaining: float
    quota_waiting: float
    vendor_reachable: bool
    key_refused: bool
    version: str
    answered: frozenset[str] = frozenset()
    refused: frozenset[str] = frozenset()
    calls_by_client: Mapping[str, float] = field(default_factory=dict)

    @property
    def memory_share(self) -> float:
        """Memory as a share of the limit; NaN without one."""
        return self.memory_bytes / self.memory_limit_bytes if self.memory_limit_bytes else nan


@dataclass(frozen=True, slots=True)
class Signals:
    """What some counts say. Ratios from 0 to 1, lengths in seconds; NaN where nothing happened."""

    answers: float
    error_ratio: float
    hit_ratio: float
    p95: float
    p99: float
    vendor_p95: float


def read_scrape(text: str) -> Scrape:
    """Return the reading in a text of `/metrics`; raises NoMetrics when it is something else."""
    totals: dict[str, float] = {}
    buckets: dict[str, dict[float, float]] = {_ANSWERS: {}, _VENDOR: {}}
    by_status: dict[tuple[str, str], float] = {}
    by_client: dict[str, float] = {}
    version = ""
    try:
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                route = sample.labels.get("route", "")
                if route in _PROBES:
                    continue
                if sample.name == "http_requests_total":
                    place = (route, sample.labels["status"])
                    by_status[place] = by_status.get(place, 0.0) + sample.value
                elif sample.name in buckets:
                    edge = float(sample.labels["le"])
                    buckets[sample.name][edge] = buckets[sample.name].get(edge, 0.0) + sample.value
                elif sample.name == "stock_service_client_vendor_calls_total":
                    by_client[sample.labels["client"]] = sample.value
                elif sample.name == "stock_service_build_info":
                    version = sample.labels["version"]
                else:
                    totals[sample.name] = totals.get(sample.name, 0.0) + sample.value
    except (ValueError, KeyError) as error:
        raise NoMetrics("not the text of /metrics") from error
    if not version:
        raise NoMetrics("no metrics of a Stock Service")
    return Scrape(
        counts=Counts(
            answers=sum(by_status.values()),
            errors=sum(count for (_, status), count in by_status.items() if status.startswith("5")),
            hits=totals.get("stock_service_cache_hits_total", 0.0),
            misses=totals.get("stock_service_cache_misses_total", 0.0),
            buckets=buckets[_ANSWERS],
            vendor_buckets=buckets[_VENDOR],
        ),
        started_at=totals.get("process_start_time_seconds", 0.0),
        cpu_seconds=totals.get("process_cpu_seconds_total", nan),
        memory_bytes=totals.get("process_resident_memory_bytes", nan),
        memory_limit_bytes=totals.get("stock_service_memory_limit_bytes", 0.0),
        breaker=int(totals.get("stock_service_circuit_breaker_state", 0)),
        forced=totals.get("stock_service_circuit_breaker_override", 0.0) > 0,
        shared_away=totals.get("stock_service_shared_state", 0.0) == _AWAY,
        quota_remaining=totals.get("stock_service_quota_remaining", nan),
        quota_waiting=totals.get("stock_service_quota_waiting", nan),
        vendor_reachable=totals.get("stock_service_upstream_reachable", 1.0) == 1.0,
        key_refused=totals.get("stock_service_credential_latched", 0.0) == 1.0,
        version=version,
        answered=_vendor_data(by_status, "200"),
        refused=_vendor_data(by_status, "403"),
        calls_by_client=by_client,
    )


def _vendor_data(by_status: Mapping[tuple[str, str], float], wanted: str) -> frozenset[str]:
    return frozenset(
        route for (route, status), count in by_status.items() if count and status == wanted and route in _VENDOR_DATA
    )


def total(many: Iterable[Counts]) -> Counts:
    """Return the counts of several processes as one."""
    every = list(many)
    return Counts(
        sum(one.answers for one in every),
        sum(one.errors for one in every),
        sum(one.hits for one in every),
        sum(one.misses for one in every),
        _sum([one.buckets for one in every]),
        _sum([one.vendor_buckets for one in every]),
    )


def _sum(many: Sequence[Mapping[float, float]]) -> dict[float, float]:
    return {edge: sum(one.get(edge, 0.0) for one in many) for edge in {edge for one in many for edge in one}}


def _less(many: Mapping[float, float], earlier: Mapping[float, float]) -> dict[float, float]:
    return {edge: count - earlier.get(edge, 0.0) for edge, count in many.items()}


def signals_of(counts: Counts) -> Signals:
    """Return what the counts say."""
    reads = counts.hits + counts.misses
    return Signals(
        answers=counts.answers,
        error_ratio=counts.errors / counts.answers if counts.answers else nan,
        hit_ratio=counts.hits / reads if reads else nan,
        p95=quantile(0.95, counts.buckets),
        p99=quantile(0.99, counts.buckets),
        vendor_p95=quantile(0.95, counts.vendor_buckets),
    )


def quantile(share: float, buckets: Mapping[float, float]) -> float:
    """Return the value below which `share` of the observations lie, interpolated as Prometheus does; NaN for none.

    In the last, open bucket the answer is the highest edge: more is not known.
    """
    edges = sorted(buckets)
    observed = buckets[edges[-1]] if edges else 0.0
    if not observed:
        return nan
    wanted = share * observed
    below, low = 0.0, 0.0
    for edge in edges:
        if buckets[edge] >= wanted:
            if edge == inf:
                return low
            return low + (edge - low) * (wanted - below) / (buckets[edge] - below)
        below, low = buckets[edge], edge
    return low
