"""Ends connections that take too long, by looking at all of them once a second.

One comparison per connection and second instead of a timer per request: hits arm nothing. A deadline is therefore
kept to within a second.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Protocol

from stock_service.base.clock import Clock

SWEEP_EVERY = 1.0


class Sweepable(Protocol):
    """A connection that can be judged at an instant."""

    def sweep(self, now: float) -> None:
        """End the connection if it has exceeded a deadline at `now`."""
        ...


class Sweeper:
    """Sweeps `connections` until it is cancelled."""

    def __init__(self, connections: Collection[Sweepable], clock: Clock) -> None:
        self._connections = connections
        self._clock = clock

    async def run(self) -> None:
        """Sweep once a second, forever."""
        while True:
            await self._clock.sleep(SWEEP_EVERY)
            self.sweep()

    def sweep(self) -> None:
        """Judge every connection now."""
        now = self._clock.monotonic()
        for connection in tuple(self._connections):
            connection.sweep(now)
