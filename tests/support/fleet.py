"""Three real gateway processes on one shared store, in front of a simulated vendor, and clients that ask them all.

Every pod reaches the store through a wire of its own, so that a test can slow, cut or garble it.
"""

from __future__ import annotations

import asyncio
import itertools
import math
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
PREEMPTED_FOR = 0.05  # seconds a pod may stand still between taking a slot and beginning the exchange
GIVES_UP_AFTER = 60.0  # seconds; a client that waits for a gateway that hangs

_SAMPLE = re.compile(r'^stock_service_shared_operations_total\{operation="(\w+)",result="(\w+)"\} (\S+)$', re.MULTILINE)
_EXCHANGE = re.compile(
    r'^stock_service_stock_api_duration_seconds_bucket\{[^}]*le="([^"]+)"[^}]*\} (\S+)$', re.MULTILINE
)
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
        """No second sees more than `calls` leave for the vendor while this runs.

        The vendor notes when calls arrive, and a busy machine lets it wait: calls of two seconds may arrive in one. So
        pods are asked how long their exchanges took, which no call was longer under way. Those that took up to
        `edge` left within a second when they arrived within `edge` less than one; the slower ones may be any.
        """
        before = await self._exchanges()
        yield
        after = await self._exchanges()
        took = {edge: after[edge] - before[edge] for edge in after}
        assert took[math.inf] > calls
        for edge in (edge for edge in took if edge + PREEMPTED_FOR < 1.0):
            busiest = await self.vendor.busiest(1.0 - edge - PREEMPTED_FOR)
            slower = took[math.inf] - took[edge]
            assert busiest <= calls + slower, f"{busiest} calls in {1.0 - edge} s; by time under way: {dict(took)}"

    async def _exchanges(self) -> Counter[float]:
        """Return how many exchanges with the vendor took no longer than so many seconds, over all pods."""
        counts: Counter[float] = Counter()
        for pod in self.alive:
            async with self.session.get(self.pods[pod].url + "/metrics") as response:
                for edge, count in _EXCHANGE.findall(await response.text()):
                    counts[float(edge)] += int(float(count))
        return counts

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

    async def budget_is_shared(self, within: float) -> None:
        """Wait until the store plans the calls of every pod."""
        begun = time.monotonic()
        for pod in range(len(self.pods)):
            while (await self.status(pod))["budget"] != "shared":
                assert time.monotonic() - begun < within
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
            "STOCKS_SERVER__HEADER_TIMEOUT": "30s",  # thousands of clients in one busy process are slow to speak
            "STOCKS_SERVER__DRAIN_WAIT": "0",
            "STOCKS_SERVER__DRAIN_LINGER": "0",
            **settings,
        }
        starting = [GatewayProcess.start(vendor.url, STOCKS_SHARED__URL=store, **common) for store in stores]
        pods = await asyncio.gather(*starting)
        stack.push_async_callback(_stop, pods)
        made = Fleet(list(pods), vendor, session, list(range(len(pods))))
        await made.together(STORE_IS_BACK_WITHIN)
        await made.budget_is_shared(STORE_IS_BACK_WITHIN)
        yield made


async def _stop(pods: Sequence[GatewayProcess]) -> None:
    await asyncio.gather(*(pod.stop() for pod in pods))
