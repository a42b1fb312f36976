"""Whether our own event loop, or the machine with it, stood still while a call was under way.

After a standstill every limit of a waiting call has run out at once, although the vendor may have answered long ago.
Those timeouts say nothing about the vendor. Ticks while calls are under way, and once after the last of them: a timer
for each call would cost more than the counting.
"""

from __future__ import annotations

import asyncio
import math

from stock_service.base.clock import Clock

_TICK_EVERY = 0.25
_STALL_FROM = 1.0  # a tick this much overdue is a standstill; less is load


class StallWatch:
    """Counts its users; ticks on the running loop while there are any. `clock` is that of the calls' limits."""

    def __init__(self, clock: Clock) -> None:
        self._monotonic = clock.monotonic
        self._users = 0
        self._due_at = -math.inf  # when the next tick is due, or the last one was
        self._stalled_at = -math.inf
        self._handle: asyncio.TimerHandle | None = None

    def enter(self) -> float:
        """Begin to watch; return the instant to ask about later."""
        now = self._monotonic()
        if not self._users and now >= self._due_at:  # nobody watched: that it is late says nothing
            if self._handle is not None:
                self._handle.cancel()
            self._schedule(now)
        self._users += 1
        return now

    def leave(self) -> None:
        """End what `enter` began."""
        self._users -= 1

    def stalled_since(self, instant: float) -> bool:
        """Return whether the loop stood still at some time after `instant`, up to now."""
        overdue_for = self._monotonic() - self._due_at
        return self._stalled_at >= instant or overdue_for > _STALL_FROM

    def _tick(self) -> None:
        now = self._monotonic()
        if now - self._due_at > _STALL_FROM:
            self._stalled_at = now
        if self._users:
            self._schedule(now)

    def _schedule(self, now: float) -> None:
        self._due_at = now + _TICK_EVERY
        self._handle = asyncio.get_running_loop().call_later(_TICK_EVERY, self._tick)
