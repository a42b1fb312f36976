"""One whole instance, its chores included, whose answers outlive it on a store or in a folder."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager

from stock_service.base.clock import SystemClock
from stock_service.base.events import Silent
from stock_service.simulator.server import Simulator
from tests.support.running import VENDOR_KEY, start_gateway, stop_gateway
from tests.support.shared_pod import until

_TELLS_WITHIN = 20.0  # seconds; on a busy machine a disk takes its time


class Instance(str):
    """The address of a running instance."""

    telling: Callable[[], bool]

    async def has_told(self) -> None:
        """Wait until the others can know what this one does: it writes for them after it has answered."""
        await until(lambda: not self.telling(), within=_TELLS_WITHIN)


@asynccontextmanager
async def instance(vendor: Simulator, flags: Mapping[str, object]) -> AsyncIterator[Instance]:
    """A gateway with its chores; yields its address once its store is in use."""
    settings = {"upstream.url": vendor.url, "upstream.api_key": VENDOR_KEY, **flags}
    gateway = await start_gateway(settings, Silent(), SystemClock())
    chores = asyncio.create_task(gateway.service.do_chores())
    try:
        shared = gateway.service._shared
        assert shared is not None
        await until(lambda: shared.snapshot()["store"] == "up")
        found = Instance(gateway.url)
        found.telling = lambda: shared.cache.busy
        yield found
    finally:
        chores.cancel()
        await asyncio.gather(chores, return_exceptions=True)
        await stop_gateway(gateway)
