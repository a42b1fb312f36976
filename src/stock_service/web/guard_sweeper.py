"""Ends connections that take too long, by looking at all of them once a second.

One comparison per connection and second instead of a timer per request: hits arm nothing. A deadline is therefore
kept to within a second.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Protocol

from stock_service.base.clock import Clock
from stock_service.base.events import Faulted, Observer

SWEEP_EVERY = 1.0


class Sweepable(Protocol):
    """A connection that can be judged at an instant."""

    def sweep(self, now: float) -> None:
        """End the connection if it has exceeded a deadline at `now`."""
        ...


class Sweeper:
    """Sweeps until it is cancelled. `connections` returns a copy: sweeping changes the set of open ones."""

    def __init__(self, connections: Callable[[], Collection[Sweepable]], clock: Clock, observer: Observer) -> None:
        self._connections = connections
        self._clock = clock
        self._observer = observer

    async def run(self) -> None:
        """Sweep once a second, forever."""
        while True:
            await self._clock.sleep(SWEEP_EVERY)
            self.sweep()

    def sweep(self) -> None:
        """Judge every connection now."""
        now = self._clock.monotonic()
        for connection in self._connections():
            try:
                connection.sweep(now)
            except Exception as error:  # noqa: BLE001 - one odd connection must not leave the others unguarded
                self._observer.notify(Faulted("sweep", error))
