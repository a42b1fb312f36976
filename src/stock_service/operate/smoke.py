"""The gate after a deployment: is this our service, ready, of the right version, and does it answer a question?

Stricter than curl, which is content with any page. It asks the vendor at most once, for something that is cached.
"""

from __future__ import annotations

from stock_service.operate.asking import Service, Told
from stock_service.operate.checks import Check, Finding, check

_QUESTION = "/v2/aggs/ticker/AAPL/prev"
# What the runbook's alerts compare, each with a label or a suffix that they read.
_SERIES = (
    'http_requests_total{method="GET",route="prev",status="500"}',
    'http_request_duration_seconds_bucket{le="2.0",method="GET",route="prev"}',
    "stock_service_circuit_breaker_state ",
    "stock_service_cache_hits_total ",
    "stock_service_cache_misses_total ",
    "stock_service_stock_api_duration_seconds_bucket{",
)


def smoke(service: Service, expected_version: str = "") -> list[Check]:
    """Return one check for each thing that has to be right.

    Raises:
        NobodyAnswers: there is nothing at the address.
    """
    health = service.ask("/health")
    return [
        *_health(health, expected_version),
        _readiness(service.ask("/ready")),
        _metrics(service.ask("/metrics")),
        _question(service.ask(_QUESTION), with_key=service.key is not None),
    ]


def _health(told: Told, expected_version: str) -> list[Check]:
    content = told.json()
    report = content if isinstance(content, dict) and content.get("service") == "stock-service" else {}
    if told.status != 200 or not report:
        return [check("health", False, f"{told.status}, and no health report of ours", "service-down")]
    status, version = report["status"], report["version"]
    told_breaker = f"{status}, breaker {report['circuit_breaker']}"
    found = [check("health", status == "ok", told_breaker, "circuit-breaker-open")]
    if expected_version:
        found.append(check("version", version == expected_version, str(version), "rollout-stuck"))
    return found


def _readiness(told: Told) -> Check:
    return check("readiness", told.status == 200, str(told.status), "service-down")


def _metrics(told: Told) -> Check:
    if told.status == 403:
        return Check("metrics", Finding.UNKNOWN, "403: this network is not on the list")
    text = told.body.decode("utf-8", "replace")
    lacking = [series for series in _SERIES if f"\n{series}" not in text]
    words = f"lacks {', '.join(lacking)}" if lacking else "all that the alerts read"
    return check("metrics", told.status == 200 and not lacking, words, "after-a-deployment")


def _question(told: Told, *, with_key: bool) -> Check:
    name = f"GET {_QUESTION}"
    if told.status == 401 and not with_key:
        return check(name, True, "401: it asks for a client key, as it should; give one with --key to go on")
    content = told.json()
    answered = told.status == 200 and isinstance(content, dict) and bool(content.get("results"))
    cached = told.headers.get("cache-status", "")
    ours = cached.startswith("stock-service")
    return check(name, answered and ours, f"{told.status} in {told.seconds:.3f} s; {cached}", "high-error-rate")
