"""The gate after a deployment: is this our service, ready, of the right version, and does it answer a question?

Stricter than curl, which is content with any page. It asks the vendor at most once, for something that is cached.
"""

from __future__ import annotations

from stock_service.operate.asking import Service, Told
from stock_service.operate.checks import Check, Finding, check

_QUESTION = "/v2/aggs/ticker/AAPL/prev"
_METRICS = (
    "http_requests_total",
    "http_request_duration_seconds_bucket",
    "stock_service_circuit_breaker_state",
    "stock_service_cache_hits_total",
    "stock_service_cache_misses_total",
    "stock_service_stock_api_duration_seconds_bucket",
)


def smoke(service: Service, expected_version: str = "") -> list[Check]:
    """Return one check for each thing that has to be right.

    Raises:
        NobodyAnswers: there is nothing at the address.
    """
    health = service.ask("/health")
    return [
        _health(health),
        _readiness(service.ask("/ready")),
        *_metrics(service.ask("/metrics"), expected_version),
        _question(service.ask(_QUESTION), with_key=service.key is not None),
    ]


def _health(told: Told) -> Check:
    content = told.json()
    status = content.get("status") if isinstance(content, dict) else None
    if told.status != 200 or status not in ("ok", "degraded"):
        return check("health", False, f"{told.status}, and no health report of ours", "service-down")
    return check(
        "health", status == "ok", f"{status}, breaker {content.get('circuit_breaker')}", "circuit-breaker-open"
    )


def _readiness(told: Told) -> Check:
    return check("readiness", told.status == 200, str(told.status), "service-down")


def _metrics(told: Told, expected_version: str) -> list[Check]:
    if told.status == 403:
        return [Check("metrics", Finding.UNKNOWN, "403: this network is not on the list", "after-a-deployment")]
    text = told.body.decode("utf-8", "replace")
    lacking = [name for name in _METRICS if f"\n{name}" not in text]
    found = [
        check("metrics", told.status == 200 and not lacking, f"lacks {', '.join(lacking)}" if lacking else "all there")
    ]
    if expected_version:
        runs = text.partition("stock_service_build_info{")[2].partition("}")[0]
        found.append(check("version", f'version="{expected_version}"' in runs, runs or "not told", "rollout-stuck"))
    return found


def _question(told: Told, *, with_key: bool) -> Check:
    name = f"GET {_QUESTION}"
    if told.status == 401 and not with_key:
        return check(name, True, "401: it asks for a client key, as it should; give one with --key to go on")
    content = told.json()
    answered = told.status == 200 and isinstance(content, dict) and bool(content.get("results"))
    return check(name, answered, f"{told.status} in {told.seconds:.3f} s", "high-error-rate")
