"""What the dashboards show: for each, its panels, and for each panel the question it answers and its queries.

Only data. Every query names one namespace; every metric is one of `telemetry/table.py`, a recorded series of the
chart, or the cluster's. `scripts/write_dashboards.py` builds the JSON.
"""

from __future__ import annotations

from dataclasses import dataclass

SELECT = 'job="stock-service",namespace="$namespace"'
RECORDED = '{namespace="$namespace"}'
REQUESTS = f'{SELECT},route!~"health|ready|metrics"'


@dataclass(frozen=True, slots=True)
class Query:
    """One PromQL expression and the legend of its series."""

    expr: str
    legend: str = ""


@dataclass(frozen=True, slots=True)
class Panel:
    """A graph. `question` is its description, `limit` a red line where an alert stands."""

    title: str
    question: str
    unit: str
    queries: tuple[Query, ...]
    limit: float | None = None


@dataclass(frozen=True, slots=True)
class Board:
    """A dashboard; alerts link to it by `uid`."""

    uid: str
    title: str
    panels: tuple[Panel, ...]


def _rate(metric: str, by: str = "", select: str = SELECT) -> str:
    return f"sum by ({by}) (rate({metric}{{{select}}}[5m]))"


def _quantile(share: float, metric: str, by: str = "", select: str = SELECT) -> str:
    labels = f"le, {by}" if by else "le"
    return f"histogram_quantile({share}, sum by ({labels}) (rate({metric}_bucket{{{select}}}[5m])))"


GOLDEN = Board(
    "stock-golden",
    "Stock Service: golden signals",
    (
        Panel(
            "Requests",
            "How much is asked, by route?",
            "reqps",
            (Query(_rate("http_requests_total", "route", REQUESTS), "{{route}}"),),
        ),
        Panel(
            "Error ratio",
            "Which share of the answers are our 5xx? The alert stands at 10 %.",
            "percentunit",
            (
                Query(f"stock_service:error_ratio:rate5m{RECORDED}", "all"),
                Query(f"stock_service:own_error_ratio:rate5m{RECORDED}", "ours alone (500)"),
            ),
            limit=0.1,
        ),
        Panel(
            "Answers by status",
            "What do clients get?",
            "reqps",
            (Query(_rate("http_requests_total", "status", REQUESTS), "{{status}}"),),
        ),
        Panel(
            "Latency",
            "How long do clients wait? The alert stands at 2 seconds.",
            "s",
            (
                Query(_quantile(0.5, "http_request_duration_seconds", "", REQUESTS), "p50"),
                Query(f"stock_service:latency_p95_seconds:rate5m{RECORDED}", "p95"),
                Query(f"stock_service:latency_p99_seconds:rate5m{RECORDED}", "p99"),
            ),
            limit=2,
        ),
        Panel(
            "p95 by route",
            "Which route is the slow one?",
            "s",
            (Query(_quantile(0.95, "http_request_duration_seconds", "route", REQUESTS), "{{route}}"),),
        ),
        Panel(
            "CPU",
            "How much of a core does each pod use? The autoscaler adds pods at 70 % of the request, 0.175.",
            "none",
            (Query(f"rate(process_cpu_seconds_total{{{SELECT}}}[5m])", "{{pod}}"),),
            limit=0.175,
        ),
        Panel(
            "Memory",
            "How near is each pod to its limit?",
            "bytes",
            (
                Query(f"process_resident_memory_bytes{{{SELECT}}}", "{{pod}}"),
                Query(f"max(stock_service_memory_limit_bytes{{{SELECT}}})", "limit"),
            ),
        ),
        Panel(
            "Requests in progress",
            "Does work pile up on the slow path?",
            "none",
            (Query(f"sum(stock_service_requests_in_progress{{{SELECT}}})", "running"),),
        ),
        Panel(
            "Pods",
            "How many are scraped, and which versions run?",
            "none",
            (
                Query(f"sum(up{{{SELECT}}})", "up"),
                Query(f"count by (version) (stock_service_build_info{{{SELECT}}})", "{{version}}"),
            ),
        ),
        Panel(
            "Bugs and stalls",
            "Unexpected exceptions, and moments in which the event loop stood still.",
            "none",
            (
                Query(f"sum by (where) (increase(stock_service_faults_total{{{SELECT}}}[5m]))", "fault in {{where}}"),
                Query(f"sum(increase(stock_service_loop_stalls_total{{{SELECT}}}[5m]))", "stalls"),
            ),
        ),
    ),
)

CACHE = Board(
    "stock-cache",
    "Stock Service: cache",
    (
        Panel(
            "Hit ratio",
            "Which share is answered without the vendor? The alert stands at 50 %.",
            "percentunit",
            (Query(f"stock_service:cache_hit_ratio:rate5m{RECORDED}", "hit ratio"),),
            limit=0.5,
        ),
        Panel(
            "Hits and misses",
            "How much of each?",
            "reqps",
            (
                Query(_rate("stock_service_cache_hits_total"), "hits"),
                Query(_rate("stock_service_cache_misses_total"), "misses"),
                Query(_rate("stock_service_cache_coalesced_total"), "joined a running call"),
            ),
        ),
        Panel(
            "Stale answers",
            "How many were past their fresh time, and how many because the vendor could not be had?",
            "reqps",
            (
                Query(_rate("stock_service_cache_stale_served_total"), "all"),
                Query(_rate("stock_service_cache_stale_on_error_total"), "vendor could not be had"),
            ),
        ),
        Panel(
            "Age of stale answers",
            "How old was the old data?",
            "s",
            (Query(_quantile(0.95, "stock_service_cache_stale_age_seconds"), "p95"),),
        ),
        Panel(
            "Size",
            "How full is each pod's cache?",
            "bytes",
            (Query(f"stock_service_cache_bytes{{{SELECT}}}", "{{pod}}"),),
        ),
        Panel(
            "Entries and evictions",
            "Is it too small?",
            "none",
            (
                Query(f"sum(stock_service_cache_entries{{{SELECT}}})", "entries"),
                Query(f"sum(increase(stock_service_cache_evictions_total{{{SELECT}}}[5m]))", "evicted in 5 minutes"),
            ),
        ),
        Panel(
            "Hit path",
            "How much is answered below the framework?",
            "reqps",
            (Query(_rate("stock_service_hit_path_served_total"), "served"),),
        ),
        Panel(
            "Refreshes that failed",
            "Are kept answers growing old in silence?",
            "reqps",
            (Query(_rate("stock_service_cache_refresh_failures_total"), "failed"),),
        ),
    ),
)

VENDOR = Board(
    "stock-vendor",
    "Stock Service: vendor and quota",
    (
        Panel(
            "Circuit breaker",
            "Is the vendor being asked? 0 closed, 1 half-open, 2 open.",
            "none",
            (Query(f"stock_service_circuit_breaker_state{{{SELECT}}}", "{{pod}}"),),
            limit=2,
        ),
        Panel(
            "Openings",
            "Did it open between two scrapes?",
            "none",
            (
                Query(
                    f"sum by (from, to) (increase(stock_service_circuit_breaker_transitions_total{{{SELECT}}}[5m]))",
                    "{{from}} to {{to}}",
                ),
            ),
        ),
        Panel(
            "Calls by outcome",
            "How well does the vendor answer?",
            "reqps",
            (Query(_rate("stock_service_stock_api_duration_seconds_count", "outcome"), "{{outcome}}"),),
        ),
        Panel(
            "Vendor latency",
            "How fast?",
            "s",
            (Query(_quantile(0.95, "stock_service_stock_api_duration_seconds", "endpoint"), "p95 {{endpoint}}"),),
        ),
        Panel(
            "Calls left",
            "How many vendor calls could be made at once?",
            "none",
            (Query(f"stock_service_quota_remaining{{{SELECT}}}", "{{pod}}"),),
        ),
        Panel(
            "Waiting and refused",
            "Does the plan suffice?",
            "none",
            (
                Query(f"sum(stock_service_quota_waiting{{{SELECT}}})", "waiting"),
                Query(
                    f"sum by (priority) (increase(stock_service_quota_refused_total{{{SELECT}}}[5m]))",
                    "refused, {{priority}}",
                ),
            ),
        ),
        Panel(
            "Wait for a slot",
            "How long did calls wait?",
            "s",
            (Query(_quantile(0.95, "stock_service_quota_wait_seconds", "priority"), "p95 {{priority}}"),),
        ),
        Panel(
            "Vendor's refusals",
            "Does it say 429 although we pace ourselves? Does it refuse our key? Does it answer at all?",
            "none",
            (
                Query(f"sum(increase(stock_service_stock_api_limited_total{{{SELECT}}}[5m]))", "429"),
                Query(f"max(stock_service_credential_latched{{{SELECT}}})", "key refused"),
                Query(f"min(stock_service_upstream_reachable{{{SELECT}}})", "reachable"),
            ),
        ),
        Panel(
            "Retries",
            "Were failed calls repeated?",
            "reqps",
            (Query(_rate("stock_service_stock_api_retries_total", "result"), "{{result}}"),),
        ),
    ),
)

SLO = Board(
    "stock-slo",
    "Stock Service: objective 99 %",
    (
        Panel(
            "Error ratio over windows",
            "How fast is the budget of 1 % being burnt? Pages at 14.4 and 6 times, a warning at once.",
            "percentunit",
            tuple(
                Query(f"stock_service:error_ratio:rate{window}{RECORDED}", window)
                for window in ("5m", "30m", "1h", "6h", "3d")
            ),
            limit=0.144,
        ),
        Panel(
            "Burn rate",
            "In budgets: 1 is just what the objective allows.",
            "none",
            (
                Query(f"stock_service:error_ratio:rate1h{RECORDED} / 0.01", "1 hour"),
                Query(f"stock_service:error_ratio:rate6h{RECORDED} / 0.01", "6 hours"),
            ),
        ),
        Panel(
            "Good answers",
            "The share of answers that were no error, over three days.",
            "percentunit",
            (Query(f"1 - stock_service:error_ratio:rate3d{RECORDED}", "3 days"),),
        ),
        Panel(
            "Answers under 2 seconds",
            "The share of answers in time.",
            "percentunit",
            (
                Query(
                    f'sum(rate(http_request_duration_seconds_bucket{{{REQUESTS},le="2.0"}}[5m])) / '
                    f"sum(rate(http_request_duration_seconds_count{{{REQUESTS}}}[5m]))",
                    "in time",
                ),
            ),
        ),
    ),
)

CLIENTS = Board(
    "stock-clients",
    "Stock Service: clients",
    (
        Panel(
            "Requests by client",
            "Who asks how much? The name is the key's id.",
            "reqps",
            (Query(_rate("stock_service_client_requests_total", "client"), "{{client}}"),),
        ),
        Panel(
            "Vendor calls by client",
            "Who spends the vendor's call budget?",
            "reqps",
            (Query(_rate("stock_service_client_vendor_calls_total", "client"), "{{client}}"),),
        ),
        Panel(
            "Limited",
            "Who runs into their own limit?",
            "reqps",
            (Query(_rate("stock_service_client_limited_total", "client"), "{{client}}"),),
        ),
    ),
)

SHARED = Board(
    "stock-shared",
    "Stock Service: shared store",
    (
        Panel(
            "Pods without it",
            "How many pods do without the store, and how many keep to their own share of the vendor's plan?",
            "short",
            (
                Query(f"count(stock_service_shared_state{{{SELECT}}} == 2) or vector(0)", "store away"),
                Query(f"sum(stock_service_shared_budget_local{{{SELECT}}})", "own share of the plan"),
            ),
            limit=1,
        ),
        Panel(
            "Reads",
            "How many answers did another pod have already?",
            "ops",
            (
                Query(
                    _rate("stock_service_shared_operations_total", "result", f'{SELECT},operation="get"'),
                    "{{result}}",
                ),
            ),
        ),
        Panel(
            "Fetches",
            "How many fetches met other pods: led, followed another's, waited in vain, went alone?",
            "ops",
            (Query(_rate("stock_service_shared_fetches_total", "result"), "{{result}}"),),
        ),
        Panel(
            "Exchange time",
            "How long does the store take? Nobody waits longer than 50 ms.",
            "s",
            (
                Query(_quantile(0.5, "stock_service_shared_exchange_seconds"), "p50"),
                Query(_quantile(0.99, "stock_service_shared_exchange_seconds"), "p99"),
            ),
            limit=0.05,
        ),
        Panel(
            "Faults",
            "What goes wrong?",
            "ops",
            (
                Query(
                    _rate("stock_service_shared_operations_total", "result", f'{SELECT},result!~"hit|miss|ok"'),
                    "{{result}}",
                ),
            ),
        ),
        Panel(
            "Damaged values",
            "Does it hold what is not ours or is broken? None is served.",
            "short",
            (
                Query(
                    f"sum by (kind) (increase(stock_service_shared_damaged_total{{{SELECT}}}[15m]))",
                    "{{kind}}",
                ),
            ),
        ),
    ),
)

BOARDS = (GOLDEN, CACHE, VENDOR, SLO, CLIENTS, SHARED)
