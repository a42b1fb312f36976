"""Three real gateway processes on one shared store, in front of a simulated vendor, and clients that ask them all.

Every pod reaches the store through a wire of its own, so that a test can slow, cut or garble it.
"""

from __future__ import annotations

import asyncio
import itertools
import re
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field

import aiohttp

from bench.storm.gateway import VENDOR_KEY, GatewayProcess
from bench.storm.load import ticker_name
from tests.support.vendor_process import VendorProcess, vendor_process

PODS = 3
STORE_IS_BACK_WITHIN = 20.0  # seconds to start with; a busy machine takes its time
GIVES_UP_AFTER = 60.0  # seconds; a client that waits for a gateway that hangs

_SAMPLE = re.compile(r'^stock_service_shared_operations_total\{operation="(\w+)",result="(\w+)"\} (\S+)$', re.MULTILINE)
_LATE = re.compile(r'^stock_service_shared_fetches_total\{result="late"\} (\S+)$', re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Heard:
    """One answer: status 0 is none at all. `seconds` is what the client waited."""

    path: str
    status: int
    body: bytes
    seconds: float


@dataclass
class Fleet:
    """Running pods, the vendor behind them, and one session of clients."""

    pods: list[GatewayProcess]
    vendor: VendorProcess
    session: aiohttp.ClientSession
    alive: list[int]
    _names: Iterator[int] = field(default_factory=itertools.count)

    async def ask(self, pod: int, path: str) -> Heard:
        """Ask one pod."""
        begun = time.perf_counter()
        try:
            async with asyncio.timeout(GIVES_UP_AFTER), self.session.get(self.pods[pod].url + path) as response:
                body = await response.read()
                return Heard(path, response.status, body, time.perf_counter() - begun)
        except (aiohttp.ClientError, OSError, TimeoutError):
            return Heard(path, 0, b"", time.perf_counter() - begun)

    def cold(self) -> str:
        """Return a question nobody has asked yet."""
        return f"/v2/aggs/ticker/{ticker_name('C', next(self._names))}/prev"

    @asynccontextmanager
    async def plan_is_kept(self, calls: int) -> AsyncIterator[None]:
        """Within any second no more than `calls` reach the vendor while this runs.

        The vendor notes a call when it gets round to it. By how much a process of this machine may be late is measured
        all the while, and such a lateness may make so much more of a second: on a quiet machine none.
        """
        lateness = 0.0

        async def measure() -> None:
            nonlocal lateness
            while True:
                begun = time.perf_counter()
                await asyncio.gather(self.vendor.total(), *(self.status(pod) for pod in self.alive))
                lateness = max(lateness, time.perf_counter() - begun)
                await asyncio.sleep(0.05)

        measuring = asyncio.create_task(measure())
        try:
            yield
        finally:
            measuring.cancel()
            await asyncio.gather(measuring, return_exceptions=True)
        assert await self.vendor.busiest() <= calls * (1.0 + lateness)

    async def status(self, pod: int) -> dict[str, str]:
        """Return what a pod says of the shared store."""
        async with self.session.get(self.pods[pod].url + "/status") as response:
            shared: dict[str, str] = (await response.json())["shared"]
            return shared

    async def operations(self, pod: int) -> Counter[tuple[str, str]]:
        """Return how often a pod asked the store what, and what came of it."""
        async with self.session.get(self.pods[pod].url + "/metrics") as response:
            found = _SAMPLE.findall(await response.text())
        return Counter({(operation, result): int(float(value)) for operation, result, value in found})

    async def late(self, pod: int) -> int:
        """Return how often a pod waited in vain for another one's answer."""
        async with self.session.get(self.pods[pod].url + "/metrics") as response:
            found = _LATE.search(await response.text())
        return 0 if found is None else int(float(found[1]))

    async def together(self, within: float) -> float:
        """Wait until every pod uses the store; return the seconds it took."""
        begun = time.monotonic()
        while True:
            states = [await self.status(pod) for pod in range(len(self.pods))]
            if all(state["store"] == "up" for state in states):
                return time.monotonic() - begun
            assert time.monotonic() - begun < within, states
            await asyncio.sleep(0.05)


@asynccontextmanager
async def fleet(stores: Sequence[str], calls: int, **settings: str) -> AsyncIterator[Fleet]:
    """A pod for each address of the shared store; the vendor's plan allows `calls` a second."""
    async with AsyncExitStack() as stack:
        connector = aiohttp.TCPConnector(limit=0)
        session = await stack.enter_async_context(aiohttp.ClientSession(connector=connector))
        vendor = await stack.enter_async_context(vendor_process(session, VENDOR_KEY))
        common = {
            "STOCKS_SHARED__MAX_PODS": str(PODS),
            "STOCKS_QUOTA__CALLS": str(calls),
            "STOCKS_QUOTA__PER": "1s",
            "STOCKS_QUOTA__MAX_WAIT": "8s",
            "STOCKS_SERVER__REQUEST_TIMEOUT": "18s",
            "STOCKS_SERVER__DRAIN_WAIT": "0",
            "STOCKS_SERVER__DRAIN_LINGER": "0",
            **settings,
        }
        starting = [GatewayProcess.start(vendor.url, STOCKS_SHARED__URL=store, **common) for store in stores]
        pods = await asyncio.gather(*starting)
        stack.push_async_callback(_stop, pods)
        made = Fleet(list(pods), vendor, session, list(range(len(pods))))
        await made.together(STORE_IS_BACK_WITHIN)
        for pod in range(len(pods)):
            await _budget_is_shared(made, pod)
        yield made


async def _budget_is_shared(made: Fleet, pod: int) -> None:
    begun = time.monotonic()
    while (await made.status(pod))["budget"] != "shared":
        assert time.monotonic() - begun < STORE_IS_BACK_WITHIN
        await asyncio.sleep(0.05)


async def _stop(pods: Sequence[GatewayProcess]) -> None:
    await asyncio.gather(*(pod.stop() for pod in pods))
