"""Bars of one ticker and size, kept as the vendor's own text, and what is known of them when.

Decides whether a question can be answered from what is kept and which spans must be asked for; never asks. A span
is known or not, apart from whether it holds bars: an absent minute is a fact. Never goes back in time: a span is
only replaced by an answer whose fetch began later. All spans are milliseconds of bar beginnings, half open; all
instants are monotonic seconds.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterator, Sequence
from dataclasses import replace
from enum import Enum

from stock_service.base.record import record
from stock_service.cache.chunks import BarsText, Chunk, PackedChunk, cell_of, cell_span, joined, reversed_text
from stock_service.cache.freshness import Freshness
from stock_service.cache.ranges import Part, Ranges, Span, join_spans
from stock_service.cache.sizes import BarSize
from stock_service.cache.stamp import Stamp

DOUBT_FOR = 60.0  # seconds until a page without bars, where bars are kept, is asked for again
_OVERHEAD_BYTES = 900
_RANGE_BYTES = 260


@record
class Ready:
    """Answerable. `refresh` are the spans to renew in the background.

    `fetched_at` is when the oldest part was fetched, `moving_at` when the part was that expires first, at
    `fresh_until`: settled history may be weeks old and still say all there is to say.
    """

    refresh: tuple[Span, ...]
    fetched_at: float
    fresh_until: float
    moving_at: float


@record
class Gaps:
    """Not answerable before these spans are asked for; `fallback` if the vendor cannot be asked."""

    spans: tuple[Span, ...]
    fallback: Ready | None


class Merged(Enum):
    """What became of a page."""

    TAKEN = "taken"
    OLDER = "older"  # everything it speaks of is known from a later fetch
    DOUBTED = "doubted"  # it says "nothing there" where bars are kept: they stay until a second page agrees


@record
class Slice:
    """Bars in the order asked for: pieces of JSON text to join with commas, and the time of the next bar, if any."""

    pieces: list[bytes]
    count: int
    next_at: int | None


class Series:
    """All bars kept of one ticker, size and adjustment."""

    __slots__ = ("_cell_ms", "_cells", "_chunks", "_known", "outdated", "weight_bytes")

    def __init__(self, size: BarSize) -> None:
        self._cell_ms = size.cell_ms
        self._cells: list[int] = []
        self._chunks: dict[int, Chunk | PackedChunk] = {}
        self._known: Ranges[Stamp] = Ranges()
        self.outdated = False
        self.weight_bytes = _OVERHEAD_BYTES

    # --- asking -------------------------------------------------------------------------------------------

    def plan(self, span: Span, bars_max: int, descending: bool, now: float) -> Ready | Gaps:
        """Return whether the first `bars_max` bars of `span`, in that order, and whether more follow, are known."""
        parts = self._known.parts(*span)
        if descending:
            parts.reverse()
        ready = self._ready(parts, bars_max, now, (Freshness.FRESH, Freshness.SOFT))
        if ready is not None:
            return ready
        usable = (Freshness.FRESH, Freshness.SOFT, Freshness.HARD)
        return Gaps(self._gaps(parts, bars_max, now), self._ready(parts, bars_max, now, usable))

    def _ready(
        self, parts: Sequence[Part[Stamp]], bars_max: int, now: float, usable: Sequence[Freshness]
    ) -> Ready | None:
        seen, soft = 0, []
        fetched_at, first = float("inf"), (float("inf"), float("inf"))
        for part in parts:
            if part.stamp is None or (freshness := part.stamp.freshness(now)) not in usable:
                return None
            if freshness is not Freshness.FRESH:
                soft.append(Span(part.start, part.stop))
            fetched_at = min(fetched_at, part.stamp.fetched_at)
            first = min(first, (part.stamp.fresh_until, part.stamp.fetched_at))
            seen += self.count(part.start, part.stop)
            if seen > bars_max:
                break
        return Ready(tuple(join_spans(sorted(soft))), fetched_at, *first)

    def _gaps(self, parts: Sequence[Part[Stamp]], bars_max: int, now: float) -> tuple[Span, ...]:
        seen, missing = 0, []
        for part in parts:
            if part.stamp is not None and part.stamp.freshness(now) in (Freshness.FRESH, Freshness.SOFT):
                seen += self.count(part.start, part.stop)
                if seen > bars_max:
                    break
            else:
                missing.append(Span(part.start, part.stop))
        return tuple(join_spans(sorted(missing)))

    def slice(self, span: Span, bars_max: int, descending: bool, *, keep_open: bool = True) -> Slice:
        """Return the first `bars_max` bars kept of `span`, in that order; `keep_open`: do not pack what was opened."""
        pieces: list[bytes] = []
        count = 0
        for cell in self._overlapping(span, descending):
            chunk = self._open(cell, keep=keep_open)
            low, high = chunk.bounds(*span)
            if low == high:
                continue
            take = min(high - low, bars_max - count)
            if take:
                text = chunk.piece(high - take, high) if descending else chunk.piece(low, low + take)
                pieces.append(reversed_text(text) if descending else text)
                count += take
            if take < high - low:
                return Slice(pieces, count, chunk.time_at(high - take - 1 if descending else low + take))
        return Slice(pieces, count, None)

    def count(self, start: int, stop: int) -> int:
        """Return how many bars are kept of `[start, stop)`."""
        total = 0
        for cell in self._overlapping(Span(start, stop), False):
            if self._chunks[cell].covered_by(start, stop):
                total += self._chunks[cell].count
            else:
                low, high = self._open(cell).bounds(start, stop)
                total += high - low
        return total

    def known_at(self, span: Span) -> float:
        """Return when the oldest part of `span` was fetched; minus infinity while a part of it is not known."""
        stamps = (part.stamp for part in self._known.parts(*span))
        return min((float("-inf") if stamp is None else stamp.fetched_at for stamp in stamps), default=float("inf"))

    def used_cells(self, span: Span) -> list[int]:
        """Return the cells that may hold bars of `span`."""
        return self._overlapping(span, False)

    # --- keeping ------------------------------------------------------------------------------------------

    def merge(self, answered: Span, page: BarsText, stamps: Sequence[Part[Stamp]], now: float) -> Merged:
        """Take over a page as all there is of `answered`; `stamps` say how long each part of that may be served.

        Bars outside `answered`, which the vendor adds by widening a range to whole bars, are left out.
        """
        before = self._known_bytes()
        if page.count == 0 and self._doubts(answered):
            self._doubt(answered, stamps, now)
            merged = Merged.DOUBTED
        else:
            merged, cells = Merged.OLDER, sorted(page.cells)
            for known, stamp in self._newer(answered, stamps):
                self._take(page, cells, known.start, known.stop)
                self._known.put(known.start, known.stop, stamp)
                merged = Merged.TAKEN
        self.weight_bytes += self._known_bytes() - before
        return merged

    def outdate(self, now: float) -> None:
        """Make everything stale for good, as what is all at a wrong scale: it may only stand in for the vendor. Whoever
        keeps the series replaces it by a new one before the next page: bars of two scales never share an answer.
        """
        ends = (-(1 << 62), 1 << 62)
        for start, stop, stamp in self._known.parts(*ends):
            if stamp is not None:
                until = min(now, stamp.fresh_until)
                self._known.put(start, stop, replace(stamp, fresh_until=until, soft_until=until))
        self.outdated = True

    def forget_cell(self, cell: int) -> None:
        """Give up the bars of one cell and that they were known."""
        before = self._known_bytes()
        self._known.drop(*cell_span(cell, self._cell_ms))
        self._set(cell, None)
        self.weight_bytes += self._known_bytes() - before

    def pack_cell(self, cell: int) -> bool:
        """Pack the chunk of a cell; return whether there was one to pack."""
        chunk = self._chunks.get(cell)
        if not isinstance(chunk, Chunk):
            return False
        self._set(cell, PackedChunk(chunk))
        return True

    @property
    def cells(self) -> Sequence[int]:
        """The cells that hold bars, in order."""
        return self._cells

    @property
    def empty(self) -> bool:
        """Whether no bars are kept."""
        return not self._cells

    def _newer(self, asked: Span, stamps: Sequence[Part[Stamp]]) -> Iterator[tuple[Part[Stamp], Stamp]]:
        """Yield the pieces of `asked` that are not known from a later fetch, as they are known, and their new stamp."""
        for start, stop, stamp in stamps:
            assert stamp is not None  # a judged span has no holes
            for known in self._known.parts(max(start, asked.start), min(stop, asked.stop)):
                if known.stamp is None or known.stamp.fetched_at <= stamp.fetched_at:
                    yield known, stamp

    def _doubts(self, asked: Span) -> bool:
        if not self.count(*asked):
            return False
        return any(part.stamp is None or not part.stamp.doubted for part in self._known.parts(*asked))

    def _doubt(self, asked: Span, stamps: Sequence[Part[Stamp]], now: float) -> None:
        """Have `asked` asked for again soon; what is kept of it stays as old, and as good in need, as it was."""
        until = now + DOUBT_FOR
        for known, stamp in list(self._newer(asked, stamps)):
            old = known.stamp or stamp
            doubted = Stamp(old.fetched_at, until, until, max(until, old.hard_until), doubted=True)
            self._known.put(known.start, known.stop, doubted)

    def _take(self, page: BarsText, page_cells: list[int], start: int, stop: int) -> None:
        """Replace the bars of `[start, stop)` by those of `page`."""
        first, last = cell_of(start, self._cell_ms), cell_of(stop - 1, self._cell_ms)
        mine, theirs = (
            cells[bisect_left(cells, first) : bisect_left(cells, last + 1)] for cells in (self._cells, page_cells)
        )
        for cell in sorted({*mine, *theirs}):
            new, pieces = page.cells.get(cell), []
            if cell in self._chunks and not self._chunks[cell].covered_by(start, stop):
                kept = self._open(cell)
                low, high = kept.bounds(start, stop)
                pieces = [(kept, 0, low), (kept, high, kept.count)]
            if new is not None:
                pieces.insert(1, (new, *new.bounds(start, stop)))
            self._set(cell, joined(pieces))

    def _set(self, cell: int, chunk: Chunk | PackedChunk | None) -> None:
        old = self._chunks.pop(cell, None)
        if old is not None:
            self.weight_bytes -= old.weight_bytes
        if chunk is None:
            if old is not None:
                del self._cells[bisect_left(self._cells, cell)]
            return
        if old is None:
            insort(self._cells, cell)
        self._chunks[cell] = chunk
        self.weight_bytes += chunk.weight_bytes

    def _known_bytes(self) -> int:
        """Return what the bookkeeping of known spans costs; chunks are weighed as they come and go."""
        return _RANGE_BYTES * len(self._known)

    def _open(self, cell: int, *, keep: bool = True) -> Chunk:
        chunk = self._chunks[cell]
        if isinstance(chunk, PackedChunk):
            chunk = chunk.opened()
            if keep:
                self._set(cell, chunk)
        return chunk

    def _overlapping(self, span: Span, descending: bool) -> list[int]:
        low = bisect_left(self._cells, cell_of(span.start, self._cell_ms))
        high = bisect_left(self._cells, cell_of(span.stop - 1, self._cell_ms) + 1)
        cells = self._cells[low:high]
        return cells[::-1] if descending else cells


def answered_span(asked: Span, page: BarsText, descending: bool) -> Span:
    """Return what a page speaks for: all of `asked`, or only up to its last bar when more pages follow."""
    if not page.next_url:
        return asked
    if page.first is None or page.last is None:
        return Span(asked.start, asked.start)
    if descending:
        return Span(max(asked.start, page.first), asked.stop)
    return Span(asked.start, min(asked.stop, page.last + 1))
