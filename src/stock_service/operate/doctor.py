"""One look at a service: at one address, or at every pod of a namespace. Reads only, and asks the vendor nothing.

What happens now is seen between two readings; counters since the start would hide a trouble of the last minute.
"""

from __future__ import annotations

import json
import socket
import ssl
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from stock_service.base.clock import Clock
from stock_service.operate.asking import Service
from stock_service.operate.checks import Check, Finding, check
from stock_service.operate.cluster import SELECTOR, Cluster, ClusterRefused, Pod
from stock_service.operate.diagnosis import examine
from stock_service.operate.scraping import scrape_pods, scrape_service

_DAYS_MIN = 30
_DAY = 86_400
_NOT_SHOWN = (
    "KEY",
    "SHARED__URL",
    "SERVER__HOST",
    "SERVER__PORT",
)  # secrets when somebody gives them so, and fixed ones
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
    for name, part in _PARTS.items():
        try:
            found += part(cluster, clock)
        except ClusterRefused as error:
            found.append(Check(name, Finding.UNKNOWN, error.told))
    return found


def _told_pods(pods: list[Pod]) -> str:
    return f"{len(pods)} of ours, {sum(pod.restarts for pod in pods)} restarts"


def _deployments(cluster: Cluster, _: Clock) -> list[Check]:
    found = []
    for item in cluster.listed("deployments"):
        spec, status = item["spec"], item.get("status", {})
        wanted, available = spec.get("replicas", 1), status.get("availableReplicas", 0)
        stuck = any(one["type"] == "Progressing" and one["status"] == "False" for one in status.get("conditions", []))
        told = f"{available} of {wanted} available, {status.get('updatedReplicas', 0)} of the newest template"
        found.append(check("rollout", available >= wanted and not stuck, told, "rollout-stuck"))
        found.append(Check("configuration", Finding.GOOD, _told_settings(spec["template"]["spec"]["containers"][0])))
        found.append(_release(cluster, item))
    return found


def _told_settings(container: dict[str, Any]) -> str:
    settings = [
        f"{variable['name']}={variable['value']}"
        for variable in container.get("env", [])
        if "value" in variable and variable["name"].startswith("STOCKS_")
        if not any(word in variable["name"] for word in _NOT_SHOWN)
    ]
    return " ".join([container["image"], *settings])


def _release(cluster: Cluster, deployment: dict[str, Any]) -> Check:
    """Return how Helm's last change of the release ended."""
    name = deployment["metadata"].get("labels", {}).get("app.kubernetes.io/instance", "stock-service")
    try:
        (last,) = json.loads(cluster.helm("history", name, "--max", "1", "-o", "json"))
    except (ClusterRefused, ValueError) as error:
        return Check("release", Finding.UNKNOWN, getattr(error, "told", "no history"))
    told = f"{name} revision {last['revision']} {last['status']}: {last['description']}"
    return check("release", last["status"] == "deployed", told, "rollout-stuck")


def _autoscalers(cluster: Cluster, _: Clock) -> list[Check]:
    found = []
    for item in cluster.listed("horizontalpodautoscalers"):
        now, most = item.get("status", {}).get("currentReplicas", 0), item["spec"]["maxReplicas"]
        told = f"{now} pods, {item['spec'].get('minReplicas', 1)} to {most}"
        found.append(check("autoscaler", now < most, told, "at-the-ceiling"))
    return found


def _certificates(cluster: Cluster, clock: Clock) -> list[Check]:
    found = []
    for item in cluster.listed("certificates"):
        ends = item.get("status", {}).get("notAfter")
        if ends is None:
            found.append(check("certificate", False, "never issued", "certificate-expiry"))
        else:
            found.append(_lasts(datetime.fromisoformat(ends).timestamp(), clock))
    return found


def _history(cluster: Cluster, _: Clock) -> list[Check]:
    history = cluster.kubectl("rollout", "history", "deployment", "-l", SELECTOR)
    deployments = [" ".join(line.split()) for line in history.splitlines() if line[:1].isdigit()]
    return [Check("last deployments", Finding.GOOD, "; ".join(deployments[-3:]))]


_PARTS: dict[str, Callable[[Cluster, Clock], list[Check]]] = {
    "rollout": _deployments,
    "autoscaler": _autoscalers,
    "certificate": _certificates,
    "last deployments": _history,
}


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
    return _lasts(ends_at, clock)


def _lasts(ends_at: float, clock: Clock) -> Check:
    days = (ends_at - clock.wall()) / _DAY
    date = datetime.fromtimestamp(ends_at, UTC).date()
    return check("certificate", days >= _DAYS_MIN, f"{days:.0f} days left, until {date}", "certificate-expiry")
