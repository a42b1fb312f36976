"""The Python peers: a dictionary behind raw ASGI, and the same behind FastAPI. No features."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

_BODY = Path(os.environ.get("BENCH_BODY", os.devnull)).read_bytes()
_KEPT: dict[str, bytes] = {}
_HEADERS = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(_BODY))]


async def raw(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """Answer from a dictionary."""
    if scope["type"] != "http":
        return
    body = _KEPT.setdefault(scope["path"], _BODY)
    await send({"type": "http.response.start", "status": 200, "headers": _HEADERS})
    await send({"type": "http.response.body", "body": body})


def _make_fast() -> Any:
    from fastapi import FastAPI, Response

    app = FastAPI()

    @app.get("/v2/aggs/ticker/{symbol}/prev")
    async def prev(symbol: str) -> Response:
        return Response(_KEPT.setdefault(symbol, _BODY), media_type="application/json")

    return app


def __getattr__(name: str) -> Any:
    if name == "fast":
        return _make_fast()
    raise AttributeError(name)
