"""A simulated vendor for tests: in the test's own event loop, or in a thread beside a blocking client."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

from stock_service.base.clock import Clock, SystemClock
from stock_service.simulator.server import Simulator, SimulatorSettings, start_simulator
from tests.support.client_calls import NOW


@asynccontextmanager
async def simulated(clock: Clock | None = None, **settings: Any) -> AsyncIterator[Simulator]:
    """A simulator on a free port of loopback, frozen at `NOW` unless told otherwise."""
    simulator = await start_simulator(SimulatorSettings(**{"at": NOW, **settings}), clock or SystemClock())
    try:
        yield simulator
    finally:
        await simulator.stop()


@contextmanager
def simulated_beside(**settings: Any) -> Iterator[Simulator]:
    """The same, served by a thread of its own; only its counters may be read from the test."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()

    async def start() -> Simulator:
        return await start_simulator(SimulatorSettings(**{"at": NOW, **settings}), SystemClock())

    simulator = asyncio.run_coroutine_threadsafe(start(), loop).result(10)
    try:
        yield simulator
    finally:
        asyncio.run_coroutine_threadsafe(simulator.stop(), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()
