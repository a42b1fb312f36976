"""The `config` part of the chart's schema, made from the table of settings.

`python -m tests.support.kube_settings_schema` writes it into values.schema.json; a test compares. So an option is
added once, and the chart refuses what the service would refuse.
"""

from __future__ import annotations

import json
import re
import sys
from typing import Any

from stock_service.config.sections import FIELDS, Field
from tests.support.kube_chart import CHART

SCHEMA = CHART / "values.schema.json"
# The chart sets these itself: the port is the container's, keys and addresses with passwords come from Secrets.
CHARTS_OWN = frozenset(
    {
        *("server.host", "server.port", "upstream.api_key", "upstream.api_key_file"),
        *("access.keys_file", "shared.max_pods", "shared.url", "shared.ca_file"),
        # A pod's disk ends with the pod; what outlives it is the shared store's business.
        *("cache.dir", "cache.dir_max_bytes"),
    }
)
_REFERENCES = {"duration": "duration", "size": "size", "list of networks": "networks"}


def settings_schema() -> dict[str, Any]:
    """Return the schema of `.Values.config`."""
    sections: dict[str, dict[str, Any]] = {}
    for field in FIELDS:
        section, option = field.name.split(".")
        if field.name not in CHARTS_OWN:
            sections.setdefault(section, {})[camel_case(option)] = _schema_of(field)
    return _closed(
        {name: _closed(options) for name, options in sections.items()},
        "Settings of the service, named as in docs/configuration.md but in camel case.",
    )


def camel_case(option: str) -> str:
    """Return the chart's name of an option: `max_wait` is `maxWait`."""
    head, *rest = option.split("_")
    return head + "".join(word.capitalize() for word in rest)


def _closed(properties: dict[str, Any], description: str = "") -> dict[str, Any]:
    told = {"description": description} if description else {}
    return {**told, "type": "object", "additionalProperties": False, "properties": properties}


def _schema_of(field: Field) -> dict[str, Any]:
    label = field.kind.label
    told = {"description": field.meaning}
    head = label.split(",")[0]
    if head in _REFERENCES:
        return {**told, "allOf": [{"$ref": f"#/definitions/{_REFERENCES[head]}"}]}
    if label == "`true` or `false`":
        return {**told, "type": "boolean"}
    if words := re.findall(r"`([^`]+)`", label):
        return {**told, "enum": words}
    if bounds := re.fullmatch(r"(\d+) to (\d+)", label):
        return {**told, "type": "integer", "minimum": int(bounds[1]), "maximum": int(bounds[2])}
    # An address with a user or password in it belongs into a Secret.
    return {**told, "type": "string", **({"pattern": "^[^@]*$"} if "URL" in label else {})}


def schema_text() -> str:
    """Return the text values.schema.json should have."""
    schema = json.loads(SCHEMA.read_text())
    schema["properties"]["config"] = settings_schema()
    return json.dumps(schema, indent=2) + "\n"


if __name__ == "__main__":
    SCHEMA.write_text(schema_text())
    sys.exit(0)
