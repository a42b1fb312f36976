"""Every metric of the service, in one table: what it is called and which question it answers.

The exporter makes the metrics from it, docs/metrics.md is printed from it, dashboards and alerts are checked against
it. Names and labels are a promise to whoever alerts on them. Always holds: every label has a closed set of values;
no ticker, path, message or credential is ever one.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """How a metric behaves; the words of the exposition format."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


class Use(StrEnum):
    """What a metric is for."""

    ALERT = "alert"
    DASHBOARD = "dashboard"
    DIAGNOSIS = "diagnosis"


@dataclass(frozen=True, slots=True, eq=False)
class Metric:
    """One metric, compared by identity. `edges` are upper bounds of a histogram, in `unit`."""

    name: str
    kind: Kind
    labels: tuple[str, ...]
    unit: str
    question: str
    use: Use
    edges: tuple[float, ...] = ()


# From a hit of 50 µs to the longest a request may take; 2 is exact because the latency alert compares with it.
# fmt: off
REQUEST_EDGES = (0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 1.5,
                 2.0, 2.5, 5.0, 10.0, 30.0)
VENDOR_EDGES = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 2.5, 5.0, 10.0)
WAIT_EDGES = (0.01, 0.1, 0.5, 1.0, 2.0, 4.0, 8.0, 15.0, 60.0)
SHARED_EDGES = (0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25)
STALE_EDGES = (1.0, 10.0, 60.0, 300.0, 900.0, 3_600.0, 21_600.0, 86_400.0)

REQUESTS = Metric("http_requests_total", Kind.COUNTER, ("method", "route", "status"), "answers",
                  "How much is asked, and how much of it fails?", Use.ALERT)
REQUEST_SECONDS = Metric("http_request_duration_seconds", Kind.HISTOGRAM, ("method", "route"), "seconds",
                         "How long do clients wait?", Use.ALERT, REQUEST_EDGES)
CLIENT_REQUESTS = Metric("stock_service_client_requests_total", Kind.COUNTER, ("client",), "requests",
                         "Who asks how much? `client` is a key's id.", Use.DASHBOARD)
CLIENT_CALLS = Metric("stock_service_client_vendor_calls_total", Kind.COUNTER, ("client",), "calls",
                      "Who spends the vendor's call budget?", Use.DASHBOARD)
CLIENT_LIMITED = Metric("stock_service_client_limited_total", Kind.COUNTER, ("client",), "requests",
                        "Who runs into their own request limit?", Use.DASHBOARD)

BREAKER_STATE = Metric("stock_service_circuit_breaker_state", Kind.GAUGE, (), "0 closed, 1 half-open, 2 open",
                       "Is the vendor being asked?", Use.ALERT)
BREAKER_ENDPOINT = Metric("stock_service_circuit_breaker_endpoint_state", Kind.GAUGE, ("endpoint",),
                          "0 closed, 1 half-open, 2 open", "For which part of the vendor?", Use.DIAGNOSIS)
BREAKER_DUE = Metric("stock_service_circuit_breaker_due_seconds", Kind.GAUGE, (), "seconds",
                     "Open: for how long has it waited for somebody to ask, who alone closes it?", Use.ALERT)
BREAKER_MOVES = Metric("stock_service_circuit_breaker_transitions_total", Kind.COUNTER, ("from", "to"), "transitions",
                       "Did it open between two scrapes? Is it flapping?", Use.ALERT)
BREAKER_OVERRIDE = Metric("stock_service_circuit_breaker_override", Kind.GAUGE, (),
                          "0 none, 1 forced open, 2 forced closed", "Has somebody overruled it?", Use.ALERT)
BREAKER_LATE = Metric("stock_service_circuit_breaker_late_results_total", Kind.COUNTER, (), "results",
                      "How many results came too late to count?", Use.DIAGNOSIS)

HITS = Metric("stock_service_cache_hits_total", Kind.COUNTER, (), "answers",
              "How much is answered from memory?", Use.ALERT)
MISSES = Metric("stock_service_cache_misses_total", Kind.COUNTER, (), "answers",
                "How much needs the vendor?", Use.ALERT)
ENTRIES = Metric("stock_service_cache_entries", Kind.GAUGE, (), "answers", "How many answers are kept?", Use.DASHBOARD)
BYTES = Metric("stock_service_cache_bytes", Kind.GAUGE, (), "bytes", "How much of its memory does the cache use?",
               Use.DASHBOARD)
EVICTIONS = Metric("stock_service_cache_evictions_total", Kind.COUNTER, (), "answers",
                   "Is the cache too small?", Use.DASHBOARD)
STALE = Metric("stock_service_cache_stale_served_total", Kind.COUNTER, (), "answers",
               "How many answers were past their fresh time, for whatever reason?", Use.DASHBOARD)
STALE_FORCED = Metric("stock_service_cache_stale_on_error_total", Kind.COUNTER, (), "answers",
                      "How many of them because the vendor could not be had?", Use.ALERT)
STALE_AGE = Metric("stock_service_cache_stale_age_seconds", Kind.HISTOGRAM, (), "seconds",
                   "How old were the stale answers of the slow path?", Use.ALERT, STALE_EDGES)
COALESCED = Metric("stock_service_cache_coalesced_total", Kind.COUNTER, (), "requests",
                   "How many requests shared a vendor call that was already under way?", Use.DASHBOARD)
RESCALED = Metric("stock_service_cache_rescaled_total", Kind.COUNTER, (), "answers and series",
                  "How much became stale because a ticker split?", Use.DIAGNOSIS)
PURGED = Metric("stock_service_cache_purged_total", Kind.COUNTER, (), "answers and series",
                "How much did operators have forgotten?", Use.DIAGNOSIS)
OLDER_DROPPED = Metric("stock_service_cache_older_dropped_total", Kind.COUNTER, (), "answers",
                       "How often did an answer arrive after a newer one?", Use.DIAGNOSIS)
REFRESH_FAILED = Metric("stock_service_cache_refresh_failures_total", Kind.COUNTER, (), "refreshes",
                        "How many refreshes in the background failed?", Use.ALERT)
HIT_PATH = Metric("stock_service_hit_path_served_total", Kind.COUNTER, (), "answers",
                  "How much is answered below the framework?", Use.DASHBOARD)
FALLTHROUGHS = Metric("stock_service_hit_path_fallthrough_total", Kind.COUNTER, ("why",), "requests",
                      "Why were requests handed on to the slow path?", Use.DIAGNOSIS)

WARM_TARGETS = Metric("stock_service_warm_targets", Kind.GAUGE, (), "series",
                      "How many series of bars are to be kept ready?", Use.DASHBOARD)
WARM_LEFT = Metric("stock_service_warm_left", Kind.GAUGE, (), "series",
                   "How many of them are not ready yet?", Use.DASHBOARD)
WARM_CALLS = Metric("stock_service_warm_vendor_calls_total", Kind.COUNTER, (), "calls",
                    "How much of the vendor's budget does warming use?", Use.DASHBOARD)

VENDOR_SECONDS = Metric("stock_service_stock_api_duration_seconds", Kind.HISTOGRAM, ("endpoint", "outcome"), "seconds",
                        "How fast and how well does the vendor answer?", Use.ALERT, VENDOR_EDGES)
RETRIES = Metric("stock_service_stock_api_retries_total", Kind.COUNTER, ("result",), "failed attempts",
                 "Were failed attempts followed by another, and if not, why?", Use.DIAGNOSIS)
VENDOR_LIMITED = Metric("stock_service_stock_api_limited_total", Kind.COUNTER, (), "answers",
                        "Does the vendor say 429 although we pace ourselves?", Use.ALERT)
REACHABLE = Metric("stock_service_upstream_reachable", Kind.GAUGE, (), "0 or 1",
                   "Did the last exchange bring any HTTP answer? 1 until the first one.", Use.ALERT)
CREDENTIAL_LATCHED = Metric("stock_service_credential_latched", Kind.GAUGE, (), "0 or 1",
                            "Does the vendor refuse our own key?", Use.ALERT)

QUOTA_LEFT = Metric("stock_service_quota_remaining", Kind.GAUGE, (), "calls",
                    "How many vendor calls could be made at once?", Use.ALERT)
QUOTA_WAITING = Metric("stock_service_quota_waiting", Kind.GAUGE, (), "calls",
                       "How many wait for a slot?", Use.DASHBOARD)
QUOTA_SECONDS = Metric("stock_service_quota_wait_seconds", Kind.HISTOGRAM, ("priority",), "seconds",
                       "How long did calls wait for their slot?", Use.DASHBOARD, WAIT_EDGES)
QUOTA_REFUSED = Metric("stock_service_quota_refused_total", Kind.COUNTER, ("priority",), "calls",
                       "How many found no slot soon enough?", Use.ALERT)

SHARED_STATE = Metric("stock_service_shared_state", Kind.GAUGE, (), "0 none configured, 1 in use, 2 away",
                      "Is the shared store, or the disk tier, used?", Use.ALERT)
SHARED_MOVES = Metric("stock_service_shared_transitions_total", Kind.COUNTER, ("to",), "transitions",
                      "Did it go away between two scrapes?", Use.DASHBOARD)
SHARED_OPERATIONS = Metric("stock_service_shared_operations_total", Kind.COUNTER, ("operation", "result"), "operations",
                           "What is asked of it, and what comes of it?", Use.ALERT)
SHARED_SECONDS = Metric("stock_service_shared_exchange_seconds", Kind.HISTOGRAM, (), "seconds",
                        "How long does it take to answer?", Use.DASHBOARD, SHARED_EDGES)
SHARED_FETCHES = Metric("stock_service_shared_fetches_total", Kind.COUNTER, ("result",), "fetches",
                        "How many fetches did another pod spare us?", Use.DASHBOARD)
SHARED_DAMAGED = Metric("stock_service_shared_damaged_total", Kind.COUNTER, ("kind",), "values",
                        "Does it hold what is not ours or is broken?", Use.ALERT)
SHARED_BUDGET = Metric("stock_service_shared_budget_local", Kind.GAUGE, (), "0 or 1",
                       "Does this pod keep to its own share of the vendor's plan, for want of the common book?",
                       Use.ALERT)

IN_PROGRESS = Metric("stock_service_requests_in_progress", Kind.GAUGE, (), "requests",
                     "How many requests run on the slow path now?", Use.DASHBOARD)
REFUSED = Metric("stock_service_connections_refused_total", Kind.COUNTER, ("kind",), "connections",
                 "How much was refused before it was a request?", Use.DIAGNOSIS)
STALLS = Metric("stock_service_loop_stalls_total", Kind.COUNTER, (), "stalls",
                "Did the event loop stop running?", Use.ALERT)
STALLED_SECONDS = Metric("stock_service_loop_stalled_seconds_total", Kind.COUNTER, (), "seconds",
                         "For how long?", Use.DIAGNOSIS)
FAULTS = Metric("stock_service_faults_total", Kind.COUNTER, ("where",), "exceptions",
                "Have we bugs? Each has a traceback in the log.", Use.ALERT)
DRAINING = Metric("stock_service_draining", Kind.GAUGE, (), "0 or 1", "Is it shutting down?", Use.DASHBOARD)
ABORTED = Metric("stock_service_shutdown_aborted_requests_total", Kind.COUNTER, (), "requests",
                 "Did shutting down cost anybody an answer?", Use.ALERT)
LOG_DROPPED = Metric("stock_service_log_lines_dropped_total", Kind.COUNTER, (), "lines",
                     "Is the log incomplete because nobody reads it fast enough?", Use.DIAGNOSIS)
BUILD = Metric("stock_service_build_info", Kind.GAUGE, ("version", "commit"), "always 1", "What runs here?", Use.ALERT)
MEMORY_LIMIT = Metric("stock_service_memory_limit_bytes", Kind.GAUGE, (), "bytes",
                      "At how many bytes is the container stopped? 0: no limit.", Use.ALERT)
# fmt: on

TABLE: tuple[Metric, ...] = tuple(value for value in list(globals().values()) if isinstance(value, Metric))
