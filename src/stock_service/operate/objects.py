"""Objects of a cluster as configuration: without what the cluster itself adds, and compared leaf by leaf. Pure."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from typing import Any

Json = dict[str, Any]

_OF_THE_CLUSTER = ("uid", "resourceVersion", "creationTimestamp", "managedFields", "generation", "selfLink")
_NOTES_OF_THE_CLUSTER = ("deployment.kubernetes.io/", "kubectl.kubernetes.io/last-applied")
_ADDRESSES = ("clusterIP", "clusterIPs", "healthCheckNodePort")


def prune(obj: Json) -> Json | None:
    """Return the object without what the cluster adds; None when it belongs to another object or is a Secret."""
    if obj["metadata"].get("ownerReferences") or obj["kind"] == "Secret":
        return None
    pruned = copy.deepcopy(obj)
    pruned.pop("status", None)
    metadata = pruned["metadata"]
    for name in _OF_THE_CLUSTER:
        metadata.pop(name, None)
    notes = metadata.get("annotations", {})
    kept = {name: value for name, value in notes.items() if not name.startswith(_NOTES_OF_THE_CLUSTER)}
    metadata.pop("annotations", None)
    if kept:
        metadata["annotations"] = kept
    if obj["kind"] == "Service":
        for name in _ADDRESSES:
            pruned["spec"].pop(name, None)
    return pruned


def secrets_needed(objects: Sequence[Json]) -> list[str]:
    """Return the names of the Secrets that the pods of Deployments refer to, sorted."""
    found: set[str] = set()
    for obj in objects:
        if obj["kind"] == "Deployment":
            found |= set(_secret_names(obj["spec"]["template"]["spec"]))
    return sorted(found)


def _secret_names(part: Any) -> Iterator[str]:
    if isinstance(part, dict):
        for name, value in part.items():
            if name == "secretKeyRef":
                yield value["name"]
            elif name == "secretName":
                yield value
            else:
                yield from _secret_names(value)
    elif isinstance(part, list):
        for item in part:
            yield from _secret_names(item)


def differences(ours: Sequence[Json], theirs: Sequence[Json]) -> list[tuple[str, str, str]]:
    """Return (where, here, there) for each leaf that differs; an absent one is `absent`."""
    here, there = dict(_leaves_of(ours)), dict(_leaves_of(theirs))
    places = sorted(here.keys() | there.keys())
    return [
        (place, here.get(place, "absent"), there.get(place, "absent"))
        for place in places
        if here.get(place) != there.get(place)
    ]


def _leaves_of(objects: Sequence[Json]) -> Iterator[tuple[str, str]]:
    for obj in objects:
        yield from _leaves(f"{obj['kind']}/{obj['metadata']['name']}", obj)


def _leaves(place: str, value: Any) -> Iterator[tuple[str, str]]:
    """Items of a list are named by their `name` where they have one, so that order does not matter."""
    if isinstance(value, dict):
        for name, part in value.items():
            yield from _leaves(f"{place}.{name}", part)
    elif isinstance(value, list):
        for index, part in enumerate(value):
            name = part.get("name", index) if isinstance(part, dict) else index
            yield from _leaves(f"{place}[{name}]", part)
    else:
        yield place, str(value)
