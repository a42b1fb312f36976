"""How many calls may be under way at once.

A seat is held from before the wait for a slot until the exchange is over. Interactive callers queue for one, bounded
in number and time, because a burst of different questions is no fault; background work takes what is free or
leaves, and never more than its share.
"""

from __future__ import annotations

import asyncio

from stock_service.base.errors import Overloaded

_WHERE = "vendor-calls"


class Bulkhead:
    """`seats` in all, of which background work holds at most `background_seats`; `queue_max` may wait."""

    def __init__(self, seats: int, background_seats: int, queue_max: int) -> None:
        self._seats = seats
        self._free = asyncio.Semaphore(seats)
        self._background_free = background_seats
        self._queue_max = queue_max
        self.taken = 0
        self.waiting = 0

    async def take(self, *, background: bool, wait_for: float) -> bool:
        """Take a seat, which must be left; return whether it was waited for, at most `wait_for` seconds.

        Raises:
            Overloaded: there is none, or not in time.
        """
        full = self.taken >= self._seats or self.waiting > 0
        if background:
            if self._background_free < 1 or full:
                raise Overloaded(_WHERE)
            self._background_free -= 1
        if full:
            await self._queue(wait_for)
        else:
            await self._free.acquire()  # returns at once
        self.taken += 1
        return full

    def leave(self, *, background: bool) -> None:
        """Give a seat back."""
        self.taken -= 1
        self._background_free += int(background)
        self._free.release()

    async def _queue(self, wait_for: float) -> None:
        if self.waiting >= self._queue_max:
            raise Overloaded(_WHERE)
        self.waiting += 1
        try:
            async with asyncio.timeout(wait_for):
                await self._free.acquire()
        except TimeoutError:
            raise Overloaded(_WHERE) from None
        finally:
            self.waiting -= 1
