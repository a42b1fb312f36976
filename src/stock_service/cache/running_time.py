"""Time as the event loop lived it: a standstill of our own does not count against whoever we wait for.

A herd of requests can keep the loop busy for a second. An answer that has long arrived is then read late; a deadline
on the wall would call that the store's failure, and send everybody past a store that is well. Runs only while
somebody counts on it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from stock_service.base.clock import Clock

TICK_FOR = 0.005


class RunningTime:
    """Seconds that grow with the clock, but by two ticks at most for each tick the loop got round to.

    Args:
        on_tick: called after each tick; returns whether somebody still counts.
    """

    def __init__(self, clock: Clock, on_tick: Callable[[], bool]) -> None:
        self._clock = clock
        self._on_tick = on_tick
        self._ticked_at: float | None = None
        self.now = 0.0

    def run(self) -> None:
        """Count from now on, until a tick finds nobody who needs it."""
        if self._ticked_at is None:
            self._arm()

    def _arm(self) -> None:
        self._ticked_at = self._clock.monotonic()
        asyncio.get_running_loop().call_later(TICK_FOR, self._tick)

    def _tick(self) -> None:
        assert self._ticked_at is not None
        self.now += min(self._clock.monotonic() - self._ticked_at, 2 * TICK_FOR)
        self._ticked_at = None
        if self._on_tick():
            self._arm()
