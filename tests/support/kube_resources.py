"""Which kinds the small API server serves, and how it describes itself to kubectl and helm (discovery, OpenAPI)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Resource:
    """A kind at its address. `group_version` is `v1` or `apps/v1`; only kinds in `get all` have `in_all`."""

    group_version: str
    plural: str
    kind: str
    short: str = ""
    namespaced: bool = True
    in_all: bool = False

    @property
    def group(self) -> str:
        """The API group, empty for the core."""
        return self.group_version.rpartition("/")[0]

    @property
    def version(self) -> str:
        """The version within the group."""
        return self.group_version.rpartition("/")[2]

    @property
    def root(self) -> str:
        """The URL path under which the group's resources lie."""
        return f"/apis/{self.group_version}" if self.group else f"/api/{self.group_version}"


RESOURCES = (
    Resource("v1", "namespaces", "Namespace", "ns", namespaced=False),
    Resource("v1", "nodes", "Node", "no", namespaced=False),
    Resource("v1", "pods", "Pod", "po", in_all=True),
    Resource("v1", "services", "Service", "svc", in_all=True),
    Resource("v1", "configmaps", "ConfigMap", "cm"),
    Resource("v1", "secrets", "Secret"),
    Resource("v1", "serviceaccounts", "ServiceAccount", "sa"),
    Resource("v1", "events", "Event", "ev"),
    Resource("apps/v1", "deployments", "Deployment", "deploy", in_all=True),
    Resource("apps/v1", "replicasets", "ReplicaSet", "rs", in_all=True),
    Resource("autoscaling/v2", "horizontalpodautoscalers", "HorizontalPodAutoscaler", "hpa", in_all=True),
    Resource("batch/v1", "cronjobs", "CronJob", "cj", in_all=True),
    Resource("batch/v1", "jobs", "Job", in_all=True),
    Resource("networking.k8s.io/v1", "ingresses", "Ingress", "ing"),
    Resource("networking.k8s.io/v1", "networkpolicies", "NetworkPolicy", "netpol"),
    Resource("policy/v1", "poddisruptionbudgets", "PodDisruptionBudget", "pdb"),
    Resource("rbac.authorization.k8s.io/v1", "roles", "Role"),
    Resource("rbac.authorization.k8s.io/v1", "rolebindings", "RoleBinding"),
    Resource("discovery.k8s.io/v1", "endpointslices", "EndpointSlice"),
    Resource("monitoring.coreos.com/v1", "servicemonitors", "ServiceMonitor"),
    Resource("monitoring.coreos.com/v1", "prometheusrules", "PrometheusRule"),
    Resource("cert-manager.io/v1", "certificates", "Certificate", "cert"),
    Resource("gateway.networking.k8s.io/v1", "httproutes", "HTTPRoute"),
    Resource("metrics.k8s.io/v1beta1", "pods", "PodMetrics"),
    Resource("metrics.k8s.io/v1beta1", "nodes", "NodeMetrics", namespaced=False),
)
GROUP_VERSIONS = tuple(dict.fromkeys(resource.group_version for resource in RESOURCES))
_VERBS = ["get", "list", "watch", "create", "update", "patch", "delete"]
_SCALED = ("deployments", "replicasets")
# helm refuses a cluster whose PATCH operations do not list these: "failed to download openapi".
_PATCH_PARAMETERS = ("fieldValidation", "fieldManager", "dryRun", "force")


def find(group_version: str, plural: str) -> Resource | None:
    """Return the resource at that address."""
    return next((r for r in RESOURCES if (r.group_version, r.plural) == (group_version, plural)), None)


def describe(path: str) -> Json | None:
    """Return the document of a discovery or OpenAPI path, None when it is neither."""
    if path == "/version":
        return {"major": "1", "minor": "34", "gitVersion": "v1.34.0"}
    if path == "/api":
        return {"kind": "APIVersions", "versions": ["v1"]}
    if path == "/apis":
        return _groups()
    if path == "/openapi/v3":
        roots = {
            _root(gv).lstrip("/"): {"serverRelativeURL": f"/openapi/v3{_root(gv)}?hash=1"} for gv in GROUP_VERSIONS
        }
        return {"paths": roots}
    for group_version in GROUP_VERSIONS:
        if path == _root(group_version):
            return _resource_list(group_version)
        if path == f"/openapi/v3{_root(group_version)}":
            return _openapi(group_version)
    return None


def _root(group_version: str) -> str:
    return next(r.root for r in RESOURCES if r.group_version == group_version)


def _groups() -> Json:
    groups = []
    for group_version in GROUP_VERSIONS:
        group, _, version = group_version.rpartition("/")
        if group:
            entry = {"groupVersion": group_version, "version": version}
            groups.append({"name": group, "versions": [entry], "preferredVersion": entry})
    return {"kind": "APIGroupList", "apiVersion": "v1", "groups": groups}


def _resource_list(group_version: str) -> Json:
    entries: list[Json] = []
    for r in (r for r in RESOURCES if r.group_version == group_version):
        entry = {"name": r.plural, "singularName": r.kind.lower(), "namespaced": r.namespaced, "kind": r.kind}
        categories = ["all"] if r.in_all else []
        entries.append(entry | {"verbs": _VERBS, "shortNames": [r.short] if r.short else [], "categories": categories})
        if r.plural in _SCALED:
            scale = {"name": f"{r.plural}/scale", "singularName": "", "namespaced": True, "kind": "Scale"}
            entries.append(scale | {"group": "autoscaling", "version": "v1", "verbs": ["get", "update", "patch"]})
    return {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": group_version, "resources": entries}


def _openapi(group_version: str) -> Json:
    paths: Json = {}
    for r in (r for r in RESOURCES if r.group_version == group_version):
        place = f"{r.root}/namespaces/{{namespace}}" if r.namespaced else r.root
        kind = {"group": r.group, "version": r.version, "kind": r.kind}
        parameters = [{"name": name, "in": "query", "schema": {"type": "string"}} for name in _PATCH_PARAMETERS]
        paths[f"{place}/{r.plural}/{{name}}"] = {
            "patch": {
                "operationId": f"patch{r.kind}",
                "x-kubernetes-action": "patch",
                "x-kubernetes-group-version-kind": kind,
                "parameters": parameters,
                "responses": {"200": {"description": "OK"}},
            }
        }
    info = {"title": "small API server", "version": "1"}
    return {"openapi": "3.0.0", "info": info, "paths": paths, "components": {"schemas": {}}}
