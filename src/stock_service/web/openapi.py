"""The OpenAPI description of our own API and the admin routes, made from their tables; not of the vendor's paths."""

from __future__ import annotations

import re
from typing import Any

import msgspec

from stock_service.web import admin_table
from stock_service.web.api_table import OPERATIONS, Operation, Parameter

_REF = "#/components/schemas/{name}"
_PROBLEM = {
    "type": "object",
    "description": "RFC 9457 problem",
    "required": ["type", "title", "status"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
    },
}
_ERRORS = {
    "400": "The question is malformed; the problem names the part",
    "401": "A key is missing or not valid",
    "403": "The vendor's plan does not include this",
    "404": "The vendor knows no such symbol",
    "429": "The client's limit or the vendor's quota is used up; Retry-After says for how long",
    "502": "The vendor's answer is unusable",
    "503": "The vendor keeps failing or this instance is busy; Retry-After says for how long",
    "504": "The vendor did not answer in time",
}
_ADMIN_ERRORS = {
    "400": "The order is malformed; the problem names the part",
    "401": "A key is missing or not valid",
    "403": "The key lacks the right `admin`",
    "404": "There is no such key",
    "409": "Keys cannot be changed from here; the problem says what to do",
    "429": "The client's limit is used up; Retry-After says for how long",
    "503": "The shared store cannot be had; Retry-After says for how long",
}
_PATH_NAME = re.compile(r"\{(\w+)\}")
_EXAMPLES = {"symbol": "AAPL", "id": "3f9c0a71"}


def openapi_document(version: str) -> bytes:
    """Return the finished document as JSON."""
    operations = (*OPERATIONS, *admin_table.OPERATIONS)
    bodies = [operation.body for operation in operations if operation.body is not None]
    schemas, components = msgspec.json.schema_components(
        [*(operation.answer for operation in operations), *bodies], ref_template=_REF
    )
    taken = dict(zip(bodies, schemas[len(operations) :], strict=True))
    paths: dict[str, dict[str, Any]] = {}
    for operation, schema in zip(operations, schemas, strict=False):
        described = _operation(operation, schema, None if operation.body is None else taken[operation.body])
        paths.setdefault(operation.template, {})[operation.method.lower()] = described
    document = {
        "openapi": "3.1.0",
        "info": {
            "title": "Stock Service",
            "version": version,
            "description": "Our own API. Beside it every path of the vendor's REST API answers as the vendor does.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "security": [{"bearer": []}, {"apiKey": []}],
        "paths": paths,
        "components": {
            "schemas": {**components, "Problem": _PROBLEM},
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer"},
                "apiKey": {"type": "apiKey", "in": "query", "name": "apiKey"},
            },
        },
    }
    return msgspec.json.encode(document)


def _operation(operation: Operation, schema: dict[str, Any], taken: dict[str, Any] | None) -> dict[str, Any]:
    parameters: list[dict[str, Any]] = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string", "example": _EXAMPLES[name]}}
        for name in _PATH_NAME.findall(operation.template)
    ]
    parameters += [_parameter(parameter) for parameter in operation.parameters]
    content: dict[str, Any] = {"application/json": {"schema": schema}}
    for media in operation.media:
        content.setdefault(media, {"schema": {"type": "string", "format": "binary"}})
    problem = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
    errors = _ERRORS if operation in OPERATIONS else _ADMIN_ERRORS
    responses: dict[str, Any] = {str(operation.status): {"description": operation.summary, "content": content}}
    responses |= {status: {"description": about, "content": problem} for status, about in errors.items()}
    described: dict[str, Any] = {
        "operationId": operation.route,
        "summary": operation.summary,
        "parameters": parameters,
        "responses": responses,
    }
    if taken is not None:
        described["requestBody"] = {"required": True, "content": {"application/json": {"schema": taken}}}
    return described


def _parameter(parameter: Parameter) -> dict[str, Any]:
    schema = dict(parameter.schema)
    if parameter.default is not None:
        schema["default"] = msgspec.json.decode(parameter.default) if schema["type"] != "string" else parameter.default
    return {
        "name": parameter.name,
        "in": "query",
        "required": parameter.required,
        "description": parameter.about,
        "schema": schema,
    }
