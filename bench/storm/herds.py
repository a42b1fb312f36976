"""What clients do to the gateway: herds on one cold key, askers who leave, scans past the cache."""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass

from bench.storm.gateway import CALLS_COUNTED_MAX, COUNTED_OVER, GatewayProcess
from bench.storm.load import Load, make_load, ticker_name
from stock_service.simulator.server import Simulator


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one herd saw; `broken` names the broken promise, or is empty."""

    name: str
    seen: str
    broken: str = ""


async def run_herds(simulator: Simulator, seed: int, size: int) -> list[Outcome]:
    """Run every herd on a gateway of its own."""
    gateway = await GatewayProcess.start(simulator.url, STOCKS_SERVER__REQUEST_TIMEOUT="9s")
    try:
        async with make_load(gateway.url, seed) as load:
            return [
                await _cold_key(load, simulator, size),
                await _leavers(load, simulator, random.Random(seed), size),
                await _scan(load, simulator, size),
            ]
    finally:
        await gateway.stop()


async def _cold_key(load: Load, simulator: Simulator, size: int) -> Outcome:
    path = "/v2/aggs/ticker/HERDS/prev"
    answers = await asyncio.gather(*(load.ask(path) for _ in range(size)))
    good = sum(answer.status == 200 for answer in answers)
    bodies = {answer.body for answer in answers if answer.status == 200}
    calls = simulator.calls.count(path)
    seen = f"{size} askers at once: {good} answers, {len(bodies)} body, {calls} vendor call"
    kept = good == size and len(bodies) == 1 and calls == 1
    return Outcome("herd on a cold key", seen, "" if kept else "herd")


async def _leavers(load: Load, simulator: Simulator, dice: random.Random, size: int) -> Outcome:
    """Clients leave at random moments; afterwards everything must still work."""
    before = simulator.calls.total

    async def leave(number: int) -> None:
        try:
            async with asyncio.timeout(dice.random() * 0.05):
                await load.ask(_leaver(number % 50))
        except TimeoutError:
            pass

    for start in range(0, size, 200):
        await asyncio.gather(*(leave(number) for number in range(start, min(size, start + 200))))
    probes = [await load.ask(_leaver(number)) for number in range(10)]
    good = sum(probe.status == 200 for probe in probes)
    calls = simulator.calls.total - before
    seen = f"{size} askers who leave: {good} of 10 probes answered, {calls} vendor calls for 50 questions"
    return Outcome("askers who leave", seen, "" if good == 10 and calls <= 60 else "leavers")


def _leaver(number: int) -> str:
    return f"/v2/aggs/ticker/{ticker_name('L', number)}/prev"


async def _scan(load: Load, simulator: Simulator, size: int) -> Outcome:
    """Somebody asks for everything there is; the vendor's limit holds and hot questions stay kept."""
    hot = [f"/v2/aggs/ticker/{ticker_name('H', number)}/range/1/day/2024-01-02/2024-01-05" for number in range(50)]
    for path in hot * 3:
        await load.ask(path)
    simulator.calls.clear()
    for start in range(0, size, 500):
        await asyncio.gather(*(load.ask(_unrepeated(number)) for number in range(start, min(size, start + 500))))
    busiest = simulator.calls.busiest(COUNTED_OVER)
    simulator.calls.clear()
    for path in hot:
        await load.ask(path)
    again = simulator.calls.count("/v2/aggs/")
    seen = f"{size} unrepeated: at most {busiest} vendor calls in {COUNTED_OVER:g} s, {again} of 50 hot ones lost"
    return Outcome("scan", seen, "" if busiest <= CALLS_COUNTED_MAX and again == 0 else "scan")


def _unrepeated(number: int) -> str:
    """Another ticker, or another parameter that the cache cannot know to be without meaning."""
    name = ticker_name("S", number // 2)
    return f"/v2/aggs/ticker/{name}/prev" + (f"?bust={number}" if number % 2 else "")
