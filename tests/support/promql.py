"""What a PromQL expression reads, by Prometheus' grammar, and the names of the series our table exports."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import promql_parser

from stock_service.telemetry.table import TABLE, Kind

_PARTS = ("_bucket", "_count", "_sum")


def own_series() -> set[str]:
    """Return the name of every series the service exports, a histogram's parts included."""
    parts = {f"{metric.name}{part}" for metric in TABLE if metric.kind is Kind.HISTOGRAM for part in _PARTS}
    return parts | {metric.name for metric in TABLE}


def metric_names(expression: str) -> set[str]:
    """Return the metrics a PromQL expression reads, as Prometheus' own grammar sees them."""
    return {selector.name for selector in _selectors(promql_parser.parse(expression))}


def namespaces_named(expression: str) -> list[str]:
    """Return, for each selector of the expression, the namespace it is limited to; empty for none."""
    return [
        next((matcher.value for matcher in selector.matchers.matchers if matcher.name == "namespace"), "")
        for selector in _selectors(promql_parser.parse(expression))
    ]


def _selectors(node: object) -> Iterator[Any]:
    if isinstance(node, promql_parser.VectorSelector):
        yield node
    for part in ("lhs", "rhs", "expr", "vector_selector", "param"):
        if (child := getattr(node, part, None)) is not None:
            yield from _selectors(child)
    for child in getattr(node, "args", None) or []:
        yield from _selectors(child)
