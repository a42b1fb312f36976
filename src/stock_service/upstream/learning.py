"""How much of the plan the vendor really grants, learned from its refusals.

Pure. A refusal halves the level for a minute; then it rises by a tenth of the plan every ten seconds, up to one call
or a tenth below the level that was refused, and beyond that by a tenth every quarter of an hour. Without the
remembered ceiling a plan of five calls a minute would be refused on every second rise. Vendor statements may lower,
nothing raises above the plan.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class LearningSettings:
    """How fast to give way and to come back. Lengths in seconds, levels as shares of the plan."""

    lowered_for: float = 60.0
    rise: float = 0.1
    rise_every: float = 10.0
    probe_every: float = 900.0
    pause_max: float = 60.0


class Level:
    """The share of the plan in force, and the pause after a refusal that names none.

    `calls` is the smallest window's count: a level that differs by less than one call of it differs in nothing.
    """

    __slots__ = ("_base", "_calls", "_ceiling", "_first_pause", "_lowered_at", "_refusals", "_settings")

    def __init__(self, settings: LearningSettings, calls: int, first_pause: float) -> None:
        self._settings = settings
        self._calls = calls
        self._first_pause = first_pause
        self._base = 1.0
        self._ceiling = 1.0
        self._lowered_at: float | None = None
        self._refusals = 0  # lowerings without an answer in between

    def at(self, now: float) -> float:
        """Return the share of the plan that may be used at `now`, above 0 and at most 1."""
        if self._lowered_at is None:
            return 1.0
        quiet_for = now - self._lowered_at
        if quiet_for < self._settings.lowered_for:
            return self._base
        rises = 1 + (quiet_for - self._settings.lowered_for) // self._settings.rise_every
        ceiling = self._ceiling + self._settings.rise * (quiet_for // self._settings.probe_every)
        return min(1.0, ceiling, self._base + self._settings.rise * rises)

    def lower(self, now: float, sent_at: float) -> float:
        """Give way to a refusal of a call sent at `sent_at`; return the pause to make if the vendor names none.

        Refusals of calls that were under way when the level was last lowered are news of the old level: one burst
        lowers once.
        """
        if self._lowered_at is None or sent_at > self._lowered_at:
            level = self.at(now)
            one_less = (int(level * self._calls + 1e-9) - 1) / self._calls
            self._ceiling = max(1.0 / self._calls, min(level * 0.9, one_less))
            self._base = max(1.0 / self._calls, level / 2.0)
            self._lowered_at = now
            self._refusals += 1
        doublings = min(max(0, self._refusals - 1), 32)
        return min(self._first_pause * 2.0**doublings, self._settings.pause_max)

    def answered(self, sent_at: float) -> None:
        """Take note that a call sent at `sent_at` was answered: the next unnamed pause starts small again."""
        if self._lowered_at is not None and sent_at > self._lowered_at:
            self._refusals = 0
