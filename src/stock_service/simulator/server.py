"""Starts and stops the simulated vendor on a socket: inside a test, inside `demo`, or alone for `simulate`.

Must only listen where its user alone can reach it: the switchboard has no key. Never logs a key, or anything else.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from aiohttp import web

from stock_service.base.clock import Clock
from stock_service.base.listening import beginning_to_listen
from stock_service.simulator.admission import Admission
from stock_service.simulator.app import Vendor
from stock_service.simulator.calls import CallLog
from stock_service.simulator.control import add_control
from stock_service.simulator.faults import Faults
from stock_service.simulator.feeds import load_examples
from stock_service.simulator.instruments import DEFAULT_UNIVERSE
from stock_service.simulator.prices import Prices
from stock_service.simulator.replay import load_histories
from stock_service.simulator.world import Plan, World

_STOP_FOR = 0.2
"""Seconds a running call may take once the simulator stops; hung ones never end by themselves."""

_LONGEST_LINE = 32_768
"""Bytes of a request line: 250 option tickers in one question fit."""


@dataclass(frozen=True, slots=True)
class SimulatorSettings:
    """Where it listens and what vendor it plays.

    `port` 0 takes any free one. `calls` per `per` seconds is the key's limit, None for none. `at` (Unix seconds)
    freezes the instant answers are given for; None follows the clock. `replay` is a folder (or file) of real daily
    bars, `examples` an OpenAPI description whose examples answer the routes nothing is computed for.
    """

    host: str = "127.0.0.1"
    port: int = 0
    seed: int = 1
    key: str = "demo-key"
    calls: int | None = None
    per: float = 60.0
    at: float | None = None
    plan: Plan = Plan.PAID
    universe: tuple[str, ...] = DEFAULT_UNIVERSE
    replay: Path | None = None
    examples: Path | None = None
    keep_alive_for: float = 75.0

    def __repr__(self) -> str:
        """Without the key."""
        return f"SimulatorSettings(http://{self.host}:{self.port}, seed={self.seed}, plan={self.plan.value})"


class Simulator:
    """A running simulated vendor. `faults` and `calls` are live."""

    def __init__(self, settings: SimulatorSettings, vendor: Vendor) -> None:
        self._settings = settings
        self._vendor = vendor
        self._port = settings.port
        self._runner = web.AppRunner(
            _application(vendor),
            access_log=None,
            keepalive_timeout=settings.keep_alive_for,
            shutdown_timeout=_STOP_FOR,
            max_line_size=_LONGEST_LINE,
        )
        self._site: web.TCPSite | None = None

    @property
    def port(self) -> int:
        """The port it listens on, or last listened on."""
        return self._port

    @property
    def url(self) -> str:
        """Its origin, without a slash at the end."""
        return f"http://{self._settings.host}:{self._port}"

    @property
    def faults(self) -> Faults:
        """The faults in force."""
        return self._vendor.faults

    @property
    def calls(self) -> CallLog:
        """Every call so far."""
        return self._vendor.calls

    @property
    def connections(self) -> int:
        """How many connections are open."""
        return len(self._runner.server.connections) if self._runner.server is not None else 0

    def freeze(self, at: float | None) -> None:
        """Answer for the instant `at` (Unix seconds) from now on; None follows the clock again."""
        self._vendor.frozen_at = at

    async def start(self) -> None:
        """Listen. Raises CannotListen when the port is taken."""
        await self._runner.setup()
        with beginning_to_listen():
            await self.listen()

    async def listen(self) -> None:
        """Accept connections, on the same port as before."""
        if self._site is None:
            self._site = web.TCPSite(self._runner, self._settings.host, self._port, backlog=16_384)
            await self._site.start()
            self._port = self._runner.addresses[0][1]

    async def refuse(self) -> None:
        """Stop listening and cut every open connection, so that the next one is refused; `listen` ends it."""
        if self._site is not None:
            await self._site.stop()
            self._site = None
        for connection in self._runner.server.connections if self._runner.server is not None else ():
            if connection.transport is not None:
                connection.transport.abort()

    async def stop(self) -> None:
        """Close every connection and the socket."""
        closing = list(self._vendor.closing)
        for task in closing:
            task.cancel()
        await asyncio.gather(*closing, return_exceptions=True)
        await self._runner.cleanup()


async def start_simulator(settings: SimulatorSettings, clock: Clock) -> Simulator:
    """A simulator that listens. Raises CannotListen for a taken port, ValueError for unreadable replay or examples."""
    histories = {} if settings.replay is None else load_histories(settings.replay)
    examples = {} if settings.examples is None else load_examples(settings.examples)
    world = World(Prices(settings.seed, histories), settings.universe, settings.plan, examples)
    admission = Admission((settings.key,), settings.calls, settings.per)
    simulator = Simulator(settings, Vendor(world, admission, clock, settings.at))
    await simulator.start()
    return simulator


async def run_simulator(settings: SimulatorSettings, clock: Clock, announce: Callable[[str], None]) -> None:
    """Run until SIGINT or SIGTERM; `announce` gets the address once it listens. Raises like `start_simulator`."""
    simulator = await start_simulator(settings, clock)
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        with suppress(NotImplementedError):  # a loop without signals ends by cancellation
            loop.add_signal_handler(number, ended.set)
    try:
        announce(simulator.url)
        await ended.wait()
    finally:
        await simulator.stop()


def _application(vendor: Vendor) -> web.Application:
    app = web.Application(client_max_size=1 << 20)
    add_control(app, vendor)
    app.router.add_route("*", "/{path:.*}", vendor.handle)
    return app
