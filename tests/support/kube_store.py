"""The objects of the small cluster, and the little of its controllers that the runbook's lines look at.

A Deployment has a ReplicaSet for each template it ever had, with revision and change cause, and as many running pods
as it asks for, at once. A pod that runs once succeeds at once. There is no scheduler, no autoscaler, no probe.
"""

from __future__ import annotations

import copy
import hashlib
import json
import threading
import uuid
from dataclasses import dataclass
from typing import Any

from tests.support.kube_resources import Resource, find

Json = dict[str, Any]
_REVISION = "deployment.kubernetes.io/revision"
_CAUSE = "kubernetes.io/change-cause"
_BORN = "2026-01-01T00:00:00Z"


@dataclass(frozen=True, slots=True)
class Key:
    """The address of an object; `namespace` is empty for cluster-wide kinds."""

    resource: Resource
    namespace: str
    name: str


@dataclass(frozen=True, slots=True)
class Change:
    """One line of the watch log."""

    version: int
    kind: str
    key: Key
    obj: Json


def _resource(group_version: str, plural: str) -> Resource:
    found = find(group_version, plural)
    assert found is not None
    return found


DEPLOYMENTS = _resource("apps/v1", "deployments")
REPLICASETS = _resource("apps/v1", "replicasets")
PODS = _resource("v1", "pods")
NAMESPACES = _resource("v1", "namespaces")
SECRETS = _resource("v1", "secrets")
SERVICES = _resource("v1", "services")


class Store:
    """All objects, their change log, the owners of replica counts and the pods' log lines. One lock for all of it."""

    def __init__(self) -> None:
        self.changed = threading.Condition(threading.RLock())
        self.objects: dict[Key, Json] = {}
        self.log: list[Change] = []
        self.owners: dict[Key, dict[str, str]] = {}
        self.log_lines: list[str] = []
        self.pod_url = ""  # the one real service behind every pod
        self.pods_reachable = True  # for the API server's proxy
        self._version = 100

    @property
    def version(self) -> int:
        """The resource version of the newest change."""
        return self._version

    def put(self, key: Key, obj: Json) -> Json:
        """Store an object, tell the watchers, and do what a controller would do about it."""
        with self.changed:
            kind = "MODIFIED" if key in self.objects else "ADDED"
            metadata = obj.setdefault("metadata", {})
            metadata["name"] = key.name
            metadata.setdefault("uid", str(uuid.uuid4()))
            metadata.setdefault("creationTimestamp", _BORN)
            if key.namespace:
                metadata["namespace"] = key.namespace
            obj.setdefault("apiVersion", key.resource.group_version)
            obj.setdefault("kind", key.resource.kind)
            if key.resource is PODS and obj["spec"].get("restartPolicy") == "Never":
                obj["status"] = _pod_status(obj, "Succeeded")
            if key.resource is SERVICES:
                had = self.objects.get(key, {}).get("spec", {}).get("clusterIP")
                obj["spec"].setdefault("clusterIP", had or f"10.96.0.{self._version % 250 + 1}")
            if key.resource is DEPLOYMENTS:
                self._roll_out(key, obj)
            self._version += 1
            metadata["resourceVersion"] = str(self._version)
            self.objects[key] = obj
            self._tell(kind, key, obj)
            return obj

    def remove(self, key: Key) -> None:
        """Delete an object and what it owns."""
        with self.changed:
            gone = self.objects.pop(key)
            self.owners.pop(key, None)
            self._version += 1
            self._tell("DELETED", key, gone)
            for other, obj in list(self.objects.items()):
                if any(o["uid"] == gone["metadata"]["uid"] for o in obj["metadata"].get("ownerReferences", [])):
                    self.remove(other)

    def listed(self, resource: Resource, namespace: str, labels: str = "", name: str = "") -> list[Json]:
        """Return the objects of a kind, of all namespaces when `namespace` is empty."""
        with self.changed:
            found = sorted(self.objects.items(), key=lambda item: (item[0].namespace, item[0].name))
            return [obj for key, obj in found if key.resource == resource and is_chosen(obj, namespace, labels, name)]

    def changes_after(self, version: int, patience: float) -> list[Change]:
        """Return the changes after `version`, waiting up to `patience` seconds for the first."""
        with self.changed:
            if self._version <= version:
                self.changed.wait(patience)
            return [change for change in self.log if change.version > version]

    def _tell(self, kind: str, key: Key, obj: Json) -> None:
        self.log.append(Change(self._version, kind, key, copy.deepcopy(obj)))
        self.changed.notify_all()

    def _roll_out(self, key: Key, deployment: Json) -> None:
        spec = deployment["spec"]
        count = spec.setdefault("replicas", 1)
        digest = hashlib.sha256(json.dumps(spec["template"], sort_keys=True).encode()).hexdigest()[:10]
        template = copy.deepcopy(spec["template"])
        template.setdefault("metadata", {}).setdefault("labels", {})["pod-template-hash"] = digest
        owner = self._next_replica_set(key, deployment, template, digest)
        for pod_key, pod in list(self.objects.items()):
            if pod_key.resource is PODS and pod_key.namespace == key.namespace and _owned_by(pod, key.name):
                del self.objects[pod_key]
        for number in range(count):
            name = f"{key.name}-{digest}-{number:05d}"
            pod = {"metadata": copy.deepcopy(template["metadata"]), "spec": template["spec"]}
            pod["metadata"]["ownerReferences"] = [_reference("ReplicaSet", owner)]
            pod["status"] = _pod_status(pod, "Running")
            self.put(Key(PODS, key.namespace, name), pod)
        done = {"type": "Progressing", "status": "True", "reason": "NewReplicaSetAvailable"}
        deployment["status"] = {
            "observedGeneration": deployment["metadata"].setdefault("generation", 1),
            **dict.fromkeys(("replicas", "updatedReplicas", "readyReplicas", "availableReplicas"), count),
            "conditions": [{"type": "Available", "status": "True"}, done],
        }

    def _next_replica_set(self, key: Key, deployment: Json, template: Json, digest: str) -> Json:
        """Return the ReplicaSet of this template, with the next revision when the template is not the newest."""
        annotations = deployment["metadata"].setdefault("annotations", {})
        ours = [
            obj for obj in self.listed(REPLICASETS, key.namespace) if obj["metadata"]["name"].startswith(f"{key.name}-")
        ]
        newest = max((int(obj["metadata"]["annotations"][_REVISION]) for obj in ours), default=0)
        name = f"{key.name}-{digest}"
        same = next((obj for obj in ours if obj["metadata"]["name"] == name), None)
        if same is None or int(same["metadata"]["annotations"][_REVISION]) != newest:
            newest += 1
        annotations[_REVISION] = str(newest)
        count = deployment["spec"]["replicas"]
        noted = {name: value for name, value in annotations.items() if name in (_REVISION, _CAUSE)}
        return self.put(
            Key(REPLICASETS, key.namespace, name),
            {
                "metadata": {
                    "labels": template["metadata"]["labels"],
                    "annotations": noted,
                    "ownerReferences": [_reference("Deployment", deployment)],
                },
                "spec": {
                    "replicas": count,
                    "selector": {"matchLabels": template["metadata"]["labels"]},
                    "template": template,
                },
                "status": dict.fromkeys(("replicas", "readyReplicas", "availableReplicas"), count),
            },
        )


def is_chosen(obj: Json, namespace: str, labels: str, name: str) -> bool:
    """Whether a list or watch asks for the object; an empty word asks for all."""
    metadata = obj["metadata"]
    return (
        namespace in ("", metadata.get("namespace", ""))
        and name in ("", metadata["name"])
        and matches(metadata.get("labels", {}), labels)
    )


def matches(labels: dict[str, str], selector: str) -> bool:
    """Whether labels fulfil a selector of equalities and inequalities."""
    for part in filter(None, selector.split(",")):
        name, unequal, value = part.partition("!=")
        if unequal:
            if labels.get(name) == value:
                return False
            continue
        name, _, value = part.replace("==", "=").partition("=")
        if labels.get(name) != value:
            return False
    return True


def _reference(kind: str, owner: Json) -> Json:
    metadata = owner["metadata"]
    return {
        "apiVersion": "apps/v1",
        "kind": kind,
        "name": metadata["name"],
        "uid": metadata["uid"],
        "controller": True,
    }


def _owned_by(pod: Json, deployment: str) -> bool:
    owners = pod["metadata"].get("ownerReferences", [])
    return any(owner["name"].rpartition("-")[0] == deployment for owner in owners)


def _pod_status(pod: Json, phase: str) -> Json:
    ended = {"terminated": {"exitCode": 0, "startedAt": _BORN, "finishedAt": _BORN, "reason": "Completed"}}
    state = ended if phase == "Succeeded" else {"running": {"startedAt": _BORN}}
    return {
        "phase": phase,
        "podIP": "127.0.0.1",
        "conditions": [{"type": "Ready", "status": "True"}],
        "containerStatuses": [
            {"name": c["name"], "ready": True, "restartCount": 0, "image": c["image"], "imageID": "", "state": state}
            for c in pod["spec"]["containers"]
        ],
    }
