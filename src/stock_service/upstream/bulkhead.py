"""How many calls may be under way at once.

A seat is held from before the wait for a slot until the exchange is over. Interactive callers queue for one, bounded
in number and time, because a burst of different questions is no fault; background work takes what is free or
leaves, and never more than its share.
"""

from __future__ import annotations

import asyncio
from collections import deque

from stock_service.base.errors import Overloaded

_WHERE = "vendor-calls"


class Bulkhead:
    """`seats` in all, of which background work holds at most `background_seats`; `queue_max` may wait."""

    def __init__(self, seats: int, background_seats: int, queue_max: int) -> None:
        self._seats = seats
        self._background_free = background_seats
        self._queue_max = queue_max
        self._line: deque[asyncio.Future[None]] = deque()
        self.taken = 0

    @property
    def waiting(self) -> int:
        """How many callers wait for a seat."""
        return len(self._line)

    async def take(self, *, background: bool, wait_for: float) -> bool:
        """Take a seat, which must be left; return whether it was waited for, at most `wait_for` seconds.

        Raises:
            Overloaded: there is none, or not in time.
        """
        full = self.taken >= self._seats
        if background and (full or self._background_free < 1):
            raise Overloaded(_WHERE)
        if full:
            await self._queue(wait_for)
        else:
            self.taken += 1
        self._background_free -= background
        return full

    def leave(self, *, background: bool) -> None:
        """Give a seat back: to whoever waits longest, so that nobody who comes later gets in between."""
        self._background_free += background
        while self._line:
            place = self._line.popleft()
            if not place.done():
                place.set_result(None)
                return
        self.taken -= 1

    async def _queue(self, wait_for: float) -> None:
        if len(self._line) >= self._queue_max:
            raise Overloaded(_WHERE)
        place: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._line.append(place)
        try:
            async with asyncio.timeout(wait_for):
                await place
        except BaseException as error:
            if place.done() and not place.cancelled():
                self.leave(background=False)  # it was handed over just as it was given up
            elif place in self._line:
                self._line.remove(place)
            if isinstance(error, TimeoutError):
                raise Overloaded(_WHERE) from None
            raise
