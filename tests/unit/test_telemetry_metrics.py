"""What a scrape says: every metric from the start, counted right, written as Prometheus reads it."""

from __future__ import annotations

import ast
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import generate_latest
from prometheus_client.metrics_core import Metric as Family
from prometheus_client.openmetrics.parser import text_string_to_metric_families
from prometheus_client.parser import text_string_to_metric_families as read_text

from stock_service.access.usage import ClientUsage
from stock_service.base import events
from stock_service.telemetry import counters as counters_file
from stock_service.telemetry import table
from stock_service.telemetry.counters import ClosedSets, Counters
from stock_service.telemetry.metrics import CacheSize, ClientCounts, Exporter, QuotaLevel, Sources, read_memory_limit
from stock_service.telemetry.metrics_page import render_json, render_page
from stock_service.telemetry.table import TABLE, Kind
from stock_service.web.hit_series import EDGES, Series

ROOT = Path(__file__).parents[2]
SETS = ClosedSets(
    ("bars", "health", "unmatched"), ("bars", "quotes"), ("header-timeout",), ("request",), ("hit", "timeout"), ("sum",)
)

# Every name a rule, a dashboard or a command of the runbook uses.
PROMISED = [
    "http_requests_total",
    "http_request_duration_seconds",
    "stock_service_circuit_breaker_state",
    "stock_service_circuit_breaker_transitions_total",
    "stock_service_cache_hits_total",
    "stock_service_cache_misses_total",
    "stock_service_cache_entries",
    "stock_service_cache_bytes",
    "stock_service_cache_evictions_total",
    "stock_service_cache_stale_served_total",
    "stock_service_cache_coalesced_total",
    "stock_service_stock_api_duration_seconds",
    "stock_service_quota_remaining",
    "stock_service_quota_waiting",
    "stock_service_quota_wait_seconds",
    "stock_service_quota_refused_total",
    "stock_service_client_requests_total",
    "stock_service_client_vendor_calls_total",
    "stock_service_build_info",
    "stock_service_memory_limit_bytes",
    "stock_service_upstream_reachable",
]


def exporter(counters: Counters | None = None, **sources: Any) -> Exporter:
    return Exporter(counters or Counters(SETS), Sources(**sources), version="1.2.3", commit="abc")


def samples(exported: Exporter) -> dict[str, float]:
    """Return every sample line as `name{labels}` and its value."""
    lines = exported.render("")[1].decode().splitlines()
    return {line.rpartition(" ")[0]: float(line.rpartition(" ")[2]) for line in lines if not line.startswith("#")}


def after(*happened: events.Event, **sources: Any) -> dict[str, float]:
    counters = Counters(SETS)
    for event in happened:
        counters.notify(event)
    return samples(exporter(counters, **sources))


def finished(status: int = 200, seconds: float = 0.003, method: str = "GET") -> events.RequestFinished:
    return events.RequestFinished(method, "bars", status, seconds, "hit", "team", "r-1", "/v2/x")


def parse_openmetrics(text: str) -> list[Family]:
    return list(text_string_to_metric_families(text))  # type: ignore[no-untyped-call]


def flat(families: Iterable[Family]) -> dict[str, float]:
    return {f"{s.name}{sorted(s.labels.items())}": s.value for family in families for s in family.samples}


def own(seen: dict[str, float]) -> dict[str, float]:
    """Return `seen` without what the process itself changes between two scrapes."""
    return {name: value for name, value in seen.items() if not name.startswith("process_")}


class Families:
    """Parsed families, to be written again by the library."""

    def __init__(self, families: list[Family]) -> None:
        self.families = families

    def collect(self) -> list[Family]:
        return self.families


def busy() -> Exporter:
    """An exporter in which every kind of series has uneven values."""
    counters = Counters(SETS)
    for number in range(40):
        counters.notify(finished(200 + number % 3 * 150, 0.0003 * 2**number, "HEAD" if number % 2 else "GET"))
        counters.notify(events.VendorCalled("bars", "ok" if number % 2 else "timeout", 200, 0.07 * number))
        counters.notify(events.LoopStalled(1.1**number))
    clients = (ClientUsage("team", 12_345_678, 5, 1), ClientUsage('odd"\\id', 1, 0, 0))
    return exporter(
        counters,
        cache=lambda: CacheSize(10, 64 << 20, 1 << 40),
        clients=lambda: clients,
        fallthroughs=lambda: {"stale": 3},
        breaker=lambda: {"bars": 2},
    )


def test_every_metric_of_the_table_is_there_from_the_start() -> None:
    text = exporter().render("")[1].decode()
    for metric in TABLE:
        assert text.count(f"# TYPE {metric.name} {metric.kind}\n") == 1
    assert set(PROMISED) <= {metric.name for metric in TABLE}
    assert "process_resident_memory_bytes" in text


def test_series_of_closed_sets_start_at_zero() -> None:
    started = samples(exporter())
    expected = [
        *(f'http_requests_total{{method="GET",route="{route}",status="{status}"}}' for route in SETS.routes
          for status in (200, 500, 502, 503, 504)),
        'http_request_duration_seconds_bucket{le="2.0",method="GET",route="bars"}',
        "stock_service_circuit_breaker_state",
        'stock_service_circuit_breaker_transitions_total{from="closed",to="open"}',
        "stock_service_cache_hits_total",
        "stock_service_cache_misses_total",
        'stock_service_stock_api_duration_seconds_count{endpoint="quotes",outcome="ok"}',
        'stock_service_quota_refused_total{priority="interactive"}',
        'stock_service_connections_refused_total{kind="header-timeout"}',
        'stock_service_faults_total{where="request"}',
        "stock_service_shared_state",
        "stock_service_shared_budget_local",
        'stock_service_shared_operations_total{operation="get",result="timeout"}',
        'stock_service_shared_transitions_total{to="away"}',
        'stock_service_shared_fetches_total{result="followed"}',
        'stock_service_shared_damaged_total{kind="sum"}',
        'stock_service_shared_exchange_seconds_bucket{le="0.05"}',
    ]  # fmt: skip
    assert [started[name] for name in expected] == [0.0] * len(expected)
    assert started['stock_service_build_info{commit="abc",version="1.2.3"}'] == 1.0
    assert started["stock_service_upstream_reachable"] == 1.0


@pytest.mark.parametrize(
    ("happened", "series", "value"),
    [
        (finished(503), 'http_requests_total{method="GET",route="bars",status="503"}', 1),
        (finished(200, 2.0), 'http_request_duration_seconds_bucket{le="2.0",method="GET",route="bars"}', 1),
        (finished(200, 2.1), 'http_request_duration_seconds_bucket{le="2.0",method="GET",route="bars"}', 0),
        (finished(200, 99.0), 'http_request_duration_seconds_bucket{le="+Inf",method="GET",route="bars"}', 1),
        (finished(200, 0.25), 'http_request_duration_seconds_sum{method="GET",route="bars"}', 0.25),
        (events.ConnectionRefused("header-timeout"), "connections_refused_total{kind=\"header-timeout\"}", 1),
        (events.CacheHit("bars", "team"), "cache_hits_total", 1),
        (events.CacheMissed("bars", "team"), "cache_misses_total", 1),
        (events.StaleServed("bars", 70.0, "refreshing"), "cache_stale_served_total", 1),
        (events.StaleServed("bars", 70.0, "refreshing"), "cache_stale_on_error_total", 0),
        (events.StaleServed("bars", 70.0, "VendorSlow"), "cache_stale_on_error_total", 1),
        (events.StaleServed("bars", 70.0, "VendorSlow"), 'cache_stale_age_seconds_bucket{le="300.0"}', 1),
        (events.StaleServed("bars", 70.0, "VendorSlow"), 'cache_stale_age_seconds_bucket{le="60.0"}', 0),
        (events.FetchJoined("bars"), "cache_coalesced_total", 1),
        (events.OlderDropped("bars"), "cache_older_dropped_total", 1),
        (events.RefreshFailed("bars", "VendorSlow", 1.0), "cache_refresh_failures_total", 1),
        (
            events.VendorCalled("bars", "ok", 200, 0.1),
            'stock_api_duration_seconds_count{endpoint="bars",outcome="ok"}',
            1,
        ),
        (events.VendorCalled("bars", "timeout", None, 0.1), "upstream_reachable", 0),
        (events.VendorCalled("bars", "server", 500, 0.1), "upstream_reachable", 1),
        (events.VendorRetried("bars", "budget"), 'stock_api_retries_total{result="budget"}', 1),
        (events.VendorLimited(3.0), "stock_api_limited_total", 1),
        (events.SlotGranted("refresh", 0.2), 'quota_wait_seconds_sum{priority="refresh"}', 0.2),
        (events.SlotRefused("backfill"), 'quota_refused_total{priority="backfill"}', 1),
        (
            events.BreakerMoved("bars", "closed", "open", 5.0),
            'circuit_breaker_transitions_total{from="closed",to="open"}',
            1,
        ),
        (events.BreakerOverridden("force_open", "ops"), "circuit_breaker_override", 1),
        (events.BreakerOverridden("force_closed", "ops"), "circuit_breaker_override", 2),
        (events.LateResultDropped("bars"), "circuit_breaker_late_results_total", 1),
        (events.CredentialLatched(60.0), "credential_latched", 1),
        (events.DrainStarted("SIGTERM"), "draining", 1),
        (events.DrainFinished(5.0, 3), "shutdown_aborted_requests_total", 3),
        (events.LoopStalled(0.5), "loop_stalls_total", 1),
        (events.LoopStalled(0.5), "loop_stalled_seconds_total", 0.5),
        (events.SharedAsked("get", "hit"), 'shared_operations_total{operation="get",result="hit"}', 1),
        (events.SharedAnswered(0.0004), "shared_exchange_seconds_sum", 0.0004),
        (events.SharedMoved("away", "timeout"), 'shared_transitions_total{to="away"}', 1),
        (events.SharedDamaged("sum"), 'shared_damaged_total{kind="sum"}', 1),
        (events.FetchLed("followed"), 'shared_fetches_total{result="followed"}', 1),
        (events.Faulted("request", ValueError()), 'faults_total{where="request"}', 1),
    ],
)  # fmt: skip
def test_an_event_is_counted_where_it_belongs(happened: events.Event, series: str, value: float) -> None:
    name = series if series.startswith("http_") else f"stock_service_{series}"
    assert after(happened)[name] == value


def test_a_lifted_override_and_an_accepted_key_are_seen() -> None:
    seen = after(
        events.BreakerOverridden("force_open", "ops"),
        events.CredentialLatched(60.0),
        events.BreakerOverridden("none", "ops"),
        events.CredentialAccepted(),
    )
    assert (seen["stock_service_circuit_breaker_override"], seen["stock_service_credential_latched"]) == (0, 0)


def test_a_reset_leaves_the_override_that_is_in_force() -> None:
    seen = after(events.BreakerOverridden("force_open", "ops"), events.BreakerOverridden("reset", "ops"))
    assert seen["stock_service_circuit_breaker_override"] == 1


def test_every_metric_of_the_table_is_filled_by_somebody() -> None:
    """The table cannot grow a metric that nothing counts."""
    source = Path(counters_file.__file__).read_text()
    fed = {node.attr for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Attribute)}
    fed |= {node.attr for node in ast.walk(ast.parse((ROOT / "src/stock_service/telemetry/metrics.py").read_text()))
            if isinstance(node, ast.Attribute)}  # fmt: skip
    names = {name for name, value in vars(table).items() if isinstance(value, table.Metric)}
    assert names <= fed


def test_events_without_a_question_change_nothing() -> None:
    before = samples(exporter())
    seen = after(events.Warned("x"), events.Started("a", "v", "q"))
    assert own(seen) == own(before)


def test_answers_of_the_hit_path_are_counted_like_all_others() -> None:
    ok, gone = Series("bars", "GET", 200), Series("bars", "GET", 404)
    ok.answered, ok.not_modified, ok.stale = 5, 2, 1
    gone.answered = 1
    ok.seconds, gone.seconds = 7 * 0.00002, 0.00002
    counters = Counters(SETS)
    counters.notify(finished(200, 0.02))
    counters.notify(events.CacheHit("bars", "team"))
    exported = exporter(counters, series=lambda: (ok, gone))
    for _ in range(2):  # a scrape must not add to what it reads
        seen = samples(exported)
        requests = 'http_requests_total{method="GET",route="bars",status="%d"}'
        assert [seen[requests % status] for status in (200, 304, 404)] == [6, 2, 1]
        seconds = 'http_request_duration_seconds_%s,method="GET",route="bars"}'
        assert seen[seconds % 'bucket{le="5e-05"'] == 8
        assert seen[seconds % 'bucket{le="+Inf"'] == 9
        assert seen["stock_service_cache_hits_total"] == 9
        assert seen["stock_service_hit_path_served_total"] == 8
        assert seen["stock_service_cache_stale_served_total"] == 1


def test_both_paths_count_in_the_same_buckets() -> None:
    assert table.REQUEST_EDGES == EDGES
    assert 2.0 in EDGES


def test_levels_are_read_at_each_scrape() -> None:
    level = [QuotaLevel(5, 0)]
    exported = exporter(
        quota=lambda: level[0],
        cache=lambda: CacheSize(3, 4_096, 1),
        breaker_state=lambda: 2,
        breaker_due=lambda: 7.5,
        breaker=lambda: {"bars": 2, "quotes": 0},
        in_progress=lambda: 4,
        log_dropped=lambda: 6,
        fallthroughs=lambda: {"stale": 9},
        clients=lambda: (ClientUsage("team", 10, 2, 1),),
    )
    level[0] = QuotaLevel(0, 7)
    seen = {name.removeprefix("stock_service_"): value for name, value in samples(exported).items()}
    expected = {
        "quota_remaining": 0, "quota_waiting": 7, "cache_entries": 3, "cache_bytes": 4_096, "cache_evictions_total": 1,
        "circuit_breaker_state": 2, "circuit_breaker_due_seconds": 7.5,
        'circuit_breaker_endpoint_state{endpoint="quotes"}': 0, "requests_in_progress": 4,
        "log_lines_dropped_total": 6, 'hit_path_fallthrough_total{why="stale"}': 9,
        'client_requests_total{client="team"}': 10, 'client_vendor_calls_total{client="team"}': 2,
        'client_limited_total{client="team"}': 1,
    }  # fmt: skip
    assert {name: seen[name] for name in expected} == expected
    assert ClientCounts._fields == ClientUsage._fields


def test_the_text_is_byte_for_byte_what_the_library_would_write() -> None:
    text = busy().render("")[1].decode().split("# HELP process_")[0]
    families: Any = Families(list(read_text(text)))
    assert generate_latest(families).decode() == text


def test_openmetrics_is_valid_and_says_the_same() -> None:
    exported = busy()
    content_type, body = exported.render("application/openmetrics-text;version=1.0.0;q=0.6,text/plain;q=0.3")
    assert content_type.startswith("application/openmetrics-text; version=1.0.0")
    assert body.endswith(b"# EOF\n")
    assert own(flat(parse_openmetrics(body.decode()))) == own(flat(read_text(exported.render("")[1].decode())))


@pytest.mark.parametrize(
    "accept", ["", "*/*", "text/html", "text/plain;version=abc;escaping=\xff", "application/openmetrics-textual", ";,;"]
)
def test_everybody_else_gets_the_plain_text_format(accept: str) -> None:
    assert exporter().render(accept)[0] == "text/plain; version=0.0.4; charset=utf-8"


@pytest.mark.parametrize(
    ("content", "limit"), [("268435456\n", 268_435_456), ("max\n", 0), (str(9223372036854771712), 0), (None, 0)]
)
def test_the_memory_limit_is_the_containers(tmp_path: Path, content: str | None, limit: int) -> None:
    if content is not None:
        (tmp_path / "memory.max").write_text(content)
    assert read_memory_limit([tmp_path / "none", tmp_path / "memory.max"]) == limit


def test_the_page_of_metrics_is_printed_from_the_table() -> None:
    assert (ROOT / "docs" / "metrics.md").read_text() == render_page()
    assert [row["name"] for row in json.loads(render_json())] == [metric.name for metric in TABLE]


def test_names_follow_the_conventions_and_are_unique() -> None:
    assert len({metric.name for metric in TABLE}) == len(TABLE)
    for metric in TABLE:
        assert metric.name.endswith("_total") is (metric.kind is Kind.COUNTER)
        assert bool(metric.edges) is (metric.kind is Kind.HISTOGRAM)
        assert list(metric.edges) == sorted(set(metric.edges))
        assert metric.question[-1] in "?."
