"""Calls of a pod that cannot see the shared book: at its own instants, on a clock it shares with the others.

A machine: plans and remembers, waits for nothing. Always holds: one call a turn; nothing before a pause ends; within
a long window (a day) no more than our share of it.
"""

from __future__ import annotations

import math
from collections import deque

from stock_service.upstream.pacer import PacerSettings, Window
from stock_service.upstream.shared_plan import Division, divide_plan


class OwnTurns:
    """The turns of one pod.

    Args:
        known_after: seconds after losing the book until the other pods count us as missing.
    """

    def __init__(self, plan: PacerSettings, pods: int, known_after: float, now: float) -> None:
        self.division: Division = divide_plan(plan, pods)
        self._known_after = known_after + self.division.longest_learned
        self._long = [window for window in self.division.shared if not window.learned]
        self._made: deque[float] = deque(maxlen=max((self._share_of(window) for window in self._long), default=1))
        self._taken_at = -math.inf
        self._lost_at: float | None = now
        self.seat = 0

    def lose(self, now: float) -> None:
        """Take note that the book was lost at `now`: until the others know, only the first part is ours."""
        self._lost_at = now

    def find(self) -> None:
        """Take note that the book is there: turns are for its short absences, and of the first part."""
        self._lost_at = None

    def next_at(self, now: float, ahead: float) -> float:
        """Return our next free instant from `now` on; `ahead` is the pods' common clock minus ours."""
        first = self._lost_at is None or now < self._lost_at + self._known_after
        turns = self.division.first_turns(self.seat) if first else self.division.later_turns(self.seat)
        after = max(now, self._taken_at + turns.period / 2)
        for window in self._long:
            share = self._share_of(window)
            if len(self._made) >= share:
                after = max(after, self._made[-share] + window.per)
        return turns.next_at(after + ahead) - ahead

    def reserve(self, turn_at: float) -> float:
        """Take the turn; return what `refund` wants."""
        before, self._taken_at = self._taken_at, turn_at
        return before

    def refund(self, turn_at: float, before: float) -> None:
        """Give the turn back, unless a later one has been taken since."""
        if self._taken_at == turn_at:
            self._taken_at = before

    def spend(self, now: float) -> None:
        """Take note of a call that leaves."""
        self._made.append(now)

    def _share_of(self, window: Window) -> int:
        return max(1, int(self.division.share_of(window)))
