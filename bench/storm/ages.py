"""What becomes of answers when their time is over: many expire at once, a hot one again and again, and a vendor whose
servers are not equally far.

The last trades of cryptocurrencies: fresh for a second at any hour of any day, then renewed behind the asker's back.
"""

from __future__ import annotations

import asyncio
import json
from itertools import pairwise

from bench.storm.gateway import GatewayProcess, pause
from bench.storm.herds import Outcome
from bench.storm.load import Load, make_load, ticker_name
from stock_service.base.clock import SystemClock
from stock_service.simulator.faults import FaultKind, FaultRule
from stock_service.simulator.server import Simulator

_FRESH_FOR = 1.0
_KEYS = 100
_ASKERS = 10
_HOT_FOR = 4.0
_OLDER_FOR = 3.0
_BACK_WITHIN = 15.0
_PATIENT = {
    "STOCKS_SERVER__REQUEST_TIMEOUT": "9s",
    "STOCKS_UPSTREAM__FIRST_BYTE_TIMEOUT": "4s",
    "STOCKS_UPSTREAM__ATTEMPT_TIMEOUT": "5s",
}
_clock = SystemClock()


async def run_ages(simulator: Simulator, seed: int, instant: float) -> list[Outcome]:
    """Run each on one gateway; `instant` is what the vendor's clock says."""
    gateway = await GatewayProcess.start(simulator.url, **_PATIENT)
    try:
        async with make_load(gateway.url, seed) as load:
            outcomes = [
                await _expire_together(load, simulator),
                await _stay_hot(load, simulator),
                await _go_back(load, simulator, instant),
            ]
    finally:
        simulator.freeze(instant)
        await gateway.stop()
    return outcomes


def _path(number: int) -> str:
    return f"/v1/last/crypto/{ticker_name('E', number)}/USD"


async def _expire_together(load: Load, simulator: Simulator) -> Outcome:
    """A thousand askers of a hundred answers whose time is over: each is renewed once at most, nobody goes empty."""
    paths = [_path(number) for number in range(_KEYS)]
    await asyncio.gather(*(load.ask("/health") for _ in range(_KEYS * _ASKERS)))  # opens the connections
    for start in range(0, _KEYS, 10):  # the vendor lives in this process: asked all at once it would be late itself
        await asyncio.gather(*(load.ask(path) for path in paths[start : start + 10]))
    await pause(_FRESH_FOR + 0.2)
    simulator.calls.clear()
    answers = await asyncio.gather(*(load.ask(path) for path in paths * _ASKERS))
    await pause(0.5)
    hits = sum("; hit" in answer.headers.get("cache-status", "") for answer in answers)
    good = sum(answer.status == 200 for answer in answers)
    slowest, calls = max(answer.seconds for answer in answers), simulator.calls.total
    seen = f"{good} answers to {_KEYS}, {hits} at once, the last after {slowest:.2f} s, {calls} renewals"
    return Outcome("expiring together", seen, "" if good == len(answers) and calls <= _KEYS else "stampede")


async def _stay_hot(load: Load, simulator: Simulator) -> Outcome:
    """One answer that everybody wants is renewed once each time its time is over."""
    path = _path(_KEYS)
    await load.ask(path)
    simulator.calls.clear()
    until, asked, bad = _clock.monotonic() + _HOT_FOR, 0, 0
    while _clock.monotonic() < until:
        answers = await asyncio.gather(*(load.ask(path) for _ in range(20)))
        asked, bad = asked + len(answers), bad + sum(answer.status != 200 for answer in answers)
    calls, most = simulator.calls.total, int(_HOT_FOR / (_FRESH_FOR * 0.9)) + 1  # lifetimes are spread by a tenth
    seen = f"{asked} askers in {_HOT_FOR:g} s: {bad} errors, {calls} renewals (at most {most})"
    return Outcome("one hot answer", seen, "" if bad == 0 and calls <= most else "hot answer")


async def _go_back(load: Load, simulator: Simulator, instant: float) -> Outcome:
    """A vendor that answers with older data after newer: no asker ever goes back in time, and the newest comes."""
    path = _path(_KEYS + 1)
    stamps = [await _stamp(load, path)]
    simulator.faults.put([FaultRule(FaultKind.OLDER, params={"seconds": 3_600})], _clock.monotonic())
    until = _clock.monotonic() + _OLDER_FOR
    while _clock.monotonic() < until:
        stamps.append(await _stamp(load, path))
        await pause(0.05)
    simulator.faults.clear()
    simulator.freeze(instant + 120)
    until = _clock.monotonic() + _BACK_WITHIN
    while stamps[-1] <= stamps[0] and _clock.monotonic() < until:
        stamps.append(await _stamp(load, path))
        await pause(0.05)
    back = sum(later < earlier for earlier, later in pairwise(stamps))
    kept = back == 0 and stamps[-1] > stamps[0]
    seen = (
        f"{len(stamps)} answers, {back} back in time, the newest {'came' if stamps[-1] > stamps[0] else 'did not come'}"
    )
    return Outcome("older data after newer", seen, "" if kept else "older data")


async def _stamp(load: Load, path: str) -> int:
    """Return the moment the answer is about; -1 when there is no good answer."""
    answer = await load.ask(path)
    return int(json.loads(answer.body)["last"]["timestamp"]) if answer.status == 200 else -1
