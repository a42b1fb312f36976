"""A real gateway on a real socket in front of a running simulator, both on an event loop in a thread of their own.

For tests that need blocking clients (the vendor's official ones) or raw sockets.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

import uvloop

from stock_service.base.clock import Clock, SystemClock
from stock_service.base.events import Observer, Silent
from stock_service.config.load import load_settings
from stock_service.simulator.server import Simulator, SimulatorSettings, start_simulator
from stock_service.web.listener import bind
from stock_service.web.server import Server, ServerSettings, make_server, serve
from stock_service.web.watchdog import WatchdogSettings
from stock_service.wiring.build import build_service
from stock_service.wiring.service import Service

T = TypeVar("T")

VENDOR_KEY = "vendor-key-of-the-tests"
STARTS_WITHIN = 20.0
GENEROUS = {
    "quota.calls": 10_000,
    "quota.per": "1s",
    "server.drain_wait": "0s",
    "server.drain_linger": "0s",
    # The vendor shares a loop with the gateway, and the machine with other tests: only what hangs runs into these.
    "server.request_timeout": "60s",
    "upstream.attempt_timeout": "50s",
    "upstream.connect_timeout": "20s",
    "upstream.first_byte_timeout": "50s",
    "upstream.idle_timeout": "30s",
}


class LoopThread:
    """An event loop in a thread."""

    def __init__(self) -> None:
        self._loop = uvloop.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run `work` there and return its result."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(STARTS_WITHIN)

    def close(self) -> None:
        """End the loop and its thread."""
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(STARTS_WITHIN)
        self._loop.close()


@dataclass(slots=True)
class Gateway:
    """A gateway that serves."""

    url: str
    service: Service
    server: Server
    serving: asyncio.Task[None]


async def start_gateway(flags: Mapping[str, object], log: Observer, clock: Clock) -> Gateway:
    """Return a serving gateway with these settings by dotted name, and generous ones for what they leave open."""
    loaded = load_settings(env={}, flags={**GENEROUS, **flags})
    service = build_service(loaded.settings, log, lambda: 0, clock)
    section = loaded.settings.server
    listening = bind("127.0.0.1", 0)
    settings = ServerSettings(
        lame_for=section.drain_wait, linger_for=section.drain_linger, finish_for=section.drain_finish
    )
    server = make_server(
        service.app, settings, service.protocol, clock=clock, drain=service.drain, observer=service.observer
    )
    watchdog = WatchdogSettings(dump_after=0.0, exit_after=0.0)
    running = serve(server, listening, clock=clock, observer=service.observer, watchdog=watchdog)
    serving = asyncio.get_running_loop().create_task(running)
    listening.listen()  # connections queue from now on, so nobody has to wait for the server to have started
    service.ready = True
    return Gateway(f"http://127.0.0.1:{listening.getsockname()[1]}", service, server, serving)


async def stop_gateway(gateway: Gateway) -> None:
    """Drain and end."""
    gateway.server.begin_drain("test")
    await gateway.serving
    await gateway.service.aclose()


@dataclass(slots=True)
class Pair:
    """A gateway and the simulated vendor behind it."""

    loop: LoopThread
    simulator: Simulator
    gateway: Gateway


@contextmanager
def running_pair(
    simulated: SimulatorSettings | None = None,
    flags: Mapping[str, object] | None = None,
    *,
    clock: Clock | None = None,
    log: Observer | None = None,
) -> Iterator[Pair]:
    """Run both, and end both."""
    loop, clock = LoopThread(), clock or SystemClock()
    try:
        simulator = loop.run(start_simulator(simulated or SimulatorSettings(port=0, key=VENDOR_KEY), clock))
        settings = {"upstream.url": simulator.url, "upstream.api_key": VENDOR_KEY, **(flags or {})}
        gateway = loop.run(start_gateway(settings, log or Silent(), clock))
        try:
            yield Pair(loop, simulator, gateway)
        finally:
            loop.run(stop_gateway(gateway))
            loop.run(simulator.stop())
    finally:
        loop.close()
