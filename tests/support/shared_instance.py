"""One whole instance, its chores included, whose answers outlive it on a store or in a folder."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from stock_service.base.clock import SystemClock
from stock_service.base.events import Silent
from stock_service.simulator.server import Simulator
from tests.support.running import VENDOR_KEY, start_gateway, stop_gateway
from tests.support.shared_pod import until


@asynccontextmanager
async def instance(vendor: Simulator, flags: Mapping[str, object]) -> AsyncIterator[str]:
    """A gateway with its chores; yields its address once its store is in use."""
    settings = {"upstream.url": vendor.url, "upstream.api_key": VENDOR_KEY, **flags}
    gateway = await start_gateway(settings, Silent(), SystemClock())
    chores = asyncio.create_task(gateway.service.do_chores())
    try:
        shared = gateway.service._shared
        assert shared is not None
        await until(lambda: shared.snapshot()["store"] == "up")
        yield gateway.url
    finally:
        chores.cancel()
        await asyncio.gather(chores, return_exceptions=True)
        await stop_gateway(gateway)
