"""The only place that reads time or sleeps.

Monotonic seconds measure lengths; wall seconds (Unix time, UTC) serve the market calendar and HTTP dates.
Everything else takes `now` as an argument or a `Clock`, so that a test can run a year in a millisecond.
"""

from __future__ import annotations

import asyncio
import time
from functools import partial
from typing import Protocol


class Clock(Protocol):
    """Where a device gets its time from."""

    def monotonic(self) -> float:
        """Seconds from an arbitrary start; never goes back."""
        ...

    def wall(self) -> float:
        """Unix time in seconds; may jump when the machine's clock is set."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Return after `seconds`, at once when it is not positive."""
        ...


class SystemClock:
    """The machine's own clock.

    Its monotonic seconds go on while the machine is suspended, which `time.monotonic` leaves out on Linux: an answer
    kept before a laptop's lid was closed is as old as it is, not as old as the process has run.
    """

    __slots__ = ()

    monotonic = staticmethod(partial(time.clock_gettime, getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)))
    wall = staticmethod(time.time)

    async def sleep(self, seconds: float) -> None:
        """Sleep on the running event loop."""
        await asyncio.sleep(max(0.0, seconds))


class StoppedWall:
    """A clock whose calendar stands still at one instant while lengths of time pass as ever."""

    __slots__ = ("_clock", "_wall")

    def __init__(self, clock: Clock, wall: float) -> None:
        self._clock = clock
        self._wall = wall

    def monotonic(self) -> float:
        """Seconds as the other clock counts them."""
        return self._clock.monotonic()

    def wall(self) -> float:
        """Unix time in seconds: always the same."""
        return self._wall

    async def sleep(self, seconds: float) -> None:
        """Sleep as the other clock does."""
        await self._clock.sleep(seconds)


def pause_thread(seconds: float) -> None:
    """Block the calling thread; for threads of our own and command-line loops, never on the event loop."""
    time.sleep(seconds)
