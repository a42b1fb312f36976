"""The two HTML pages, made at start: plain documents without a script or a foreign host."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape

from stock_service import __version__
from stock_service.web import admin_table
from stock_service.web.api_table import OPERATIONS, Operation, Parameter

_STYLE = """
:root { color-scheme: light dark; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 52rem; margin: 2rem auto; padding: 0 1rem; }
code, pre { font-family: ui-monospace, monospace; font-size: 0.92em; }
pre { padding: 0.7rem 1rem; overflow-x: auto; border: 1px solid #8884; border-radius: 6px; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; padding: 0.25rem 0.75rem 0.25rem 0; vertical-align: top; border-bottom: 1px solid #8883; }
h2 { margin-top: 2.2rem; }
"""

_CLIENT = """from massive import RESTClient

client = RESTClient(api_key="your key here", base="http://HOST:8080")
for bar in client.list_aggs("AAPL", 1, "day", "2024-01-02", "2024-06-28"):
    print(bar)"""

_READING = (
    ("Your key", "<code>Authorization: Bearer KEY</code> or <code>apiKey=KEY</code>, where this gateway asks for one"),
    ("<code>Age</code>", "seconds since the vendor was asked"),
    ("<code>Cache-Status</code>", "<code>hit</code>, <code>fwd=uri-miss</code>, or <code>fwd=stale</code> and why"),
    ("<code>ETag</code>", "send it back as <code>If-None-Match</code>: 304 while nothing changed"),
    ("<code>Retry-After</code>", "on 429 and 503: after so many seconds asking again makes sense"),
    ("Errors", "in the vendor's shape under the vendor's paths, RFC 9457 problems under <code>/api</code>"),
)
_OPS = (
    ("/health", "200 while the process lives; says ok or degraded"),
    ("/ready", "200 when traffic may come, 503 while starting or draining"),
    ("/status", "one snapshot of every part"),
    ("/circuit-breaker", "the breaker's state, window and next probe"),
    ("/metrics", "Prometheus metrics"),
    ("/openapi.json", "this API, described for machines"),
)


def _page(title: str, content: str) -> bytes:
    page = (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        f'<meta name="viewport" content="width=device-width"><style>{_STYLE}</style></head>'
        f"<body>{content}</body></html>\n"
    )
    return page.encode()


def _need(parameter: Parameter) -> str:
    return "required" if parameter.default is None else f"default <code>{escape(parameter.default)}</code>"


def _operation(operation: Operation) -> str:
    rows = "".join(
        f"<tr><td><code>{escape(p.name)}</code></td><td>{escape(p.about)}</td><td>{_need(p)}</td></tr>"
        for p in operation.parameters
    )
    table = f"<table>{rows}</table>" if rows else ""
    example = escape(operation.example)
    tried = f' Try <a href="{example}">{example}</a>' if example else ""
    line = f"{operation.method} {escape(operation.template)}"
    return f"<h3><code>{line}</code></h3><p>{escape(operation.summary)}.{tried}</p>{table}"


def _rows(rows: Iterable[tuple[str, str]]) -> str:
    return "<table>" + "".join(f"<tr><td>{name}</td><td>{about}</td></tr>" for name, about in rows) + "</table>"


def _docs() -> str:
    operations = "".join(_operation(operation) for operation in OPERATIONS)
    admin = "".join(_operation(operation) for operation in admin_table.OPERATIONS)
    ops = _rows((f'<a href="{path}"><code>{path}</code></a>', escape(about)) for path, about in _OPS)
    return (
        f"<h1>Stock Service {escape(__version__)}</h1>"
        "<h2>The vendor's API</h2><p>Every path of the vendor's REST API answers here as the vendor does, from the"
        " cache where possible. The vendor's own clients work unchanged:</p>"
        f"<pre>{escape(_CLIENT)}</pre>"
        f"<h2>Our own API</h2>{operations}<h2>Asking and reading</h2>{_rows(_READING)}<h2>Operation</h2>{ops}"
        f"<h2>Administration</h2><p>Each needs a key with the right <code>admin</code>.</p>{admin}"
    )


_FRONT = (
    "<h1>Stock Service</h1><p>One vendor key, one call budget, every consumer. Ask here what you would ask the"
    ' vendor.</p><ul><li><a href="/docs">How to ask</a></li><li><a href="/api/market">Markets now</a></li>'
    '<li><a href="/status">Status</a></li><li><a href="/metrics">Metrics</a></li></ul>'
)

DOCS_PAGE = _page("Stock Service: API", _docs())
FRONT_PAGE = _page("Stock Service", _FRONT)
