"""What the hit path counts, in plain slots that a scrape reads.

A hit may not pay for a metrics library: counting here costs a tenth of it. One `Series` exists per route, method and
status, which are closed sets; the scrape walks the series, never the entries.
"""

from __future__ import annotations

from bisect import bisect_left

EDGES = (
    0.00005,
    0.0001,
    0.00025,
    0.0005,
    0.001,
    0.0025,
    0.005,
    0.01,
    0.025,
    0.05,
    0.1,
    0.25,
    0.5,
    1.0,
    1.5,
    2.0,
    2.5,
    5.0,
    10.0,
    30.0,
)
QUICK_FOR = EDGES[0]  # seconds; nearly every hit is quicker, and pays for no bucket


class Series:
    """Answers of one route and method with one status, and the 304s given in their place.

    `stale` counts those of all answers that were past their fresh time and being renewed.
    """

    __slots__ = ("_slow", "answered", "method", "not_modified", "route", "seconds", "stale", "status")

    def __init__(self, route: str, method: str, status: int) -> None:
        self.route = route
        self.method = method
        self.status = status
        self.answered = 0
        self.not_modified = 0
        self.stale = 0
        self.seconds = 0.0
        self._slow = [0] * len(EDGES)

    def note_slow(self, seconds: float) -> None:
        """Count one answer that took longer than `QUICK_FOR`."""
        self._slow[bisect_left(EDGES, seconds) - 1] += 1

    @property
    def count(self) -> int:
        """All answers."""
        return self.answered + self.not_modified

    @property
    def buckets(self) -> list[int]:
        """Answers that took at most `EDGES[i]` seconds and more than the edge before; the last bucket has no edge."""
        return [self.count - sum(self._slow), *self._slow]
