"""For every alert: series just over its threshold, just under it, and loud ones whose onset is known to the second."""

from __future__ import annotations

from dataclasses import dataclass

JOB = 'job="stock-service",namespace="stock-service"'
POD = JOB + ',pod="a"'
LENGTH = 600
STEADY = 2400
Series = dict[str, str]


@dataclass(frozen=True, slots=True)
class Case:
    """`loud` holds from `onset` seconds on; `waits` is the rule's `for`. `steady` is when rates have settled."""

    over: Series
    under: Series
    loud: Series
    onset: int = 0
    waits: int = 0
    every: int = 15
    steady: int = STEADY
    firing: int = 1


def flat(value: float) -> str:
    """A gauge that stays."""
    return f"{value}+0x{LENGTH}"


def rise(per_second: float, every: int = 15) -> str:
    """A counter that grows evenly."""
    return f"0+{per_second * every}x{LENGTH}"


def pods(metric: str, *values: float, extra: str = "") -> Series:
    """One gauge a pod."""
    return {f'{metric}{{{JOB},pod="{pod}"{extra}}}': flat(value) for pod, value in enumerate(values)}


def up_in(namespace: str) -> Series:
    """A target that answers, of our job; without the label when the namespace is empty."""
    return {f'up{{job="stock-service",namespace="{namespace}"}}': flat(1)}


def requests(errors: float, good: float, every: int = 15, status: str = "503") -> Series:
    """Answers a second of both kinds; probes that always succeed must not count."""
    labels = f'{POD},method="GET",route="bars"'
    return {
        f'http_requests_total{{{labels},status="{status}"}}': rise(errors, every),
        f'http_requests_total{{{labels},status="200"}}': rise(good, every),
        f'http_requests_total{{{POD},method="GET",route="health",status="200"}}': rise(50, every),
    }


def latency(slow: float) -> Series:
    """Requests of which the share `slow` takes between 2 and 2.5 seconds, the others under one."""
    bucket = f'http_request_duration_seconds_bucket{{{POD},method="GET",route="bars",le="%s"}}'
    return {
        bucket % "1.0": rise(1 - slow),
        bucket % "2.0": rise(1 - slow),
        bucket % "2.5": rise(1),
        bucket % "+Inf": rise(1),
    }


def cache(hits: float, misses: float) -> Series:
    """Reads a second."""
    return {
        f"stock_service_cache_hits_total{{{POD}}}": rise(hits),
        f"stock_service_cache_misses_total{{{POD}}}": rise(misses),
    }


def memory(metric: str, share: float) -> Series:
    """A container of ours beside a limitless one."""
    ours = f'{POD},container="stock-service"'
    free = 'namespace="x",pod="b",container="free"'
    return {
        f"{metric}{{{ours}}}": flat(share * 1000),
        f"container_spec_memory_limit_bytes{{{ours}}}": flat(1000),
        **(
            {f"{metric}{{{free}}}": flat(1), f"container_spec_memory_limit_bytes{{{free}}}": flat(0)}
            if "working" in metric
            else {}
        ),
    }


def counter(metric: str, extra: str, per_second: float) -> Series:
    """One counter of one pod."""
    return {f"{metric}{{{POD}{extra}}}": rise(per_second)}


def kube(metric: str, labels: str, value: float) -> Series:
    """One series of kube-state-metrics."""
    return {f'{metric}{{namespace="stock-service",{labels}}}': flat(value)}


def certificate(metric: str, seconds: float) -> Series:
    """A certificate whose moment lies `seconds` from the start of the test."""
    return {f'{metric}{{name="stock-service",exported_namespace="stock-service"}}': flat(seconds)}


def replicas(updated: int) -> Series:
    """A deployment of three with so many pods of the newest template."""
    return kube("kube_deployment_status_replicas_updated", 'deployment="stock-service"', updated) | kube(
        "kube_deployment_spec_replicas", 'deployment="stock-service"', 3
    )


def at_ceiling(current: int) -> Series:
    """An autoscaler that may have twenty."""
    label = 'horizontalpodautoscaler="stock-service"'
    return kube("kube_horizontalpodautoscaler_status_current_replicas", label, current) | kube(
        "kube_horizontalpodautoscaler_spec_max_replicas", label, 20
    )


def versions(old: str) -> Series:
    """The new version, and an old one with its own values."""
    name = "stock_service_build_info"
    return {f'{name}{{{JOB},pod="n",version="2"}}': flat(1), f'{name}{{{JOB},pod="o",version="1"}}': old}


def stale(share: float) -> Series:
    """That share of one answer a second is stale because the vendor failed."""
    return counter("stock_service_cache_stale_on_error_total", "", share) | requests(0, 1)


def burn(ratio: float, every: int) -> Series:
    """Errors as a share of ten requests a second."""
    return requests(10 * ratio, 10 * (1 - ratio), every)


_STATE = "stock_service_circuit_breaker_state"
_DUE = "stock_service_circuit_breaker_due_seconds"
_MOVES = "stock_service_circuit_breaker_transitions_total"
_CLOSED_OPEN = ',from="closed",to="open"'
_AVAILABLE = ("kube_deployment_status_replicas_available", 'deployment="stock-service"')
_STUCK = ("kube_deployment_status_condition", 'deployment="stock-service",condition="Progressing",status="false"')
_BACKUP = ("kube_cronjob_status_last_successful_time", 'cronjob="stock-service-backup"')
_DAY = 86_400
_EXPIRES = "certmanager_certificate_expiration_timestamp_seconds"
_RENEWS = "certmanager_certificate_renewal_timestamp_seconds"

CASES: dict[str, Case] = {
    # The runbook's eight.
    "ServiceDown": Case(pods("up", 0), pods("up", 1), pods("up", 0), waits=60),
    "HighErrorRate": Case(requests(0.101, 0), requests(0.099, 100), requests(100, 0), onset=15, waits=300),
    "CircuitBreakerOpen": Case(pods(_STATE, 2, 1, 0), pods(_STATE, 1, 0), pods(_STATE, 2)),
    "HighLatency": Case(latency(0.051), latency(0.049), latency(1), onset=15, waits=600),
    "HighMemoryUsage": Case(
        memory("container_memory_usage_bytes", 0.901),
        memory("container_memory_usage_bytes", 0.9),
        memory("container_memory_usage_bytes", 1),
        waits=900,
    ),
    "LowCacheHitRate": Case(cache(0.99, 1.01), cache(1.01, 0.99), cache(0, 5), onset=15, waits=1800),
    "DeploymentCompleted": Case(replicas(3), replicas(2), replicas(3)),
    "CertificateExpiry": Case(
        certificate(_EXPIRES, STEADY + 30 * _DAY - 1),
        certificate(_EXPIRES, STEADY + 30 * _DAY),
        certificate(_EXPIRES, _DAY),
    ),
    # The forms that say what was meant.
    "StockServiceDown": Case(pods("up", 0, 1), pods("up", 0, 1, 1), pods("up", 0), waits=60),
    "StockServicePodDown": Case(pods("up", 0, 1, 1), pods("up", 1), pods("up", 0), waits=300),
    "StockServiceHighErrorRatio": Case(requests(1.01, 8.99), requests(0.99, 9.01), requests(9, 1), 15, 300),
    "StockServiceBreakerOpen": Case(
        pods(_STATE, 2, 0) | pods(_DUE, 600, 0),
        pods(_STATE, 2, 0, 1) | pods(_DUE, 0, 0, 0),
        pods(_STATE, 2) | pods(_DUE, 0),
    ),
    "StockServiceHighLatency": Case(latency(0.051), latency(0.049), latency(1), onset=15, waits=600),
    "StockServiceHighMemory": Case(
        memory("container_memory_working_set_bytes", 0.901),
        memory("container_memory_working_set_bytes", 0.9),
        memory("container_memory_working_set_bytes", 1),
        waits=900,
    ),
    "StockServiceLowCacheHitRatio": Case(cache(0.99, 1.01), cache(1.01, 0.99), cache(0, 500), onset=15, waits=1800),
    "StockServiceNewVersion": Case(versions("1+0x120 stale"), versions("1+0x90 stale"), versions("stale 1 stale"), 30),
    "StockServiceErrorBudgetBurnsFast": Case(burn(0.145, 15), burn(0.143, 15), burn(1, 15), onset=15, waits=120),
    "StockServiceErrorBudgetBurns": Case(
        burn(0.061, 60), burn(0.059, 60), burn(1, 60), onset=60, waits=900, every=60, steady=30_000
    ),
    "StockServiceErrorBudgetBurnsSlowly": Case(
        burn(0.0101, 600), burn(0.0099, 600), burn(1, 600), onset=600, waits=3600, every=600, steady=300_000
    ),
    # What the eight do not see.
    # Staging has the same job, and is none of production's targets.
    "StockServiceAbsent": Case(up_in("staging"), pods("up", 0), up_in("staging"), waits=120),
    "StockServiceNoReplicas": Case(kube(*_AVAILABLE, 0), kube(*_AVAILABLE, 1), kube(*_AVAILABLE, 0), waits=60),
    "StockServiceRolloutStuck": Case(kube(*_STUCK, 1), kube(*_STUCK, 0), kube(*_STUCK, 1), waits=60),
    "StockServiceAtCeiling": Case(at_ceiling(20), at_ceiling(19), at_ceiling(20), waits=900),
    "StockServiceBreakerFlapping": Case(
        counter(_MOVES, _CLOSED_OPEN, 3.1 / 1800),
        counter(_MOVES, _CLOSED_OPEN, 2.9 / 1800) | counter(_MOVES, ',from="half_open",to="open"', 1),
        counter(_MOVES, _CLOSED_OPEN, 10),
        onset=15,
    ),
    "StockServiceBreakerOverridden": Case(
        pods("stock_service_circuit_breaker_override", 1, 0),
        pods("stock_service_circuit_breaker_override", 0, 0),
        pods("stock_service_circuit_breaker_override", 2),
        waits=1800,
    ),
    "StockServiceVendorKeyRefused": Case(
        pods("stock_service_credential_latched", 1, 0),
        pods("stock_service_credential_latched", 0, 0),
        pods("stock_service_credential_latched", 1),
        waits=60,
    ),
    "StockServiceVendorUnreachable": Case(
        pods("stock_service_upstream_reachable", 0, 1),
        pods("stock_service_upstream_reachable", 0, 1, 1),
        pods("stock_service_upstream_reachable", 0),
        waits=300,
    ),
    "StockServiceVendorSaysLimited": Case(
        counter("stock_service_stock_api_limited_total", "", 3.1 / 900),
        counter("stock_service_stock_api_limited_total", "", 2.9 / 900),
        counter("stock_service_stock_api_limited_total", "", 10),
        onset=15,
    ),
    "StockServiceFaults": Case(
        counter("stock_service_faults_total", ',where="request"', 0.001),
        counter("stock_service_faults_total", ',where="request"', 0),
        counter("stock_service_faults_total", ',where="request"', 1),
        onset=15,
    ),
    "StockServiceLoopStalls": Case(
        counter("stock_service_loop_stalls_total", "", 3.1 / 900),
        counter("stock_service_loop_stalls_total", "", 2.9 / 900),
        counter("stock_service_loop_stalls_total", "", 10),
        onset=15,
    ),
    "StockServiceVendorQuotaNearEnd": Case(
        pods("stock_service_quota_waiting", 1),
        pods("stock_service_quota_waiting", 0),
        pods("stock_service_quota_waiting", 9),
        waits=600,
    ),
    "StockServiceVendorQuotaSpent": Case(
        counter("stock_service_quota_refused_total", ',priority="interactive"', 10.1 / 600),
        counter("stock_service_quota_refused_total", ',priority="interactive"', 9.9 / 600),
        counter("stock_service_quota_refused_total", ',priority="interactive"', 100),
        onset=15,
        waits=300,
    ),
    "StockServiceStaleForLong": Case(stale(0.201), stale(0.199), stale(1), onset=15, waits=1800),
    "StockServiceSharedStoreAway": Case(
        pods("stock_service_shared_state", 1, 2, 1),
        pods("stock_service_shared_state", 0, 1, 1),
        pods("stock_service_shared_state", 2, 2, 2),
        waits=300,
    ),
    "StockServiceBudgetSplit": Case(
        pods("stock_service_shared_budget_local", 0, 1),
        pods("stock_service_shared_budget_local", 0, 0),
        pods("stock_service_shared_budget_local", 1, 1),
        waits=300,
    ),
    "StockServiceSharedValuesDamaged": Case(
        counter("stock_service_shared_damaged_total", ',kind="sum"', 3.1 / 900),
        counter("stock_service_shared_damaged_total", ',kind="sum"', 2.9 / 900),
        counter("stock_service_shared_damaged_total", ',kind="magic"', 10),
        onset=15,
    ),
    "StockServiceCertificateOverdue": Case(
        certificate(_RENEWS, STEADY - _DAY - 1), certificate(_RENEWS, STEADY - _DAY), certificate(_RENEWS, -2 * _DAY)
    ),
    "StockServiceCertificateEnds": Case(
        certificate(_EXPIRES, STEADY + 3 * _DAY - 1), certificate(_EXPIRES, STEADY + 3 * _DAY), certificate(_EXPIRES, 1)
    ),
    "StockServiceConfigBackupStale": Case(
        kube(*_BACKUP, STEADY - 601), kube(*_BACKUP, STEADY - 600), kube(*_BACKUP, -5000)
    ),
}
