"""One look at a service: at one address, or at every pod of a namespace. Reads only, and asks the vendor nothing.

What happens now is seen between two readings; counters since the start would hide a trouble of the last minute.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

from stock_service.base.clock import Clock
from stock_service.operate.asking import NobodyAnswers, Service, Told
from stock_service.operate.checks import Check, Finding, check
from stock_service.operate.cluster import Cluster, Pod
from stock_service.operate.cluster_signs import look_at_parts
from stock_service.operate.diagnosis import examine
from stock_service.operate.scraping import scrape_pods, scrape_service

_DAY = 86_400
_NOT_SHOWN = (
    "KEY",
    "SHARED__URL",
    "SERVER__HOST",
    "SERVER__PORT",
)  # secrets when somebody gives them so, and fixed ones
_KINDS = {
    "daily bars": "/v2/aggs/ticker/AAPL/prev",
    "minute bars": "/v2/aggs/ticker/AAPL/range/1/minute/{day}/{day}",
    "snapshots": "/v2/snapshot/locale/us/markets/stocks/tickers/AAPL",
    "last trades": "/v2/last/trade/AAPL",
    "quotes": "/v3/quotes/AAPL?limit=1",
}
Pause = Callable[[float], None]


def look_at_service(service: Service, pause: Pause, seconds: float) -> list[Check]:
    """Return the checks of the pod behind an address, looked at twice.

    Raises:
        NobodyAnswers: there is nothing at the address.
        NoMetrics: there is, and it does not tell its metrics.
    """
    before = scrape_service(service)
    pause(seconds)
    after = scrape_service(service)
    name = "service"
    return [*examine({name: before}, {name: after}, seconds), _told_configuration(service)]


def look_at_vendor(vendor: Service) -> Check:
    """Return whether any HTTP answer comes from the vendor to this very machine. Without a key, so no call is spent."""
    name = "vendor from here"
    try:
        told = vendor.ask("/v1/marketstatus/now")
    except NobodyAnswers as error:
        return check(name, False, f"no HTTP answer from {vendor.url}: {error.reason}", "vendor-unreachable")
    return check(name, True, f"{vendor.url} answers {told.status} in {told.seconds:.3f} s")


def look_at_rights(service: Service, clock: Clock) -> list[Check]:
    """Ask the service for one of each kind of data that plans tell apart; this spends vendor calls.

    Raises:
        NobodyAnswers: there is nothing at the address.
    """
    return [_right(kind, service.ask(path.format(day=_yesterday(clock)))) for kind, path in _KINDS.items()]


def _right(kind: str, told: Told) -> Check:
    words = {200: "in the plan", 403: "not in the plan"}
    sure = told.status in words
    said = words.get(told.status, f"{told.status}: cannot tell now")
    return Check(f"key may: {kind}", Finding.GOOD if sure else Finding.UNKNOWN, said)


def _yesterday(clock: Clock) -> str:
    return f"{datetime.fromtimestamp(clock.wall() - _DAY, UTC):%Y-%m-%d}"


def _told_configuration(service: Service) -> Check:
    """Return what `/status` says is in force; behind an Ingress it is for listed networks."""
    told = service.ask("/status")
    status = told.json()
    if told.status != 200 or not isinstance(status, dict):
        return Check("configuration", Finding.UNKNOWN, f"/status answers {told.status}")
    parts = (status["vendor"], status["quota"]["plan"], f"cache {status['cache']['max_bytes'] / 2**20:.0f} MiB")
    return Check("configuration", Finding.GOOD, "; ".join(parts))


def look_at_cluster(cluster: Cluster, pause: Pause, seconds: float, clock: Clock) -> list[Check]:
    """Return the checks of every pod of the namespace and of what runs them; raises ClusterRefused."""
    pods = cluster.pods()
    found = [check("pods", bool(pods), _told_pods(pods), "service-absent")]
    if pods:
        unready = [f"{pod.name} ({pod.restarts} restarts)" for pod in pods if not pod.ready]
        before = scrape_pods(cluster, pods)
        pause(seconds)
        after = scrape_pods(cluster, pods)
        silent = "; ".join(f"{name}: {why}" for name, why in after.silent.items())
        found += [
            check("ready", not unready, ", ".join(unready) or "all", "rollout-stuck"),
            check("metrics", not silent, silent or "all tell", "service-down"),
            *(examine(before.seen, after.seen, seconds) if after.seen else []),
        ]
    return [*found, *look_at_parts(cluster, clock)]


def _told_pods(pods: list[Pod]) -> str:
    return f"{len(pods)} of ours, {sum(pod.restarts for pod in pods)} restarts"
