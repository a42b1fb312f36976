"""Backing up the configuration of a release and restoring it elsewhere, with the operator's helm and kubectl.

A backup is a directory: `values.yaml` (what restoring needs), `manifest.yaml` and `objects.json` (what was really
there), `about.json`. No Secret is ever in it; restoring names those that are missing before it changes anything.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from stock_service.base.clock import Clock
from stock_service.operate.cluster import Cluster
from stock_service.operate.objects import Json, prune, secrets_needed

_KINDS = (
    *("deployments.apps", "services", "serviceaccounts", "configmaps", "horizontalpodautoscalers.autoscaling"),
    *("ingresses.networking.k8s.io", "networkpolicies.networking.k8s.io", "poddisruptionbudgets.policy"),
    *("cronjobs.batch", "servicemonitors.monitoring.coreos.com", "prometheusrules.monitoring.coreos.com"),
    *("certificates.cert-manager.io", "httproutes.gateway.networking.k8s.io", "scaledobjects.keda.sh"),
    *("roles.rbac.authorization.k8s.io", "rolebindings.rbac.authorization.k8s.io"),
)


class NoBackup(Exception):
    """The directory holds none, or only part of one."""

    def __init__(self, place: Path) -> None:
        super().__init__(place)
        self.place = place


class SecretsMissing(Exception):
    """The cluster lacks Secrets that the pods refer to."""

    def __init__(self, names: list[str]) -> None:
        super().__init__(names)
        self.names = names


@dataclass(frozen=True, slots=True)
class Release:
    """A helm release and the chart it is made from."""

    name: str = "stock-service"
    chart: str = "./charts/stock-service"


def live_objects(cluster: Cluster, release: Release) -> list[Json]:
    """Return every object of the release as configuration; raises ClusterRefused."""
    known = set(cluster.kubectl("api-resources", "--namespaced", "-o", "name").split())
    kinds = ",".join(kind for kind in _KINDS if kind in known)
    label = f"app.kubernetes.io/instance={release.name}"
    items = json.loads(cluster.kubectl("get", kinds, "-l", label, "-o", "json"))["items"]
    return [pruned for item in items if (pruned := prune(item)) is not None]


def write_backup(cluster: Cluster, release: Release, place: Path, clock: Clock) -> list[Json]:
    """Write a backup and return its objects; raises ClusterRefused."""
    objects = live_objects(cluster, release)
    values = cluster.helm("get", "values", release.name, "-o", "yaml")
    manifest = cluster.helm("get", "manifest", release.name)
    # Everything is read before anything is written: a refusal leaves an older backup as it was.
    place.mkdir(parents=True, exist_ok=True)
    (place / "about.json").unlink(missing_ok=True)
    (place / "values.yaml").write_text(values)
    (place / "manifest.yaml").write_text(manifest)
    (place / "objects.json").write_text(json.dumps(objects, indent=2, sort_keys=True))
    about = {
        "release": release.name,
        "namespace": cluster.namespace,
        "taken_at": datetime.fromtimestamp(clock.wall(), UTC).isoformat(timespec="seconds"),
        "secrets_needed": secrets_needed(objects),
    }
    (place / "about.json").write_text(json.dumps(about, indent=2))  # last: a backup that has it is whole
    return objects


def restore_backup(cluster: Cluster, release: Release, place: Path) -> str:
    """Install or upgrade the release with the values of a backup; returns what helm said.

    Raises:
        NoBackup: there is none in `place`.
        SecretsMissing: the pods would not start; nothing was changed.
        ClusterRefused: kubectl or helm failed.
    """
    try:
        needed = json.loads((place / "about.json").read_text())["secrets_needed"]
    except (FileNotFoundError, ValueError, KeyError) as error:
        raise NoBackup(place) from error
    cluster.kubectl("get", "namespace", cluster.namespace)
    present = {
        item["metadata"]["name"] for item in json.loads(cluster.kubectl("get", "secrets", "-o", "json"))["items"]
    }
    missing = [name for name in needed if name not in present]
    if missing:
        raise SecretsMissing(missing)
    return cluster.helm("upgrade", release.name, release.chart, "--install", "-f", str(place / "values.yaml"))
