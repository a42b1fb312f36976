"""One look at a service: at one address, or at every pod of a namespace. Reads only, and asks the vendor nothing."""

from __future__ import annotations

import socket
import ssl
from datetime import UTC, datetime

from stock_service.base.clock import Clock
from stock_service.operate.asking import Service
from stock_service.operate.checks import Check, Finding, check
from stock_service.operate.cluster import Cluster, ClusterRefused, Pod
from stock_service.operate.diagnosis import examine_pod
from stock_service.operate.signals import read_scrape

_DAYS_MIN = 30
_DAY = 86_400


def look_at_service(service: Service) -> list[Check]:
    """Return the checks of the pod behind an address; raises NobodyAnswers."""
    return examine_pod("service", read_scrape(service.ask("/metrics").body.decode("utf-8", "replace")))


def look_at_cluster(cluster: Cluster) -> list[Check]:
    """Return the checks of every pod of the namespace, and its last deployments; raises ClusterRefused."""
    pods = cluster.pods()
    found = [check("pods", bool(pods), f"{len(pods)} of ours in {cluster.namespace}", "service-absent")]
    for pod in pods:
        found += _look_at_pod(cluster, pod)
    history = cluster.kubectl("rollout", "history", "deployment", "-l", "app.kubernetes.io/name=stock-service")
    deployments = [line.strip() for line in history.splitlines() if line[:1].isdigit()]
    return [*found, Check("last deployments", Finding.GOOD, "; ".join(deployments[-3:]))]


def _look_at_pod(cluster: Cluster, pod: Pod) -> list[Check]:
    calm = check(f"{pod.name}: state", pod.ready, f"ready {pod.ready}, {pod.restarts} restarts", "rollout-stuck")
    try:
        return [calm, *examine_pod(pod.name, read_scrape(cluster.ask_pod(pod.name, "/metrics")))]
    except ClusterRefused as error:
        return [calm, check(f"{pod.name}: answers", False, error.told, "service-down")]


def look_at_certificate(host: str, port: int, clock: Clock, trust: ssl.SSLContext, patience: float = 10.0) -> Check:
    """Return whether the certificate at an address lasts for another 30 days."""
    try:
        with (
            socket.create_connection((host, port), patience) as raw,
            trust.wrap_socket(raw, server_hostname=host) as tls,
        ):
            ends_at = ssl.cert_time_to_seconds(str((tls.getpeercert() or {})["notAfter"]))
    except (OSError, KeyError) as error:
        return check("certificate", False, str(error), "certificate-expiry")
    days = (ends_at - clock.wall()) / _DAY
    date = datetime.fromtimestamp(ends_at, UTC).date()
    return check("certificate", days >= _DAYS_MIN, f"{days:.0f} days left, until {date}", "certificate-expiry")
