"""Golden signals out of /metrics, and the verdicts drawn from them."""

from __future__ import annotations

from dataclasses import replace
from math import inf, isnan, nan

import pytest

from stock_service.operate.checks import Finding, all_good
from stock_service.operate.diagnosis import examine_pod, likely_cause
from stock_service.operate.signals import Scrape, Signals, quantile, read_scrape, signals_between
from stock_service.operate.watch import Bounds, judge_watch

TEXT = """\
# TYPE http_requests_total counter
http_requests_total{method="GET",route="bars",status="200"} 90
http_requests_total{method="GET",route="bars",status="503"} 10
http_requests_total{method="GET",route="health",status="200"} 5000
# TYPE http_request_duration_seconds histogram
http_request_duration_seconds_bucket{method="GET",route="bars",le="1.0"} 90
http_request_duration_seconds_bucket{method="GET",route="bars",le="2.0"} 100
http_request_duration_seconds_bucket{method="GET",route="bars",le="+Inf"} 100
http_request_duration_seconds_bucket{method="GET",route="health",le="1.0"} 5000
http_request_duration_seconds_bucket{method="GET",route="health",le="+Inf"} 5000
# TYPE stock_service_cache_hits_total counter
stock_service_cache_hits_total 75
# TYPE stock_service_cache_misses_total counter
stock_service_cache_misses_total 25
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


def test_probes_are_nobodys_requests() -> None:
    """5000 of them beside 100 answers."""
    scrape = read_scrape(TEXT)
    assert (scrape.answers, scrape.errors, scrape.version) == (100, 10, "1.2.3")


def test_signals_since_the_start() -> None:
    """Without an earlier reading, everything counts."""
    signals = signals_between(None, read_scrape(TEXT))
    assert signals.error_ratio == pytest.approx(0.1)
    assert signals.hit_ratio == pytest.approx(0.75)
    assert signals.p95 == pytest.approx(1.5)
    assert signals.memory_share == pytest.approx(100 / 512)


def test_signals_between_two_readings_forget_what_was_before() -> None:
    """Old errors are not this deployment's."""
    before = read_scrape(TEXT)
    after = replace(before, answers=200, buckets={edge: count * 2 for edge, count in before.buckets.items()})
    assert signals_between(before, after).error_ratio == 0


def test_a_counter_that_went_back_is_a_new_process() -> None:
    """Then everything since its start counts, and no ratio is negative."""
    before = replace(read_scrape(TEXT), answers=10_000, errors=10_000)
    assert signals_between(before, read_scrape(TEXT)).error_ratio == pytest.approx(0.1)


def test_nothing_asked_is_no_number() -> None:
    """Not zero: nobody knows."""
    quiet = signals_between(read_scrape(TEXT), read_scrape(TEXT))
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


FINE = Signals(answers=100, error_ratio=0.01, hit_ratio=0.9, p95=2.0, p99=2.0, memory_share=0.9)


@pytest.mark.parametrize(
    "signals",
    [replace(FINE, error_ratio=0.011), replace(FINE, p95=2.001), replace(FINE, memory_share=0.91)],
)
def test_watching_ends_one_step_over_each_bound(signals: Signals) -> None:
    """At the bound it goes on."""
    assert all_good(judge_watch(FINE, Bounds()))
    assert not all_good(judge_watch(signals, Bounds()))


def test_too_few_answers_say_nothing() -> None:
    """One error of two is no error ratio of a half."""
    checks = judge_watch(replace(FINE, answers=2, error_ratio=0.5, memory_share=nan), Bounds())
    assert [check.finding for check in checks] == [Finding.UNKNOWN] * 3


HEALTHY = replace(read_scrape(TEXT), errors=0, buckets={1.0: 100.0, inf: 100.0})
BROKEN: dict[str, Scrape] = {
    "vendor-key-refused": replace(HEALTHY, key_refused=True, vendor_reachable=False, breaker=2),
    "vendor-unreachable": replace(HEALTHY, vendor_reachable=False, breaker=2),
    "circuit-breaker-open": replace(HEALTHY, breaker=2, errors=50),
    "vendor-quota": replace(HEALTHY, quota_waiting=3, buckets={1.0: 0.0, 5.0: 100.0, inf: 100.0}),
    "high-memory-usage": replace(HEALTHY, memory_bytes=500 * 2**20),
    "high-error-rate": replace(HEALTHY, errors=11),
    "high-latency": replace(HEALTHY, buckets={1.0: 0.0, 5.0: 100.0, inf: 100.0}),
    "low-cache-hit-rate": replace(HEALTHY, hits=40, misses=60),
}


@pytest.mark.parametrize("anchor", BROKEN)
def test_the_cause_is_what_explains_the_other_signs(anchor: str) -> None:
    """A refused key also makes the vendor look broken; the first of the chain is named."""
    assert likely_cause(examine_pod("pod", BROKEN[anchor])).anchor == anchor


def test_a_healthy_service_has_no_cause() -> None:
    """And an idle one neither."""
    assert all_good(examine_pod("pod", HEALTHY))
    idle = replace(HEALTHY, answers=0, hits=0, misses=0, buckets={})
    assert all_good(examine_pod("pod", idle))
    assert likely_cause([]).anchor == "alerts"
