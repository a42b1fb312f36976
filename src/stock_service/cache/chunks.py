"""Bars as the vendor wrote them: pieces of its JSON text, cut from a page once and joined for each answer.

A chunk is never parsed again to be served. Its index (where each bar begins) is made when a cut through it is asked
for, and costs four bytes a bar; a bar's time is read from the text when the search looks at it. Splitting a page is
the one costly step (about 20 ms for 50,000 bars): run it off the event loop. A chunk nobody asks for can be packed to
a third of its size; it is opened again when its text is needed.
"""

from __future__ import annotations

import re
import zlib
from array import array
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from itertools import accumulate
from operator import lt

import msgspec

from stock_service.base.errors import VendorFailed
from stock_service.base.record import record
from stock_service.cache.ranges import Span
from stock_service.cache.sizes import BarSize

# Cells begin at 08:00 UTC, so that a US trading day (04:00 to 20:00 in New York) falls into one.
_CELL_SHIFT_MS = 8 * 3_600_000
_OVERHEAD_BYTES = 320  # chunk, text header, index header, its place in the tables
_PACKING_LEVEL = 1  # a third of the size in 0.5 ms a day; higher levels take three times as long for a fifth less
_BETWEEN = b"},{"
_TIME = re.compile(rb'"t"\s*:\s*(-?\d+)')


class _Time(msgspec.Struct, gc=False):
    t: int


class _Envelope(msgspec.Struct):
    results: msgspec.Raw = msgspec.Raw(b"[]")
    next_url: str | None = None


_envelopes = msgspec.json.Decoder(_Envelope)
_rows = msgspec.json.Decoder(list[msgspec.Raw])
_times = msgspec.json.Decoder(list[_Time])


class Chunk:
    """Consecutive bars of one cell in time order, never none. Immutable in what it says."""

    __slots__ = ("_ends", "count", "first", "last", "text")

    def __init__(self, text: bytes, first: int, last: int, count: int) -> None:
        self.text = text
        self.first = first
        self.last = last
        self.count = count
        self._ends: array[int] | None = None

    @property
    def weight_bytes(self) -> int:
        """What the chunk costs with its index, whether that is made yet or not."""
        return _OVERHEAD_BYTES + len(self.text) + 4 * self.count

    def covered_by(self, start: int, stop: int) -> bool:
        """Return whether all its bars lie in `[start, stop)`."""
        return start <= self.first and self.last < stop

    def bounds(self, start: int, stop: int) -> tuple[int, int]:
        """Return the places of the bars whose times lie in `[start, stop)`."""
        low = 0 if start <= self.first else self._place(start)
        high = self.count if stop > self.last else self._place(stop)
        return low, max(low, high)

    def piece(self, low: int, high: int) -> bytes:
        """Return the text of the bars at places `low` up to, not including, `high`."""
        if low == 0 and high == self.count:
            return self.text
        if low >= high:
            return b""
        end = len(self.text) if high == self.count else self._offset(high) - 1
        return self.text[self._offset(low) : end]

    def time_at(self, place: int) -> int:
        """Return the time of the bar at `place`."""
        if place == 0:
            return self.first
        if place == self.count - 1:
            return self.last
        found = _TIME.search(self.text, self._offset(place))
        assert found is not None  # every bar of a split page has a time
        return int(found[1])

    def _place(self, at: int) -> int:
        """Return the place of the first bar whose time is `at` or later."""
        low, high = 0, self.count
        # Bars mostly come at an even pace: two looks around the expected place settle what bisection asks nine for.
        expected = (at - self.first) * (self.count - 1) // max(1, self.last - self.first)
        if 0 < expected < self.count - 1:
            low, high = (expected, self.count) if self.time_at(expected) < at else (0, expected)
            if high == expected and self.time_at(expected - 1) < at:
                return expected
            if low == expected and self.time_at(expected + 1) >= at:
                return expected + 1
        while low < high:
            middle = (low + high) // 2
            if self.time_at(middle) < at:
                low = middle + 1
            else:
                high = middle
        return low

    def _offset(self, place: int) -> int:
        """Return where in the text the bar at `place` begins."""
        if place == 0:
            return 0
        if self._ends is None:
            self._ends = array("I", accumulate(map(len, self.text.split(_BETWEEN))))
        # The pieces lack what they were split at: three bytes each, of which the last is this bar's own brace.
        return self._ends[place - 1] + 3 * place - 1


class PackedChunk:
    """A chunk at rest: all that can be said without its text."""

    __slots__ = ("_packed", "count", "first", "last")

    def __init__(self, chunk: Chunk) -> None:
        self._packed = zlib.compress(chunk.text, _PACKING_LEVEL)
        self.first = chunk.first
        self.last = chunk.last
        self.count = chunk.count

    @property
    def weight_bytes(self) -> int:
        """What the chunk costs at rest."""
        return _OVERHEAD_BYTES + len(self._packed)

    def covered_by(self, start: int, stop: int) -> bool:
        """Return whether all its bars lie in `[start, stop)`."""
        return start <= self.first and self.last < stop

    def opened(self) -> Chunk:
        """Return the chunk with its text."""
        return Chunk(zlib.decompress(self._packed), self.first, self.last, self.count)


def reversed_text(text: bytes) -> bytes:
    """Return the bars of `text` in the opposite order."""
    return b"{%b}" % _BETWEEN.join(reversed(text[1:-1].split(_BETWEEN))) if text else text


def joined(pieces: Sequence[tuple[Chunk, int, int]]) -> Chunk | None:
    """Return one chunk of several cuts in time order, or None when they hold no bar."""
    cuts = [(chunk, low, high) for chunk, low, high in pieces if low < high]
    if not cuts:
        return None
    if len(cuts) == 1 and cuts[0][1] == 0 and cuts[0][2] == cuts[0][0].count:
        return cuts[0][0]
    text = b",".join(chunk.piece(low, high) for chunk, low, high in cuts)
    first, last = cuts[0][0].time_at(cuts[0][1]), cuts[-1][0].time_at(cuts[-1][2] - 1)
    return Chunk(text, first, last, sum(high - low for _, low, high in cuts))


@record
class BarsText:
    """A page of the vendor in time order, cut into cells. `next_url` is empty on the last page.

    `first` and `last` are the times of the earliest and the latest bar, None when there is no bar.
    """

    cells: dict[int, Chunk]
    count: int
    first: int | None = None
    last: int | None = None
    next_url: str = ""

    def within(self, span: Span) -> bool:
        """Return whether no bar begins outside `span`: the vendor widens a range that begins within a bar."""
        return self.first is None or self.last is None or (span.start <= self.first and self.last < span.stop)


def cell_of(at_ms: int, cell_ms: int) -> int:
    """Return the number of the cell that holds `at_ms`."""
    return (at_ms - _CELL_SHIFT_MS) // cell_ms


def cell_span(cell: int, cell_ms: int) -> tuple[int, int]:
    """Return the first millisecond of a cell and the first after it."""
    start = cell * cell_ms + _CELL_SHIFT_MS
    return start, start + cell_ms


def split_page(body: bytes, size: BarSize, *, descending: bool = False) -> BarsText:
    """Return the bars of a page, asked for in that order, as chunks. CPU-bound and pure: safe to run in a thread.

    Raises:
        VendorFailed: the page is malformed, not in the order asked for, or its bars are not flat objects.
    """
    try:
        envelope = _envelopes.decode(body)
        text, next_url = bytes(envelope.results), envelope.next_url or ""
        times = [] if text == b"null" else [row.t for row in _times.decode(text)]
        if not times:
            return BarsText({}, 0, next_url=next_url)
        if descending:
            times.reverse()
        if not all(map(lt, times, times[1:])):
            raise VendorFailed("invalid")
        cell_ms = size.cell_ms
        cells = None if descending else _cut_compact(text, times, cell_ms)
        if cells is None:
            rows = _rows.decode(text)
            cells = _cut_any(rows[::-1] if descending else rows, times, cell_ms)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise VendorFailed("invalid") from None
    return BarsText(cells, len(times), times[0], times[-1], next_url)


def _runs(times: Sequence[int], cell_ms: int) -> Iterator[tuple[int, int, int]]:
    """Yield the number of each cell in use and the places of its first bar and the first after it."""
    low = 0
    while low < len(times):
        cell = cell_of(times[low], cell_ms)
        high = bisect_left(times, cell_span(cell, cell_ms)[1], low)
        yield cell, low, high
        low = high


def _cut_compact(text: bytes, times: Sequence[int], cell_ms: int) -> dict[int, Chunk] | None:
    """Cut bars written without a space between them by looking for the few that begin a cell; None for others."""
    if (
        text.count(b"{") != len(times)
        or text.count(_BETWEEN) != len(times) - 1
        or (text[:2], text[-2:]) != (b"[{", b"}]")
    ):
        return None
    cells, begins = {}, 1
    for cell, low, high in _runs(times, cell_ms):
        ends = len(text)
        if high < len(times):
            time = text.find(b'"t":%d' % times[high], begins)
            ends = text.rfind(b"{", begins, max(time, begins))
            if ends <= begins:
                return None
        cells[cell] = Chunk(text[begins : ends - 1], times[low], times[high - 1], high - low)
        begins = ends
    return cells


def _cut_any(rows: Sequence[msgspec.Raw], times: Sequence[int], cell_ms: int) -> dict[int, Chunk]:
    cells = {}
    for cell, low, high in _runs(times, cell_ms):
        text = b",".join(rows[low:high])
        if text.count(_BETWEEN) != high - low - 1:
            raise VendorFailed("invalid")
        cells[cell] = Chunk(text, times[low], times[high - 1], high - low)
    return cells
