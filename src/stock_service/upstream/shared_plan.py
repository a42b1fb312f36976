"""How a plan is divided between a fleet that sees its shared store and pods that do not. Pure.

Three parts, such that together they never exceed the plan whoever sees what:

* the *shared* part, given out by the store: nine tenths, less the shares of pods that are known but missing;
* the *first* part, a tenth, divided by all pods there may be: what a pod may use in the moments after it lost the
  store, while the others do not know that yet;
* the *later* share: the shared part divided by all pods there may be, used once the others count it as missing.

Pods without the store take turns: pod `seat` of `pods` may call at its own instants of the store's clock, so that
twenty pods with half a call each never make twenty calls at once.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from stock_service.upstream.pacer import PacerSettings, Window

_FIRST_SHARE = 0.1


@dataclass(frozen=True, slots=True)
class Turns:
    """Instants `phase`, `phase + period`, … of a clock all pods share; one call at each."""

    period: float
    phase: float

    def next_at(self, now: float) -> float:
        """Return the first of our instants at or after `now`."""
        return self.phase + math.ceil((now - self.phase) / self.period - 1e-9) * self.period


@dataclass(frozen=True, slots=True)
class Division:
    """A plan, divided. `shared` are the windows the store enforces, with the calls left to it."""

    plan: PacerSettings
    pods: int
    shared: tuple[Window, ...]

    @property
    def longest_learned(self) -> float:
        """Seconds after which everything of before has left all short windows."""
        return max((window.per for window in self._short()), default=0.0) + self.plan.guard_for

    def share_of(self, window: Window) -> float:
        """Return the calls in `window`, one of `shared`, that belong to each pod without the store."""
        return window.calls / self.pods

    def first_turns(self, seat: int) -> Turns:
        """Return the turns of a pod that has just lost the store."""
        rests = [
            (whole.calls - part.calls, whole.per) for whole, part in zip(self.plan.windows, self.shared, strict=True)
        ]
        spacing = max(
            (per + self.plan.guard_for) / max(1, calls) for calls, per in rests if per in self._short_lengths()
        )
        return self._turns(spacing, seat)

    def later_turns(self, seat: int) -> Turns:
        """Return the turns of a pod that lost it a while ago."""
        return self._turns(max((each.per + self.plan.guard_for) / each.calls for each in self._short()), seat)

    def _turns(self, spacing: float, seat: int) -> Turns:
        return Turns(spacing * self.pods, spacing * (seat % self.pods))

    def _short(self) -> tuple[Window, ...]:
        short = tuple(window for window in self.shared if window.learned)
        return short or (min(self.shared, key=lambda window: window.per),)

    def _short_lengths(self) -> set[float]:
        return {window.per for window in self._short()}


def divide_plan(plan: PacerSettings, pods: int) -> Division:
    """Return `plan` divided for at most `pods` pods. One pod alone needs no reserve: it knows all its calls."""
    shared = tuple(Window(window.calls - _first_calls(window, pods), window.per) for window in plan.windows)
    return Division(plan, pods, shared)


def _first_calls(window: Window, pods: int) -> int:
    return 0 if pods == 1 or window.calls == 1 else math.ceil(window.calls * _FIRST_SHARE - 1e-9)
