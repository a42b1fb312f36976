"""Whether a failed attempt is followed by another, and after which pause.

Pure. A retry also spends the vendor's quota, so retries are few: one per interactive question, none for refreshes,
and together a small share of the first attempts of the last seconds. Whether an outcome is worth a retry at all is
the outcome table's word.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from stock_service.upstream.window import RollingCounts


@dataclass(frozen=True, slots=True)
class RetrySettings:
    """How often and how soon. Lengths in seconds; `interactive_attempts` 1 switches retries off."""

    interactive_attempts: int = 2
    background_attempts: int = 1
    budget_percent: int = 10
    budget_floor: int = 1
    budget_for: float = 10.0
    first_pause: float = 0.1
    pause_max: float = 1.0
    attempt_needs: float = 0.25  # less time than this before the deadline is not worth another attempt


class Stopped(StrEnum):
    """Why there is no other attempt; the words are metric labels."""

    ATTEMPTS = "attempts"
    BUDGET = "budget"
    DEADLINE = "deadline"


@dataclass(frozen=True, slots=True)
class Pause:
    """Try again after `seconds`."""

    seconds: float


class Retries:
    """The machine. `draw` gives numbers from 0 to 1 for the full jitter."""

    __slots__ = ("_counts", "_draw", "_settings")

    def __init__(self, settings: RetrySettings, draw: Callable[[], float]) -> None:
        self._settings = settings
        self._draw = draw
        self._counts = RollingCounts(settings.budget_for)  # total: attempts; marked: retries granted

    def note_sent(self, now: float) -> None:
        """Count an attempt that leaves: the budget grows with live traffic, not with what we refuse ourselves."""
        self._counts.add(now)

    def decide(
        self, *, attempt: int, attempts: int, now: float, deadline: float, free: bool = False
    ) -> Pause | Stopped:
        """Return the pause before the next attempt, taken from the budget, or why there is none.

        `attempt` of `attempts` has failed at `now`. A `free` one takes nothing from the budget.
        """
        if attempt >= attempts:
            return Stopped.ATTEMPTS
        pause = self._draw() * min(self._settings.pause_max, self._settings.first_pause * 2.0 ** (attempt - 1))
        if deadline - now < pause + self._settings.attempt_needs:
            return Stopped.DEADLINE
        if free:
            return Pause(pause)
        attempts_sent, retries = self._counts.sums(now)
        firsts = attempts_sent - retries
        if retries >= max(self._settings.budget_floor, firsts * self._settings.budget_percent // 100):
            return Stopped.BUDGET
        self._counts.add(now, total=0, marked=1)
        return Pause(pause)
