"""Which kept answers speak of which span of a series, and which of them are worth reading. Pure.

A fleet keeps the vendor's pages of bars under the questions they answer. A mark lets whoever asks another question
about the same bars find them: a year one process fetched costs the others nothing, whatever part of it they want.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence, Set
from dataclasses import dataclass

from stock_service.cache.ranges import Ranges, Span

_AT_ONCE_MAX = 8  # pages of up to two megabytes
_SAME_FETCH_FOR = 0.05  # seconds; an instant that went to the shelf and back is not quite the same


@dataclass(frozen=True, slots=True)
class Mark:
    """The answer kept under `key` is all there was of `span` when it was fetched (monotonic seconds)."""

    series: str
    key: str
    span: Span
    descending: bool
    fetched_at: float

    def text(self, fetched_ms: int) -> str:
        """Return the mark as it is noted, with its instant on the shelf's clock."""
        order = "d" if self.descending else "a"
        return f"{self.span.start} {self.span.stop} {order} {fetched_ms} {self.key}"


def parse_mark(series: str, text: str) -> Mark | None:
    """Return what `text` says, its instant still in milliseconds of the shelf's clock; None for nonsense."""
    start, stop, order, fetched, key = (text.split(" ", 4) + [""] * 5)[:5]
    if not (key and order in ("a", "d") and all(each.lstrip("-").isdecimal() for each in (start, stop, fetched))):
        return None
    return Mark(series, key, Span(int(start), int(stop)), order == "d", float(fetched))


def choose_marks(
    marks: Sequence[Mark], wanted: Sequence[Span], known_at: Callable[[Span], float], read: Set[str]
) -> list[Mark]:
    """Return the marks to read for `wanted`: the latest first, each adding something the others do not say.

    Args:
        known_at: when the oldest part of a span was fetched that is known here; minus infinity for a hole.
        read: keys that were read already and did not settle the matter.
    """
    covered: Ranges[bool] = Ranges()
    chosen: list[Mark] = []
    for mark in sorted(marks, key=lambda each: each.fetched_at, reverse=True):
        adds = False
        for want in wanted:
            start, stop = max(want.start, mark.span.start), min(want.stop, mark.span.stop)
            for gap in covered.gaps(start, stop):
                adds = adds or mark.fetched_at > known_at(gap) + _SAME_FETCH_FOR
        if not adds or mark.key in read:
            continue
        covered.put(*mark.span, True)
        chosen.append(mark)
        if len(chosen) == _AT_ONCE_MAX:
            break
    return chosen
