"""The four ways a client changes an object, as pure functions: JSON patch, merge, strategic merge, server-side apply.

Strategic merge knows the list keys our objects use. Apply models ownership of one field, `.spec.replicas`, because
that is the one two parties write: an owner who leaves it out gives it up, and another owner's number is a conflict.
"""

from __future__ import annotations

import copy
from typing import Any

Json = dict[str, Any]

# The key by which a list's items are merged, by the list's name; lists not named here are replaced whole.
_MERGE_KEYS = {
    "containers": "name",
    "env": "name",
    "ports": "containerPort",
    "volumes": "name",
    "volumeMounts": "mountPath",
    "imagePullSecrets": "name",
    "topologySpreadConstraints": "topologyKey",
}


class Conflict(Exception):
    """Another manager owns the field; `manager` is its name."""

    def __init__(self, manager: str) -> None:
        super().__init__(manager)
        self.manager = manager


def json_patch(target: Json, operations: list[Json]) -> Json:
    """Return `target` after RFC 6902 operations; `test` is not enforced."""
    result = copy.deepcopy(target)
    for operation in operations:
        *path, last = [part.replace("~1", "/").replace("~0", "~") for part in operation["path"].split("/")[1:]]
        place: Any = result
        for part in path:
            place = place[int(part)] if isinstance(place, list) else place.setdefault(part, {})
        if operation["op"] == "remove":
            place.pop(last, None)
        elif operation["op"] in ("add", "replace"):
            place[last] = operation["value"]
    return result


def merge(target: Any, patch: Any, *, strategic: bool = False) -> Any:
    """Return `target` after a merge patch; null removes. With `strategic`, known lists are merged item by item."""
    if not isinstance(patch, dict):
        return copy.deepcopy(patch)
    result = dict(target) if isinstance(target, dict) else {}
    for name, value in patch.items():
        if name.startswith("$"):
            continue
        if value is None:
            result.pop(name, None)
        elif strategic and isinstance(value, list) and name in _MERGE_KEYS and isinstance(result.get(name), list):
            result[name] = _merge_items(result[name], value, _MERGE_KEYS[name])
        else:
            result[name] = merge(result.get(name), value, strategic=strategic)
    return result


def _merge_items(items: list[Json], patches: list[Json], key: str) -> list[Json]:
    merged = {item.get(key): item for item in items}
    for patch in patches:
        identity = patch.get(key)
        if patch.get("$patch") == "delete":
            merged.pop(identity, None)
        else:
            merged[identity] = merge(merged.get(identity), patch, strategic=True)
    return list(merged.values())


def apply(live: Json | None, wanted: Json, manager: str, owners: dict[str, str], *, force: bool) -> Json:
    """Return the object after `manager` applied `wanted`.

    Args:
        live: the object as it is; None creates it.
        wanted: what the manager says, whole.
        manager: its name.
        owners: who owns `.spec.replicas`, by field; changed in place.
        force: take the field over instead of refusing.

    Raises:
        Conflict: another manager owns `.spec.replicas` and says another number.
    """
    result = copy.deepcopy(wanted)
    if live is None:
        if "replicas" in wanted.get("spec", {}):
            owners["replicas"] = manager
        return result
    for name in ("uid", "creationTimestamp", "resourceVersion"):
        result["metadata"][name] = live["metadata"][name]
    kept = {
        k: v for k, v in live["metadata"].get("annotations", {}).items() if k.startswith("deployment.kubernetes.io")
    }
    if kept:
        result["metadata"]["annotations"] = kept | result["metadata"].get("annotations", {})
    if "status" in live:
        result["status"] = live["status"]
    if "replicas" in live.get("spec", {}):
        result["spec"]["replicas"] = _settle_replicas(live["spec"]["replicas"], wanted, manager, owners, force=force)
    return result


def _settle_replicas(live: int, wanted: Json, manager: str, owners: dict[str, str], *, force: bool) -> int:
    owner = owners.get("replicas")
    count = wanted["spec"].get("replicas")
    if count is None:
        if owner == manager:  # nobody owns it any more: the default comes back
            owners.pop("replicas")
            return 1
        return live
    if owner not in (None, manager) and count != live and not force:
        raise Conflict(str(owner))
    if count != live or owner is None or force:
        owners["replicas"] = manager
    return int(count)
