"""A standstill of our own does not count against whoever we wait for."""

from __future__ import annotations

import asyncio
import time

from stock_service.base.clock import SystemClock
from stock_service.cache.running_time import TICK_FOR, RunningTime


def stand_still() -> None:
    """Compute, as far as the loop is concerned."""
    time.sleep(0.3)


async def test_it_follows_the_clock_while_the_loop_runs() -> None:
    counted = RunningTime(SystemClock(), lambda: True)
    counted.run()
    await asyncio.sleep(0.2)
    assert 0.02 < counted.now <= 0.21


async def test_a_standstill_counts_as_two_ticks_at_most() -> None:
    ticks = 0

    def twice() -> bool:
        nonlocal ticks
        ticks += 1
        return ticks < 2

    counted = RunningTime(SystemClock(), twice)
    counted.run()
    stand_still()
    await asyncio.sleep(0.1)
    assert ticks == 2
    assert counted.now <= 4 * TICK_FOR


async def test_nobody_counts_when_nobody_waits() -> None:
    ticks = 0

    def once() -> bool:
        nonlocal ticks
        ticks += 1
        return False

    counted = RunningTime(SystemClock(), once)
    counted.run()
    counted.run()
    await asyncio.sleep(0.05)
    assert ticks == 1
