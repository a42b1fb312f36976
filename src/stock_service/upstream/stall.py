"""Whether our own event loop stood still while a call was under way.

After a standstill every limit of a waiting call has run out at once, although the vendor may have answered long ago.
Those timeouts say nothing about the vendor. Ticks only while calls are under way.
"""

from __future__ import annotations

import asyncio
import math

_TICK_EVERY = 0.25
_STALL_FROM = 1.0  # a tick this much overdue is a standstill; less is load


class StallWatch:
    """Counts its users; ticks on the running loop while there is one. Instants are the loop's own time."""

    def __init__(self) -> None:
        self._users = 0
        self._due_at = math.inf
        self._stalled_at = -math.inf
        self._handle: asyncio.TimerHandle | None = None

    def enter(self) -> float:
        """Begin to watch; return the instant to ask about later."""
        loop = asyncio.get_running_loop()
        self._users += 1
        if self._users == 1:
            self._schedule(loop)
        return loop.time()

    def leave(self) -> None:
        """End what `enter` began."""
        self._users -= 1
        if self._users == 0 and self._handle is not None:
            self._handle.cancel()

    def stalled_since(self, instant: float) -> bool:
        """Return whether the loop stood still at some time after `instant`, up to now."""
        overdue_for = asyncio.get_running_loop().time() - self._due_at
        return self._stalled_at >= instant or overdue_for > _STALL_FROM

    def _tick(self, loop: asyncio.AbstractEventLoop) -> None:
        if loop.time() - self._due_at > _STALL_FROM:
            self._stalled_at = loop.time()
        self._schedule(loop)

    def _schedule(self, loop: asyncio.AbstractEventLoop) -> None:
        self._due_at = loop.time() + _TICK_EVERY
        self._handle = loop.call_at(self._due_at, self._tick, loop)
