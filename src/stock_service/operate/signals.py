"""The golden signals of a running service, read from its own `/metrics`. Pure.

Probes and scrapes are nobody's requests and are left out, as in the recorded series of the chart's rules.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import inf, nan

from prometheus_client.parser import text_string_to_metric_families

_PROBES = frozenset({"health", "ready", "metrics"})


@dataclass(frozen=True, slots=True)
class Scrape:
    """One reading of the counters that matter. Counts since the start of the process; bytes; buckets cumulative."""

    answers: float
    errors: float
    hits: float
    misses: float
    buckets: Mapping[float, float]
    memory_bytes: float
    memory_limit_bytes: float
    breaker: int
    quota_remaining: float
    quota_waiting: float
    vendor_reachable: bool
    key_refused: bool
    version: str


@dataclass(frozen=True, slots=True)
class Signals:
    """What happened between two readings. Ratios from 0 to 1, lengths in seconds; NaN where nothing happened."""

    answers: float
    error_ratio: float
    hit_ratio: float
    p95: float
    p99: float
    memory_share: float


def read_scrape(text: str) -> Scrape:
    """Return the reading in a text of `/metrics`; ValueError when it is not the exposition format."""
    totals: dict[str, float] = {}
    buckets: dict[float, float] = {}
    answers = errors = 0.0
    version = ""
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            if sample.labels.get("route") in _PROBES:
                continue
            if sample.name == "http_requests_total":
                answers += sample.value
                errors += sample.value if sample.labels["status"].startswith("5") else 0.0
            elif sample.name == "http_request_duration_seconds_bucket":
                edge = float(sample.labels["le"])
                buckets[edge] = buckets.get(edge, 0.0) + sample.value
            elif sample.name == "stock_service_build_info":
                version = sample.labels["version"]
            else:
                totals[sample.name] = totals.get(sample.name, 0.0) + sample.value
    return Scrape(
        answers=answers,
        errors=errors,
        hits=totals.get("stock_service_cache_hits_total", nan),
        misses=totals.get("stock_service_cache_misses_total", nan),
        buckets=buckets,
        memory_bytes=totals.get("process_resident_memory_bytes", nan),
        memory_limit_bytes=totals.get("stock_service_memory_limit_bytes", 0.0),
        breaker=int(totals.get("stock_service_circuit_breaker_state", 0)),
        quota_remaining=totals.get("stock_service_quota_remaining", nan),
        quota_waiting=totals.get("stock_service_quota_waiting", nan),
        vendor_reachable=totals.get("stock_service_upstream_reachable", 1.0) == 1.0,
        key_refused=totals.get("stock_service_credential_latched", 0.0) == 1.0,
        version=version,
    )


def signals_between(before: Scrape | None, after: Scrape) -> Signals:
    """Return the signals of the time between two readings of one process; since its start without the first.

    A counter that went back is that of another process, restarted: then everything since its start counts.
    """
    if before is not None and before.answers > after.answers:
        before = None
    answers = after.answers - (before.answers if before else 0.0)
    errors = after.errors - (before.errors if before else 0.0)
    hits = after.hits - (before.hits if before else 0.0)
    misses = after.misses - (before.misses if before else 0.0)
    buckets = {
        edge: count - (before.buckets.get(edge, 0.0) if before else 0.0) for edge, count in after.buckets.items()
    }
    limit = after.memory_limit_bytes
    return Signals(
        answers=answers,
        error_ratio=errors / answers if answers else nan,
        hit_ratio=hits / (hits + misses) if hits + misses else nan,
        p95=quantile(0.95, buckets),
        p99=quantile(0.99, buckets),
        memory_share=after.memory_bytes / limit if limit else nan,
    )


def quantile(share: float, buckets: Mapping[float, float]) -> float:
    """Return the value below which `share` of the observations lie, interpolated as Prometheus does; NaN for none.

    In the last, open bucket the answer is the highest edge: more is not known.
    """
    edges = sorted(buckets)
    total = buckets[edges[-1]] if edges else 0.0
    if not total:
        return nan
    wanted = share * total
    below, low = 0.0, 0.0
    for edge in edges:
        if buckets[edge] >= wanted:
            if edge == inf:
                return low
            return low + (edge - low) * (wanted - below) / (buckets[edge] - below)
        below, low = buckets[edge], edge
    return low
