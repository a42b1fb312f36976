"""Whether our own event loop stood still while a call was under way.

After a standstill every limit of a waiting call has run out at once, although the vendor may have answered long ago.
Those timeouts say nothing about the vendor. Ticks while calls are under way, and once after the last of them: a timer
for each call would cost more than the counting.
"""

from __future__ import annotations

import asyncio
import math

_TICK_EVERY = 0.25
_STALL_FROM = 1.0  # a tick this much overdue is a standstill; less is load


class StallWatch:
    """Counts its users; ticks on the running loop while there are any. Instants are the loop's own time."""

    def __init__(self) -> None:
        self._users = 0
        self._due_at = -math.inf  # when the next tick is due, or the last one was
        self._stalled_at = -math.inf
        self._handle: asyncio.TimerHandle | None = None

    def enter(self) -> float:
        """Begin to watch; return the instant to ask about later."""
        loop = asyncio.get_running_loop()
        now = loop.time()
        if not self._users and now >= self._due_at:  # nobody watched: that it is late says nothing
            if self._handle is not None:
                self._handle.cancel()
            self._schedule(loop)
        self._users += 1
        return now

    def leave(self) -> None:
        """End what `enter` began."""
        self._users -= 1

    def stalled_since(self, instant: float) -> bool:
        """Return whether the loop stood still at some time after `instant`, up to now."""
        overdue_for = asyncio.get_running_loop().time() - self._due_at
        return self._stalled_at >= instant or overdue_for > _STALL_FROM

    def _tick(self, loop: asyncio.AbstractEventLoop) -> None:
        if loop.time() - self._due_at > _STALL_FROM:
            self._stalled_at = loop.time()
        if self._users:
            self._schedule(loop)

    def _schedule(self, loop: asyncio.AbstractEventLoop) -> None:
        self._due_at = loop.time() + _TICK_EVERY
        self._handle = loop.call_at(self._due_at, self._tick, loop)
