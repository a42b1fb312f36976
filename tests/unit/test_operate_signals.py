"""Golden signals out of /metrics, and the verdicts drawn from them."""

from __future__ import annotations

from dataclasses import replace
from math import inf, isnan
from typing import Any

import pytest

from stock_service.operate.checks import Check, Finding, all_good
from stock_service.operate.diagnosis import examine, likely_cause
from stock_service.operate.signals import Counts, NoMetrics, Scrape, quantile, read_scrape, signals_of, total
from stock_service.operate.watch import Bounds, Watch

TEXT = """\
# TYPE http_requests_total counter
http_requests_total{method="GET",route="bars",status="200"} 90
http_requests_total{method="GET",route="bars",status="503"} 10
http_requests_total{method="GET",route="last",status="403"} 0
http_requests_total{method="GET",route="health",status="200"} 5000
# TYPE http_request_duration_seconds histogram
http_request_duration_seconds_bucket{method="GET",route="bars",le="1.0"} 90
http_request_duration_seconds_bucket{method="GET",route="bars",le="2.0"} 100
http_request_duration_seconds_bucket{method="GET",route="bars",le="+Inf"} 100
http_request_duration_seconds_bucket{method="GET",route="health",le="1.0"} 5000
http_request_duration_seconds_bucket{method="GET",route="health",le="+Inf"} 5000
# TYPE stock_service_stock_api_duration_seconds histogram
stock_service_stock_api_duration_seconds_bucket{endpoint="bars",outcome="ok",le="2.0"} 0
stock_service_stock_api_duration_seconds_bucket{endpoint="bars",outcome="ok",le="2.5"} 10
stock_service_stock_api_duration_seconds_bucket{endpoint="bars",outcome="ok",le="+Inf"} 10
# TYPE stock_service_cache_hits_total counter
stock_service_cache_hits_total 75
# TYPE stock_service_cache_misses_total counter
stock_service_cache_misses_total 25
# TYPE process_start_time_seconds gauge
process_start_time_seconds 1000
# TYPE process_cpu_seconds_total counter
process_cpu_seconds_total 10
# TYPE process_resident_memory_bytes gauge
process_resident_memory_bytes 104857600
# TYPE stock_service_memory_limit_bytes gauge
stock_service_memory_limit_bytes 536870912
# TYPE stock_service_build_info gauge
stock_service_build_info{version="1.2.3",commit="abc"} 1
# TYPE stock_service_quota_remaining gauge
stock_service_quota_remaining 4
# TYPE stock_service_quota_waiting gauge
stock_service_quota_waiting 0
"""


SCRAPE = read_scrape(TEXT)


def counted(scrape: Scrape, **counts: Any) -> Scrape:
    """The reading with other counts."""
    return replace(scrape, counts=replace(scrape.counts, **counts))


def test_probes_are_nobodys_requests() -> None:
    """5000 of them beside 100 answers."""
    assert (SCRAPE.counts.answers, SCRAPE.counts.errors, SCRAPE.version) == (100, 10, "1.2.3")


def test_what_the_key_may_do_is_what_was_answered() -> None:
    """A counter that stands at 0 says nothing."""
    assert (SCRAPE.answered, SCRAPE.refused) == (frozenset({"bars"}), frozenset())
    refused = read_scrape(TEXT.replace('status="403"} 0', 'status="403"} 2'))
    assert refused.refused == frozenset({"last"})


@pytest.mark.parametrize("text", ["<html>403 Forbidden</html>", "", "# TYPE up gauge\nup 1\n"])
def test_a_foreign_page_is_no_reading(text: str) -> None:
    """A proxy's error page is no service without errors."""
    with pytest.raises(NoMetrics):
        read_scrape(text)


def test_signals_of_counts() -> None:
    """Ratios and quantiles."""
    signals = signals_of(SCRAPE.counts)
    assert signals.error_ratio == pytest.approx(0.1)
    assert signals.hit_ratio == pytest.approx(0.75)
    assert signals.p95 == pytest.approx(1.5)
    assert signals.vendor_p95 == pytest.approx(2.475)
    assert SCRAPE.memory_share == pytest.approx(100 / 512)


def test_signals_of_the_time_between_two_readings_forget_what_was_before() -> None:
    """Old errors are not this deployment's."""
    after = counted(SCRAPE, answers=200, buckets={edge: count * 2 for edge, count in SCRAPE.counts.buckets.items()})
    assert signals_of(after.counts.since(SCRAPE.counts)).error_ratio == 0


def test_two_pods_are_one_service() -> None:
    """Counts add up, edges that only one of them has too."""
    both = total([Counts(answers=1, buckets={1.0: 1, inf: 1}), Counts(answers=2, errors=1, buckets={inf: 2})])
    assert both == Counts(answers=3, errors=1, buckets={1.0: 1, inf: 3})


def test_nothing_asked_is_no_number() -> None:
    """Not zero: nobody knows."""
    quiet = signals_of(SCRAPE.counts.since(SCRAPE.counts))
    assert isnan(quiet.error_ratio)
    assert isnan(quiet.p95)


@pytest.mark.parametrize(
    ("share", "buckets", "value"),
    [
        (0.5, {1.0: 100.0, inf: 100.0}, 0.5),
        (0.95, {1.0: 90.0, 2.0: 100.0, inf: 100.0}, 1.5),
        (0.99, {1.0: 90.0, 2.0: 95.0, inf: 100.0}, 2.0),
        (0.5, {1.0: 0.0, 2.0: 10.0, inf: 10.0}, 1.5),
    ],
)
def test_quantiles_are_those_of_prometheus(share: float, buckets: dict[float, float], value: float) -> None:
    """Linear within a bucket; the highest edge when it is beyond."""
    assert quantile(share, buckets) == pytest.approx(value)


def test_no_observation_has_no_quantile() -> None:
    """As in Prometheus."""
    assert isnan(quantile(0.95, {}))
    assert isnan(quantile(0.95, {1.0: 0.0, inf: 0.0}))


FINE = Counts(answers=100, errors=1, hits=90, misses=10, buckets={2.0: 95, 5.0: 100, inf: 100})
NEW = replace(SCRAPE, counts=Counts(), memory_bytes=90, memory_limit_bytes=100, cpu_seconds=0.0)


def watched(counts: Counts = FINE, **changes: Any) -> list[Check]:
    """The verdict on a process that did this within ten seconds."""
    watch = Watch(Bounds())
    watch.see([NEW], 0.0)
    watch.see([replace(NEW, counts=counts, **{"cpu_seconds": 9.0, **changes})], 10.0)
    return watch.judge()


@pytest.mark.parametrize(
    "over",
    [
        {"counts": replace(FINE, errors=2)},
        {"counts": replace(FINE, buckets={2.0: 94, 5.0: 100, inf: 100})},
        {"memory_bytes": 91},
        {"cpu_seconds": 9.1},
    ],
)
def test_watching_ends_one_step_over_each_bound(over: dict[str, Any]) -> None:
    """At the bound it goes on."""
    assert all_good(watched())
    assert not all_good(watched(**over))


def test_pods_behind_one_address_are_told_apart() -> None:
    """Looks reach one and the other: the difference between two pods' counters is nobody's traffic."""
    old = replace(counted(NEW, answers=1_000_000, errors=500_000), started_at=1.0)
    watch = Watch(Bounds())
    for now in range(0, 40, 2):
        watch.see([replace(NEW, counts=FINE)], float(now))
        watch.see([old], now + 1.0)
    checks = watch.judge()
    assert all_good(checks)
    assert checks[0].told == "2 seen, 0 answers"


def test_too_few_answers_say_nothing() -> None:
    """One error of two is no error ratio of a half."""
    watch = Watch(Bounds())
    limitless = replace(NEW, memory_limit_bytes=0)
    watch.see([limitless], 0.0)
    watch.see([counted(limitless, answers=2, errors=1)], 0.0)
    assert [check.finding for check in watch.judge()[1:]] == [Finding.UNKNOWN] * 4


HEALTHY = counted(SCRAPE, errors=0, buckets={1.0: 100.0, inf: 100.0}, vendor_buckets={})
BROKEN: dict[str, Scrape] = {
    "vendor-key-refused": replace(HEALTHY, key_refused=True, vendor_reachable=False, breaker=2),
    "vendor-unreachable": replace(HEALTHY, vendor_reachable=False, breaker=2),
    "circuit-breaker-open": counted(replace(HEALTHY, breaker=2), errors=50),
    "shared-store": counted(replace(HEALTHY, shared_away=True, quota_waiting=3)),
    "vendor-quota": counted(replace(HEALTHY, quota_waiting=3), buckets={1.0: 0.0, 5.0: 100.0, inf: 100.0}),
    "high-memory-usage": replace(HEALTHY, memory_bytes=500 * 2**20),
    "high-error-rate": counted(HEALTHY, errors=11),
    "high-latency": counted(HEALTHY, buckets={1.0: 0.0, 5.0: 100.0, inf: 100.0}),
    "low-cache-hit-rate": counted(HEALTHY, hits=40, misses=60),
}


def examined(**pods: Scrape) -> list[Check]:
    """Pods that stand still between the looks."""
    return examine(pods, pods, 5.0)


@pytest.mark.parametrize("anchor", BROKEN)
def test_the_cause_is_what_explains_the_other_signs(anchor: str) -> None:
    """A refused key also makes the vendor look broken; the first of the chain is named."""
    assert likely_cause(examined(pod=BROKEN[anchor])).anchor == anchor


def test_a_healthy_service_has_no_cause() -> None:
    """And a quiet one neither: two errors of two are no ratio."""
    assert all_good(examined(pod=HEALTHY))
    few = counted(HEALTHY, answers=2, errors=2, hits=0, misses=2)
    assert all_good(examined(pod=few))
    assert likely_cause([]).anchor == "alerts"


def test_the_breaker_is_told_of_every_pod() -> None:
    """Each pod has its own."""
    told = {check.name: check.told for check in examined(a=HEALTHY, b=replace(HEALTHY, breaker=2), c=HEALTHY)}
    assert told["breaker"] == "open in b"
    assert {check.name: check.told for check in examined(a=HEALTHY, b=HEALTHY)}["breaker"] == "closed in all 2"


def test_a_trouble_of_the_last_seconds_is_not_hidden_by_good_weeks() -> None:
    """A million good answers, then nothing but errors."""
    good = counted(HEALTHY, answers=1_000_000)
    after = counted(good, answers=1_000_030, errors=30)
    checks = examine({"pod": good}, {"pod": after}, 5.0)
    assert likely_cause(checks).anchor == "high-error-rate"
    assert "100.00% of 30 answers in the last 5 s" in [check.told for check in checks]


def test_a_pod_that_restarted_between_the_looks_counts_from_its_start() -> None:
    """Its counters went back; a difference would be negative."""
    before = counted(HEALTHY, answers=1_000_000)
    checks = examine({"pod": before}, {"pod": replace(HEALTHY, started_at=2000.0)}, 5.0)
    assert "0.00% of 100 answers since the start" in [check.told for check in checks]
