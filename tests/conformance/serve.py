"""A server process for the checks: `python -m tests.conformance.serve [stock]`. Prints its port; ends with SIGTERM.

Ours is `make_server` with the real protocol class; `stock` is uvicorn as it comes, to show what the checks are worth.
"""

from __future__ import annotations

import asyncio
import socket
import sys

import uvicorn

from stock_service.base.clock import SystemClock
from stock_service.base.events import Silent
from stock_service.web.drain import Drain
from stock_service.web.exchange import Receive, Scope, Send
from stock_service.web.guard_limits import Limits
from stock_service.web.hit_protocol import make_protocol
from stock_service.web.http_date import HttpDate
from stock_service.web.listener import bind
from stock_service.web.lookup import Lookup
from stock_service.web.server import ServerSettings, make_server, serve

SETTINGS = ServerSettings(port=0, lame_for=0.0, linger_for=0.0, finish_for=1.0)


async def echo(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer with method and path, the number of body bytes and the names of the header fields, one a line."""
    size, more = 0, scope["method"] not in ("GET", "HEAD")
    while more:
        message = await receive()
        size += len(message.get("body", b""))
        more = message.get("more_body", False)
    names = [name.decode("latin-1") for name, _ in scope["headers"]]
    body = "\n".join([f"{scope['method']} {scope['path']}", str(size), *names]).encode()
    headers = [(b"content-type", b"text/plain"), (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})


async def serve_ours() -> None:
    """Serve with our protocol class until a signal."""
    clock, observer, drain = SystemClock(), Silent(), Drain()
    protocol = make_protocol(
        Lookup(),
        clock=clock,
        date=HttpDate(clock),
        drain=drain,
        limits=Limits(),
        observer=observer,
        renew=lambda entry, client: None,
        names="c",
    )
    server = make_server(echo, SETTINGS, protocol, clock=clock, drain=drain, observer=observer)
    listening = _announce()
    await serve(server, listening, clock=clock, observer=observer)


async def serve_stock() -> None:
    """Serve with uvicorn as it comes."""
    listening = _announce()
    config = uvicorn.Config(echo, http="httptools", ws="none", lifespan="off", log_config=None, access_log=False)
    await uvicorn.Server(config).serve([listening])


def _announce() -> socket.socket:
    """Print the port once a client may connect to it."""
    listening = bind(SETTINGS.host, SETTINGS.port)
    listening.listen()
    print(listening.getsockname()[1], flush=True)
    return listening


if __name__ == "__main__":
    asyncio.run(serve_stock() if sys.argv[1:] == ["stock"] else serve_ours())
