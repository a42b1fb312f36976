"""A clock that moves only when a test moves it."""

from __future__ import annotations

import asyncio
import heapq
import itertools


class ManualClock:
    """Time under the test's control; `sleep` wakes sleepers in the order of their due times."""

    def __init__(self, monotonic: float = 1_000.0, wall: float = 1_700_000_000.0) -> None:
        self._monotonic = monotonic
        self._wall = wall
        self._order = itertools.count()
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []

    def monotonic(self) -> float:
        return self._monotonic

    def wall(self) -> float:
        return self._wall

    def set_wall(self, wall: float) -> None:
        """Jump the wall clock; monotonic time does not move."""
        self._wall = wall

    @property
    def sleeping(self) -> int:
        """How many sleepers wait."""
        return sum(not future.done() for _, _, future in self._sleepers)

    @property
    def next_due(self) -> float | None:
        """When the first sleeper wakes (monotonic), None when nobody sleeps."""
        return min((due for due, _, future in self._sleepers if not future.done()), default=None)

    async def sleep(self, seconds: float) -> None:
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (self._monotonic + seconds, next(self._order), future))
        await future

    def shift(self, seconds: float) -> None:
        """Move time without waking anyone (for code that only reads the clock)."""
        self._monotonic += seconds
        self._wall += seconds

    async def advance(self, seconds: float) -> None:
        """Move time on, waking each sleeper at its own due time and letting it run before the next."""
        until = self._monotonic + seconds
        await settle()
        while self._sleepers and self._sleepers[0][0] <= until:
            due, _, future = heapq.heappop(self._sleepers)
            self.shift(max(0.0, due - self._monotonic))
            if not future.done():
                future.set_result(None)
            await settle()
        self.shift(max(0.0, until - self._monotonic))
        await settle()


async def settle(turns: int = 20) -> None:
    """Let every task that can run do so."""
    for _ in range(turns):
        await asyncio.sleep(0)
