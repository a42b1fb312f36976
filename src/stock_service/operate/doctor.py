"""One look at a service: at one address, or at every pod of a namespace. Reads only, and asks the vendor nothing.

What happens now is seen between two readings; counters since the start would hide a trouble of the last minute.
"""

from __future__ import annotations

from collections.abc import Callable

from stock_service.base.clock import Clock
from stock_service.operate.asking import Service
from stock_service.operate.checks import Check, Finding, check
from stock_service.operate.cluster import Cluster, Pod
from stock_service.operate.cluster_signs import look_at_parts
from stock_service.operate.diagnosis import examine
from stock_service.operate.scraping import scrape_pods, scrape_service

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
