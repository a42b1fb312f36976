"""Python's own part of a hit: the real protocol class and tables on a transport that sends nothing.

No kernel, no network, so it is steady to a few percent: the figure to watch from change to change. Each case is the
best of many short runs over a thousand different targets.
"""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable, Iterable
from time import perf_counter
from typing import Any, cast

from uvicorn.config import Config
from uvicorn.server import ServerState

from bench.load import TARGETS, target
from bench.peers import make_body
from stock_service.access.gate import Client
from stock_service.access.quota import parse_limit
from stock_service.base.clock import SystemClock
from stock_service.base.events import Silent
from stock_service.base.reply import Reply
from stock_service.cache.entry import Entry
from stock_service.cache.freshness import Lifetime
from stock_service.cache.memory import Memory
from stock_service.vendor.request import parse_request
from stock_service.web.drain import Drain
from stock_service.web.exchange import Exchange
from stock_service.web.guard_limits import Limits
from stock_service.web.hit_protocol import HitProtocol, make_protocol
from stock_service.web.http_date import HttpDate
from stock_service.web.lookup import Lookup

FLOOR_NS = 1_400
GOAL_NS = 1_000
_REPEATS = 25
_RUN = 250  # requests timed at once: short, so that on a busy machine some are not interrupted
_FOREVER = 1e9
_FIELDS = (
    "Host: 127.0.0.1:8080",
    "User-Agent: Massive.com PythonClient/2.9.1",
    "Accept: */*",
    "Accept-Encoding: gzip",
    "Connection: keep-alive",
)


class NoTransport(asyncio.Transport):
    """Sends nothing."""

    def __init__(self) -> None:
        super().__init__({"sockname": ("127.0.0.1", 8080), "peername": ("127.0.0.1", 50_000)})

    def write(self, data: Any) -> None:
        pass

    def writelines(self, pieces: Iterable[Any]) -> None:
        pass

    def is_closing(self) -> bool:
        return False

    def get_write_buffer_size(self) -> int:
        return 0


class _Bench:
    """One protocol object that knows every target."""

    def __init__(self) -> None:
        self.clock = SystemClock()
        self.lookup = Lookup()
        self.memory = Memory(256 * 2**20)
        self.etag = ""
        self.free = Client("free")
        self.limited = Client("limited", parse_limit("100000/s"))
        for number in range(TARGETS):
            self._teach(number)
        for credential, client in (("free", self.free), ("limited", self.limited)):
            self.lookup._trust(credential, client, _FOREVER)
        self.protocol = self._connect()

    def _teach(self, number: int) -> None:
        now = self.clock.monotonic()
        request = parse_request(target(number), "")
        reply = Reply(200, "application/json", make_body(300), now)
        entry = Entry(request.key, request.endpoint.group, reply, Lifetime(_FOREVER), now)
        self.memory.put(entry)
        self.etag = entry.pack().etag.decode()
        for method in ("GET", "HEAD"):
            exchange = Exchange(
                method=method,
                path=target(number),
                query=b"",
                headers=((b"authorization", b"Bearer free"),),
                peer="",
                scheme="http",
                local=b"",
                started_at=now,
                deadline=now,
                request_id="",
                receive=cast("Any", None),
            )
            self.lookup.learn(exchange, request, entry, self.free)

    def _connect(self) -> HitProtocol:
        made = make_protocol(
            self.lookup,
            clock=self.clock,
            date=HttpDate(self.clock),
            drain=Drain(),
            limits=Limits(),
            observer=Silent(),
            renew=lambda entry, client: None,
            names="bench-h",
        )
        config = Config(_nobody, ws="none", log_config=None)
        config.load()
        protocol = made(config, ServerState(), {})
        protocol.connection_made(NoTransport())
        return protocol

    @property
    def hits(self) -> int:
        return sum(series.count for series in self.lookup.series())

    def measure(self, requests: list[bytes]) -> float:
        """Return nanoseconds a hit; RuntimeError if any was not one."""
        receive: Callable[[bytes], None] = self.protocol.data_received
        best = _FOREVER
        runs = [requests[first : first + _RUN] for first in range(0, len(requests), _RUN)]
        before = self.hits
        gc.disable()
        for _ in range(_REPEATS):
            for run in runs:
                begun = perf_counter()
                for request in run:
                    receive(request)
                best = min(best, (perf_counter() - begun) / len(run))
        gc.enable()
        if self.hits - before != _REPEATS * len(requests):
            raise RuntimeError(f"only {self.hits - before} of {_REPEATS * len(requests)} were hits")
        return best * 1e9


async def _nobody(scope: Any, receive: Any, send: Any) -> None:
    raise AssertionError("a hit reached the application")


def _requests(*fields: str, key: str = "free", method: str = "GET", count: int = TARGETS) -> list[bytes]:
    lines = "\r\n".join([*_FIELDS, *fields, f"Authorization: Bearer {key}", "", ""])
    heads = (f"{method} {target(number % TARGETS)} HTTP/1.1\r\n" for number in range(count))
    return [(head + lines.replace("{n}", f"{number:032x}")).encode() for number, head in enumerate(heads)]


async def _run() -> dict[str, float]:
    bench = _Bench()
    etag = bench.etag
    cases = {
        "a hit, every feature on": _requests(),
        "  of a limited client, with RateLimit fields": _requests(key="limited"),
        "  HEAD": _requests(method="HEAD"),
        "  304": _requests(f"If-None-Match: {etag}"),
        "  traceparent differs every time": _requests("traceparent: 00-{n}-00f067aa0ba902b7-01", count=5 * TARGETS),
        "  an unknown field differs every time": _requests("X-Changing: {n}", count=5 * TARGETS),
        "  a field that is read differs: parsed every time": _requests('If-None-Match: "{n}"', count=5 * TARGETS),
    }
    return {name: round(bench.measure(requests)) for name, requests in cases.items()}


def run() -> dict[str, float]:
    """Measure and print nanoseconds a hit."""
    figures = asyncio.run(_run())
    print(f"\nPython's own part of a hit, ns (floor {FLOOR_NS:,}, goal {GOAL_NS:,})")
    for name, nanoseconds in figures.items():
        print(f"  {name:52} {nanoseconds:8,.0f}")
    return figures
