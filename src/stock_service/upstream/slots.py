"""Waiting for a slot of the vendor's budget: what `call.py` asks for, and how one process provides it.

The pacer plans, this waits. A budget shared by several processes implements the same protocol over another store.
Whatever is planned and not used is given back, also when the waiting task is cancelled.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import Protocol

from stock_service.base.clock import Clock
from stock_service.upstream.pacer import NoRoom, Pacer, PacerView, Spent

_DRIFT_FOR = 0.25  # each late wake-up pushes the queue back a little; not a reason to turn anyone away


class Slots(Protocol):
    """The vendor's budget. Only `take` may wait; the rest must return at once, whatever store is behind it."""

    async def take(self, keep: float, latest: float, asker: Hashable = None) -> Spent | NoRoom:
        """Return once the call may leave, or at once when it could not by `latest` (monotonic seconds).

        `keep` is the share of each window to leave free; above 0 nothing is ever waited for. `asker` names one who
        would come back when told a time.
        """
        ...

    def refund(self, spent: Spent) -> None:
        """Give back a slot whose call did not leave."""
        ...

    def hold(self, seconds: float) -> None:
        """Let nothing leave for so long."""
        ...

    def limited(self, spent: Spent, retry_after: float | None) -> float:
        """The vendor answered 429: give way. Return the seconds until the next call can leave."""
        ...

    def answered(self, spent: Spent) -> None:
        """The vendor accepted the call."""
        ...

    def peek(self) -> PacerView:
        """Look without changing anything."""
        ...


class LocalSlots:
    """The budget of one process, in memory."""

    def __init__(self, pacer: Pacer, clock: Clock) -> None:
        self._pacer = pacer
        self._clock = clock

    async def take(self, keep: float, latest: float, asker: Hashable = None) -> Spent | NoRoom:
        """Let it leave, or plan, wait, and check again at the moment of leaving."""
        now = self._clock.monotonic()
        spent = self._pacer.leave(keep, now)
        if spent is not None:
            return spent
        planned = self._pacer.reserve(keep, now, latest, asker)
        if isinstance(planned, NoRoom):
            return planned
        start_at = planned.start_at
        try:
            while True:
                if start_at > now:
                    await self._clock.sleep(start_at - now)
                    now = self._clock.monotonic()
                answer = self._pacer.spend(planned, now)
                if isinstance(answer, Spent):
                    return answer
                start_at = answer.until
                if start_at > latest + _DRIFT_FOR:
                    self._pacer.refund(planned, self._clock.monotonic())
                    return self._next()
        except BaseException:
            self._pacer.refund(planned, self._clock.monotonic())
            raise

    def refund(self, spent: Spent) -> None:
        """Give back a slot whose call did not leave."""
        self._pacer.refund(spent, self._clock.monotonic())

    def hold(self, seconds: float) -> None:
        """Let nothing leave for so long."""
        now = self._clock.monotonic()
        self._pacer.hold_until(now + seconds, now)

    def limited(self, spent: Spent, retry_after: float | None) -> float:
        """Give way to a 429; return the seconds until the next call can leave."""
        now = self._clock.monotonic()
        self._pacer.limited(now, spent.at, retry_after)
        return self._pacer.peek(now).next_at - now

    def answered(self, spent: Spent) -> None:
        """The vendor accepted the call."""
        self._pacer.answered(spent.at)

    def peek(self) -> PacerView:
        """Look without changing anything."""
        return self._pacer.peek(self._clock.monotonic())

    def _next(self) -> NoRoom:
        return NoRoom(self.peek().next_at)
