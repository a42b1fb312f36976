"""Closed shapes of the operators' kinds we render; kubernetes-validate knows only Kubernetes' own.

Each lists the fields we use and nothing else, so that a misspelt field is refused. The names were read from the
operators' published API references; whether an operator acts on them needs a cluster.
"""

from __future__ import annotations

from typing import Any

import jsonschema

Schema = dict[str, Any]


def _closed(properties: dict[str, Schema], required: tuple[str, ...] = ()) -> Schema:
    return {
        "type": "object",
        "additionalProperties": False,
        "properties": properties,
        "required": list(required),
    }


_TEXT: Schema = {"type": "string", "minLength": 1}
_TEXTS: Schema = {"type": "array", "minItems": 1, "items": _TEXT}
_COUNT: Schema = {"type": "integer", "minimum": 1}
_LABELS: Schema = {"type": "object", "additionalProperties": {"type": "string"}}
_SPAN: Schema = {"type": "string", "pattern": r"^[0-9]+(ms|s|m|h|d)$"}
_SELECTOR = _closed({"matchLabels": _LABELS}, ("matchLabels",))
_PATH_MATCH = _closed({"path": _closed({"type": {"enum": ["Exact", "PathPrefix"]}, "value": _TEXT}, ("type", "value"))})

_SPECS: dict[tuple[str, str], Schema] = {
    ("monitoring.coreos.com/v1", "ServiceMonitor"): _closed(
        {
            "jobLabel": _TEXT,
            "namespaceSelector": _closed({"matchNames": _TEXTS}),
            "selector": _SELECTOR,
            "endpoints": {
                "type": "array",
                "minItems": 1,
                "items": _closed(
                    {
                        "port": _TEXT,
                        "path": _TEXT,
                        "interval": _SPAN,
                        "scrapeTimeout": _SPAN,
                        "honorLabels": {"type": "boolean"},
                    },
                    ("port", "path"),
                ),
            },
        },
        ("selector", "endpoints"),
    ),
    ("monitoring.coreos.com/v1", "PrometheusRule"): _closed(
        {
            "groups": {
                "type": "array",
                "minItems": 1,
                "items": _closed(
                    {
                        "name": _TEXT,
                        "rules": {
                            "type": "array",
                            "minItems": 1,
                            "items": _closed(
                                {
                                    "alert": _TEXT,
                                    "record": _TEXT,
                                    "expr": _TEXT,
                                    "for": _SPAN,
                                    "keep_firing_for": _SPAN,
                                    "labels": _LABELS,
                                    "annotations": _LABELS,
                                },
                                ("expr",),
                            ),
                        },
                    },
                    ("name", "rules"),
                ),
            }
        },
        ("groups",),
    ),
    ("cert-manager.io/v1", "Certificate"): _closed(
        {
            "secretName": _TEXT,
            "dnsNames": _TEXTS,
            "duration": _SPAN,
            "renewBefore": _SPAN,
            "privateKey": _closed(
                {"algorithm": _TEXT, "size": _COUNT, "rotationPolicy": {"enum": ["Always", "Never"]}}
            ),
            "issuerRef": _closed({"name": _TEXT, "kind": {"enum": ["Issuer", "ClusterIssuer"]}}, ("name", "kind")),
        },
        ("secretName", "dnsNames", "issuerRef"),
    ),
    ("gateway.networking.k8s.io/v1", "HTTPRoute"): _closed(
        {
            "parentRefs": {"type": "array", "minItems": 1, "items": {"type": "object", "required": ["name"]}},
            "hostnames": _TEXTS,
            "rules": {
                "type": "array",
                "items": _closed(
                    {
                        "matches": {"type": "array", "minItems": 1, "items": _PATH_MATCH},
                        "timeouts": _closed({"request": _SPAN}),
                        "backendRefs": {"type": "array", "items": _closed({"name": _TEXT, "port": _COUNT})},
                    },
                    ("matches",),
                ),
            },
        },
        ("parentRefs", "rules"),
    ),
    ("keda.sh/v1alpha1", "ScaledObject"): _closed(
        {
            "scaleTargetRef": _closed({"apiVersion": _TEXT, "kind": _TEXT, "name": _TEXT}, ("name",)),
            "minReplicaCount": _COUNT,
            "maxReplicaCount": _COUNT,
            "fallback": _closed({"failureThreshold": _COUNT, "replicas": _COUNT}, ("failureThreshold", "replicas")),
            "advanced": _closed(
                {"horizontalPodAutoscalerConfig": _closed({"name": _TEXT, "behavior": {"type": "object"}})}
            ),
            "triggers": {
                "type": "array",
                "minItems": 1,
                "items": _closed(
                    {
                        "type": _TEXT,
                        "metricType": {"enum": ["Utilization", "Value", "AverageValue"]},
                        "metadata": _LABELS,
                    },
                    ("type", "metadata"),
                ),
            },
        },
        ("scaleTargetRef", "triggers"),
    ),
}


def validate_custom(manifest: dict[str, Any]) -> None:
    """Refuse a field that does not exist; KeyError for a kind nobody described."""
    jsonschema.validate(manifest["spec"], _SPECS[manifest["apiVersion"], manifest["kind"]])
