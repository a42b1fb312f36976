"""What the cluster says of the release: its rollout, settings, Helm's record, autoscaler, certificates, history.

Each part is asked for by itself: who may not read one of them still learns of the others.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime
from typing import Any

from stock_service.base.clock import Clock
from stock_service.operate.certificates import judge_end
from stock_service.operate.checks import Check, Finding, check
from stock_service.operate.cluster import SELECTOR, Cluster, ClusterRefused

# What somebody may have given in clear text, and what the chart fixes.
_NOT_SHOWN = ("KEY", "SHARED__URL", "SERVER__HOST", "SERVER__PORT")


def look_at_parts(cluster: Cluster, clock: Clock) -> list[Check]:
    """Return the checks of every part; one that may not be read is unknown."""
    found: list[Check] = []
    for name, part in _PARTS.items():
        try:
            found += part(cluster, clock)
        except ClusterRefused as error:
            found.append(Check(name, Finding.UNKNOWN, error.told))
    return found


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
            found.append(judge_end(datetime.fromisoformat(ends).timestamp(), clock))
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
