"""What is known about a line of whole numbers: disjoint half-open spans, each with a stamp of its own.

Pure. Spans never overlap and never touch with equal stamps; a later `put` takes over whatever it covers. Reading
walks only the spans asked about.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable
from typing import Generic, NamedTuple, TypeVar

Stamp = TypeVar("Stamp")


class Span(NamedTuple):
    """All whole numbers from `start` up to, not including, `stop`."""

    start: int
    stop: int


class Part(NamedTuple, Generic[Stamp]):
    """A piece of an asked span; `stamp` is None where nothing is known."""

    start: int
    stop: int
    stamp: Stamp | None


class Ranges(Generic[Stamp]):
    """Stamped spans in order."""

    __slots__ = ("_stamps", "_starts", "_stops")

    def __init__(self) -> None:
        self._starts: list[int] = []
        self._stops: list[int] = []
        self._stamps: list[Stamp] = []

    def __len__(self) -> int:
        """How many spans are kept."""
        return len(self._starts)

    def parts(self, start: int, stop: int) -> list[Part[Stamp]]:
        """Return `[start, stop)` cut into what is known and what is not, in order and without holes."""
        if start >= stop:
            return []
        found: list[Part[Stamp]] = []
        at = start
        for index in range(bisect_right(self._stops, start), bisect_left(self._starts, stop)):
            low, high = max(self._starts[index], start), min(self._stops[index], stop)
            if at < low:
                found.append(Part(at, low, None))
            found.append(Part(low, high, self._stamps[index]))
            at = high
        if at < stop:
            found.append(Part(at, stop, None))
        return found

    def gaps(self, start: int, stop: int) -> list[Span]:
        """Return what is not known of `[start, stop)`, in order."""
        return [Span(part.start, part.stop) for part in self.parts(start, stop) if part.stamp is None]

    def put(self, start: int, stop: int, stamp: Stamp) -> None:
        """Stamp `[start, stop)`; an empty span changes nothing."""
        if start >= stop:
            return
        # Neighbours that only touch are taken in too, so that equal ones can be joined.
        first, last = bisect_left(self._stops, start), bisect_right(self._starts, stop)
        pieces: list[tuple[int, int, Stamp]] = [(start, stop, stamp)]
        if first < last and self._starts[first] < start:
            pieces.insert(0, (self._starts[first], start, self._stamps[first]))
        if first < last and self._stops[last - 1] > stop:
            pieces.append((stop, self._stops[last - 1], self._stamps[last - 1]))
        self._replace(first, last, _joined(pieces))

    def drop(self, start: int, stop: int) -> None:
        """Forget `[start, stop)`."""
        if start >= stop:
            return
        first, last = bisect_right(self._stops, start), bisect_left(self._starts, stop)
        pieces: list[tuple[int, int, Stamp]] = []
        if first < last and self._starts[first] < start:
            pieces.append((self._starts[first], start, self._stamps[first]))
        if first < last and self._stops[last - 1] > stop:
            pieces.append((stop, self._stops[last - 1], self._stamps[last - 1]))
        self._replace(first, last, pieces)

    def _replace(self, first: int, last: int, pieces: list[tuple[int, int, Stamp]]) -> None:
        self._starts[first:last] = [piece[0] for piece in pieces]
        self._stops[first:last] = [piece[1] for piece in pieces]
        self._stamps[first:last] = [piece[2] for piece in pieces]


def join_spans(spans: Iterable[Span]) -> list[Span]:
    """Return ordered spans with those that touch made one."""
    joined: list[Span] = []
    for span in spans:
        if joined and joined[-1].stop >= span.start:
            joined[-1] = Span(joined[-1].start, max(joined[-1].stop, span.stop))
        else:
            joined.append(span)
    return joined


def _joined(pieces: list[tuple[int, int, Stamp]]) -> list[tuple[int, int, Stamp]]:
    joined = pieces[:1]
    for start, stop, stamp in pieces[1:]:
        if joined[-1][1] == start and joined[-1][2] == stamp:
            joined[-1] = (joined[-1][0], stop, stamp)
        else:
            joined.append((start, stop, stamp))
    return joined
