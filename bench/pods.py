"""What a fleet saves: vendor calls of the same questions over 1, 3 and 20 instances, with and without a shared store.

Real gateways in one process, a real server, the simulated vendor counting. The questions are those of a team: a few
popular tickers, mostly the same things, some of them good for seconds only, so that answers also expire meanwhile.
"""

from __future__ import annotations

import asyncio
import itertools
import random
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from bench.machine import SERVER_CORE, find_program, free_port, running
from stock_service.base.clock import SystemClock
from stock_service.base.events import Silent
from stock_service.config.load import load_settings
from stock_service.simulator.server import Simulator, SimulatorSettings, start_simulator
from stock_service.vendor.request import VendorRequest, ask
from stock_service.wiring.build import build_service
from stock_service.wiring.service import Service

GOAL = 1.1
_FLEETS = (1, 3, 20)
_TICKERS = tuple(f"T{a}{b}" for a, b in itertools.product("ABCDE", "ABCDE"))
_ASKED = 1_000
_AT_ONCE = 8
_KEY = "bench-vendor-key"
_ANSWER_WITHIN = 30.0  # seconds; how fast is not asked here
_clock = SystemClock()


@dataclass(slots=True)
class _Asker:
    id: str = "bench"
    vendor_calls: int = 0


def run() -> dict[str, Any]:
    """Ask the same questions of every fleet; print and return the vendor calls each caused."""
    if find_program("redis-server") is None:
        print("\npods: redis-server is not installed")
        return {}
    print(f"\nvendor calls of the same {_ASKED} questions, spread over so many instances")
    print("  instances   one store      each alone")
    found: dict[str, Any] = {}
    for pods in _FLEETS:
        together = asyncio.run(_count(pods, shared=True))
        alone = together if pods == 1 else asyncio.run(_count(pods, shared=False))
        found[str(pods)] = {"together": together, "alone": alone}
        first = found[str(_FLEETS[0])]["together"]
        print(f"  {pods:9}   {together:4} ({together / first:4.2f})   {alone:5} ({alone / first:5.2f})")
    print(f"  goal: 20 instances on one store cost at most {GOAL:g} times the calls of one")
    return found


def questions(seed: int, count: int) -> list[VendorRequest]:
    """Return questions as a team asks them: popular tickers more often, whole histories and parts of them."""
    draw = random.Random(seed)
    weights = [1 / (rank + 1) for rank in range(len(_TICKERS))]

    def one() -> VendorRequest:
        ticker = draw.choices(_TICKERS, weights)[0]
        kind = draw.random()
        if kind < 0.25:
            return ask(f"/v2/last/trade/{ticker}")
        if kind < 0.5:
            return ask(f"/v2/aggs/ticker/{ticker}/prev")
        first = date(2025, 1, 2) + timedelta(draw.randrange(0, 60))
        size, most = ("day", 180) if kind < 0.8 else ("minute", 10)
        last = first + timedelta(draw.randrange(1, most))
        return ask(f"/v2/aggs/ticker/{ticker}/range/1/{size}/{first}/{last}", limit="50000")

    return [one() for _ in range(count)]


async def _count(pods: int, *, shared: bool) -> int:
    with tempfile.TemporaryDirectory() as folder:
        port, log = free_port(), Path(folder) / "store.log"
        server = ("redis-server", "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", folder)
        program = find_program(server[0]) or server[0]
        with running(program, *server[1:], core=SERVER_CORE, port=port, log=log):
            vendor = await start_simulator(SimulatorSettings(key=_KEY), _clock)
            try:
                async with _fleet(pods, vendor, f"redis://127.0.0.1:{port}" if shared else "") as services:
                    await _ask_all(services)
                return vendor.calls.total
            finally:
                await vendor.stop()


@asynccontextmanager
async def _fleet(pods: int, vendor: Simulator, store: str) -> AsyncIterator[list[Service]]:
    flags: dict[str, object] = {
        "upstream.url": vendor.url,
        "upstream.api_key": _KEY,
        "quota.calls": 100_000,
        "quota.per": "1s",
        "shared.max_pods": max(_FLEETS),
        # All of them share one core with the vendor here: how fast a store answers is measured elsewhere.
        "shared.timeout": "1s",
        **({"shared.url": store} if store else {}),
    }
    settings = load_settings(env={}, flags=flags).settings
    async with AsyncExitStack() as stack:
        services = [build_service(settings, Silent(), lambda: 0, _clock) for _ in range(pods)]
        for service in services:
            stack.push_async_callback(service.aclose)
            chores = asyncio.create_task(service.do_chores())
            stack.callback(chores.cancel)
        if store:
            await _all_up(services)
        yield services


async def _all_up(services: Sequence[Service]) -> None:
    until = _clock.monotonic() + 20.0
    while any(service._shared is None or service._shared.snapshot()["store"] != "up" for service in services):
        if _clock.monotonic() > until:
            raise RuntimeError("the shared store was not used in time")
        await _clock.sleep(0.05)


async def _ask_all(services: Sequence[Service]) -> None:
    asker, waiting = _Asker(), iter(list(enumerate(questions(1, _ASKED))))

    async def work() -> None:
        for number, request in waiting:
            reads = services[number % len(services)]._reads
            await reads.read(request, asker, deadline=_clock.monotonic() + _ANSWER_WITHIN)

    await asyncio.gather(*(work() for _ in range(_AT_ONCE)))
