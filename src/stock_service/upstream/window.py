"""Two counts over the last seconds: how many, and how many of them were marked.

A ring of equal buckets on the monotonic clock. It forgets in steps of one bucket, so it covers between nine and
ten tenths of its span. It only counts; whoever asks decides what the counts mean.
"""

from __future__ import annotations

import math

_BUCKETS = 10


class RollingCounts:
    """Counts of the last `window_for` seconds, in ten buckets."""

    __slots__ = ("_begun", "_bucket_for", "_forgotten", "_marked", "_newest", "_total", "_turns_at")

    def __init__(self, window_for: float) -> None:
        self._bucket_for = window_for / _BUCKETS
        self.clear()

    def clear(self) -> None:
        """Forget everything."""
        self._newest = 0
        self._turns_at = -math.inf  # when the newest bucket ends
        self._total = 0  # since the last `clear`, as is `_marked`
        self._marked = 0
        self._begun = [(0, 0)] * _BUCKETS  # both as they were when each bucket began
        self._forgotten = (0, 0)  # when the oldest bucket in the window of the newest did

    def add(self, now: float, total: int = 1, marked: int = 0) -> tuple[int, int]:
        """Add to the bucket of `now`; return what `sums` says then."""
        if now >= self._turns_at:
            self._turn(int(now / self._bucket_for))
        self._total += total
        self._marked += marked
        old_total, old_marked = self._forgotten
        return self._total - old_total, self._marked - old_marked

    def sums(self, now: float) -> tuple[int, int]:
        """Return `(total, marked)` of the window that ends at `now`; changes nothing."""
        gone = max(0, int(now / self._bucket_for) - self._newest)
        if gone >= _BUCKETS:
            return 0, 0
        old_total, old_marked = self._begun[(self._newest + gone + 1) % _BUCKETS] if gone else self._forgotten
        return self._total - old_total, self._marked - old_marked

    def _turn(self, newest: int) -> None:
        for bucket in range(max(self._newest + 1, newest - _BUCKETS + 1), newest + 1):
            self._begun[bucket % _BUCKETS] = (self._total, self._marked)
        self._newest = max(newest, self._newest)
        self._turns_at = (self._newest + 1) * self._bucket_for
        self._forgotten = self._begun[(self._newest + 1) % _BUCKETS]
