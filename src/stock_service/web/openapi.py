"""The OpenAPI description of our own API, made from `api_table`. The vendor's paths are the vendor's to describe."""

from __future__ import annotations

from typing import Any

import msgspec

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


def openapi_document(version: str) -> bytes:
    """Return the finished document as JSON."""
    schemas, components = msgspec.json.schema_components(
        [operation.answer for operation in OPERATIONS], ref_template=_REF
    )
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
        "paths": {
            operation.template: {"get": _operation(operation, schema)}
            for operation, schema in zip(OPERATIONS, schemas, strict=True)
        },
        "components": {
            "schemas": {**components, "Problem": _PROBLEM},
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer"},
                "apiKey": {"type": "apiKey", "in": "query", "name": "apiKey"},
            },
        },
    }
    return msgspec.json.encode(document)


def _operation(operation: Operation, schema: dict[str, Any]) -> dict[str, Any]:
    symbol = {"name": "symbol", "in": "path", "required": True, "schema": {"type": "string", "example": "AAPL"}}
    parameters: list[dict[str, Any]] = [symbol] if "{symbol}" in operation.template else []
    parameters += [_parameter(parameter) for parameter in operation.parameters]
    content: dict[str, Any] = {"application/json": {"schema": schema}}
    for media in operation.media:
        content.setdefault(media, {"schema": {"type": "string", "format": "binary"}})
    problem = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
    responses: dict[str, Any] = {"200": {"description": operation.summary, "content": content}}
    responses |= {status: {"description": about, "content": problem} for status, about in _ERRORS.items()}
    return {
        "operationId": operation.route,
        "summary": operation.summary,
        "parameters": parameters,
        "responses": responses,
    }


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
