"""Python's own part of a miss: everything built as in production, but neither clients nor a vendor behind a socket.

From the bytes of a question nobody asked before to the bytes of its answer: parser, ASGI, key, canonical form, flight,
pacer, breaker, payload check, lifetime, store, render, log line. Processor time of this process, the best of many
short runs; what the kernel and the HTTP client add is in the misses of `make bench`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from time import process_time

import uvloop
from uvicorn.config import Config
from uvicorn.server import ServerState

from bench.micro import NoTransport
from bench.peers import make_body
from stock_service.base.clock import SystemClock
from stock_service.config.load import load_settings
from stock_service.telemetry.log_lines import Form, Level
from stock_service.telemetry.logs import Log, LogObserver
from stock_service.telemetry.scrub import Scrubber
from stock_service.upstream.client import Exchange
from stock_service.upstream.judged import JudgingClient
from stock_service.wiring.build import build_service

GOAL_US = 250.0  # of a whole miss, kernel and all: 4,000 a second on a core
_RUNS, _EACH = 60, 100
_SETTINGS = {
    "STOCKS_QUOTA__CALLS": "100000",
    "STOCKS_QUOTA__PER": "1s",
    "STOCKS_UPSTREAM__API_KEY": "vendor-key",
    "STOCKS_ACCESS__ALLOW_ANONYMOUS": "true",
}
_FIELDS = "Host: 127.0.0.1:8080\r\nAccept-Encoding: gzip\r\nAuthorization: Bearer key\r\n\r\n"


class _Vendor:
    """Answers at once."""

    def __init__(self) -> None:
        self._answer = Exchange(200, "application/json", make_body(300), "6a7e466379af0a71")

    async def exchange(
        self, target: str, *, accept: str, within: float, edge: Mapping[str, str] | None = None
    ) -> Exchange:
        return self._answer

    async def aclose(self) -> None:
        pass


class Misses:
    """One connection to a whole service; every question on it is new. To be made on a running loop."""

    def __init__(self) -> None:
        clock = SystemClock()
        log = LogObserver(Log(lambda line: None, clock, Scrubber(("vendor-key",)), Level.INFO, Form.JSON), clock)
        service = build_service(load_settings(env=_SETTINGS).settings, log, lambda: 0, clock)
        service._upstream._client = JudgingClient(_Vendor(), 5.0, clock)
        config = Config(
            service.app, ws="none", log_config=None, server_header=False, date_header=False, proxy_headers=False
        )
        config.load()
        self._protocol = service.protocol(config, ServerState(), {}, asyncio.get_running_loop())
        self._protocol.connection_made(NoTransport())
        self._asked = 0

    async def ask(self) -> None:
        """Ask one more and wait for its answer."""
        self._asked += 1
        self._protocol.data_received(f"GET /v2/aggs/ticker/SYM{self._asked}/prev HTTP/1.1\r\n{_FIELDS}".encode())
        while self._protocol.waiting:  # noqa: ASYNC110 - the loop has nothing else to do
            await asyncio.sleep(0)


async def _run() -> float:
    misses, best = Misses(), 1e9
    for _ in range(_RUNS):
        begun = process_time()
        for _ in range(_EACH):
            await misses.ask()
        best = min(best, (process_time() - begun) / _EACH)
    return best * 1e6


def run() -> float:
    """Measure and print microseconds a miss."""
    spent = round(uvloop.run(_run()), 1)
    print(f"\nPython's own part of a miss, us (a whole one was to take at most {GOAL_US:g})\n  {spent:62}")
    return spent


if __name__ == "__main__":
    run()
