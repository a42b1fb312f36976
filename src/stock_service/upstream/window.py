"""Two counts over the last seconds: how many, and how many of them were marked.

A ring of equal buckets on the monotonic clock. It forgets in steps of one bucket, so it covers between nine and
ten tenths of its span. It only counts; whoever asks decides what the counts mean.
"""

from __future__ import annotations

_BUCKETS = 10


class RollingCounts:
    """Counts of the last `window_for` seconds, in ten buckets."""

    __slots__ = ("_bucket_for", "_marked", "_newest", "_sums", "_total")

    def __init__(self, window_for: float) -> None:
        self._bucket_for = window_for / _BUCKETS
        self.clear()

    def clear(self) -> None:
        """Forget everything."""
        self._newest = 0
        self._total = [0] * _BUCKETS
        self._marked = [0] * _BUCKETS
        self._sums = (0, 0)  # of the window that ends with the newest bucket: asked for at every call

    def add(self, now: float, total: int = 1, marked: int = 0) -> tuple[int, int]:
        """Add to the bucket of `now`; return what `sums` says then."""
        bucket = int(now / self._bucket_for)
        if bucket > self._newest:
            self._turn(bucket)
        place = self._newest % _BUCKETS
        self._total[place] += total
        self._marked[place] += marked
        self._sums = sums = (self._sums[0] + total, self._sums[1] + marked)
        return sums

    def sums(self, now: float) -> tuple[int, int]:
        """Return `(total, marked)` of the window that ends at `now`; changes nothing."""
        gone = min(max(0, int(now / self._bucket_for) - self._newest), _BUCKETS)
        if not gone:
            return self._sums
        kept = [(self._newest - back) % _BUCKETS for back in range(_BUCKETS - gone)]
        return sum(self._total[place] for place in kept), sum(self._marked[place] for place in kept)

    def _turn(self, newest: int) -> None:
        for bucket in range(max(self._newest + 1, newest - _BUCKETS + 1), newest + 1):
            self._total[bucket % _BUCKETS] = self._marked[bucket % _BUCKETS] = 0
        self._newest = newest
        self._sums = (sum(self._total), sum(self._marked))
