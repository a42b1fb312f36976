"""Connections to the vendor that are kept between exchanges.

How many exchanges run at once is the bulkhead's to say: there are never more connections than there were exchanges.
Always holds: the connection used last is used first, so that surplus ones grow old; an old one is closed by us before
the vendor does it in the middle of our next request; however busy, none is asked on beyond its age, or we would keep
to an address the vendor has left.
"""

from __future__ import annotations

import asyncio
import math

from stock_service.base.clock import Clock
from stock_service.upstream.connection import VendorConnection
from stock_service.upstream.dial import Dialer
from stock_service.upstream.outcome import ExchangeFailed, Fault


class Pool:
    """Idle connections, each trusted for `keep_for` s, and until it is `renew_after` s old; 0: at any age."""

    def __init__(self, dialer: Dialer, keep_for: float, renew_after: float, clock: Clock) -> None:
        self._dialer = dialer
        self._keep_for = keep_for
        self._renew_after = renew_after or math.inf
        self._clock = clock
        self._idle: list[VendorConnection] = []  # the one used last at the end
        self._busy: set[VendorConnection] = set()
        self._closed = False
        self._timer: asyncio.TimerHandle | None = None

    async def take(self, deadline: float) -> VendorConnection:
        """Return a connection to ask on, connecting if none is idle; it must be given back.

        Raises:
            ExchangeFailed: there is none before `deadline` (monotonic).
        """
        self._close_old()
        connection = self._take_idle() or await self._dialer.connect(deadline)
        if self._closed:
            connection.close()
            raise ExchangeFailed(Fault.LOST_EARLY)
        self._busy.add(connection)
        return connection

    def give_back(self, connection: VendorConnection) -> None:
        """Keep the connection if it may be asked again, close it otherwise."""
        self._busy.discard(connection)
        now = self._clock.monotonic()
        if not self._may_ask_on(connection, now):
            connection.close()
            return
        connection.idle_since = now
        self._idle.append(connection)
        if self._timer is None:
            self._look_in(self._keep_for)

    def close(self) -> None:
        """Close all connections, for good; exchanges under way fail."""
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        for connection in (*self._idle, *self._busy):
            connection.close()
        self._idle.clear()

    def _take_idle(self) -> VendorConnection | None:
        now = self._clock.monotonic()
        while self._idle:
            connection = self._idle.pop()
            if self._may_ask_on(connection, now):
                return connection
            connection.close()
        return None

    def _may_ask_on(self, connection: VendorConnection, now: float) -> bool:
        return connection.reusable and now - connection.made_at < self._renew_after

    def _close_old(self) -> None:
        oldest = self._clock.monotonic() - self._keep_for
        while self._idle and (self._idle[0].idle_since <= oldest or not self._idle[0].reusable):
            self._idle.pop(0).close()

    def _look_in(self, seconds: float) -> None:
        self._timer = asyncio.get_running_loop().call_later(seconds, self._look)

    def _look(self) -> None:
        self._timer = None
        self._close_old()
        if self._idle:
            self._look_in(self._idle[0].idle_since + self._keep_for - self._clock.monotonic())
