"""Prints the table of metrics: as the page docs/metrics.md, and as JSON for whoever checks queries against it."""

from __future__ import annotations

import json

from stock_service.telemetry.table import TABLE, Kind, Metric

_HEAD = """# Metrics

`GET /metrics`, in the Prometheus text format 0.0.4, or OpenMetrics 1.0 for those who accept it. Printed from the one
table in the code (`python -m stock_service.telemetry.metrics_page > docs/metrics.md`); a test compares.

Every metric is there from the start. Series of a closed set start at 0, so that the first failure is seen as a rise:
`http_requests_total` has 200, 500, 502, 503 and 504 of every route. A histogram's series appear with their first
value, save the common ones. No label ever holds a ticker, a path, a message or a credential:

| label | values |
|---|---|
| `method` | `GET`, `HEAD`, `OTHER` |
| `route` | the vendor's route groups, our own routes (`api_quote` …), operational ones (`health` …), `unmatched` |
| `status` | the status code |
| `endpoint` | the vendor's route groups |
| `outcome` | `ok`, or the class of the failure |
| `client` | a key's id, or `anonymous` |
| `from`, `to` | `closed`, `half_open`, `open` |
| `priority` | `interactive`; `renewal` (somebody waits, with a stale answer to fall back on); `refresh`, `backfill` |
| `result` | `done`, `budget`, `deadline` |
| `kind`, `where`, `why` | closed words of the code |

Answers given below the framework are in `http_requests_total`, `http_request_duration_seconds` and
`stock_service_cache_hits_total` like all others. `process_*` are those of the Prometheus client library.

| metric | kind | labels | unit | question it answers | for |
|---|---|---|---|---|---|
"""


def render_page() -> str:
    """Return docs/metrics.md."""
    return _HEAD + "".join(map(_row, TABLE)) + "\n## Edges of the histograms\n\n" + "".join(map(_edges, TABLE))


def render_json() -> str:
    """Return the table as a JSON array."""
    rows = [
        {"name": metric.name, "kind": metric.kind, "labels": metric.labels, "unit": metric.unit, "edges": metric.edges}
        for metric in TABLE
    ]
    return json.dumps(rows, indent=2)


def _row(metric: Metric) -> str:
    labels = ", ".join(f"`{label}`" for label in metric.labels) or "none"
    return f"| `{metric.name}` | {metric.kind} | {labels} | {metric.unit} | {metric.question} | {metric.use} |\n"


def _edges(metric: Metric) -> str:
    if metric.kind is not Kind.HISTOGRAM:
        return ""
    return f"- `{metric.name}`: {', '.join(f'{edge:g}' for edge in metric.edges)}\n"


if __name__ == "__main__":
    import sys

    sys.stdout.write(render_json() + "\n" if "--json" in sys.argv else render_page())
