"""All series, bounded in bytes: the least recently used chunk goes first.

Decides what is given up, never what is fresh. A chunk that goes takes with it the knowledge of its span, so that a
gap is asked for again and never taken for a time without trades. A series without chunks goes when its turn comes.
In idle moments the driver may have old chunks packed (`pack_oldest`): thrice as many fit.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence

from stock_service.cache.bar_questions import BarsQuestion, SeriesKey
from stock_service.cache.chunks import BarsText
from stock_service.cache.freshness import Lifetime
from stock_service.cache.ranges import Part, Span
from stock_service.cache.series import Gaps, Merged, Ready, Series, Slice
from stock_service.cache.stamp import Stamp

_FORGOTTEN_MAX = 10_000
_LONG_AGO = float("-inf")
_CROWDED_FROM = 0.6  # of the bytes: from here on what is at rest is packed, and stays packed when it is read


class SeriesStore:
    """Bars by ticker, size and adjustment.

    Args:
        max_bytes: what all chunks and their bookkeeping may weigh together.
    """

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._series: dict[SeriesKey, Series] = {}
        self._order: OrderedDict[tuple[SeriesKey, int | None], None] = OrderedDict()
        self._forgotten: OrderedDict[str, float] = OrderedDict()
        self._all_forgotten = _LONG_AGO
        self.weight_bytes = 0
        self.evictions = 0

    def __len__(self) -> int:
        """How many series are kept."""
        return len(self._series)

    @property
    def crowded(self) -> bool:
        """Whether chunks should be packed before more arrive: a third of the room is cheaper than asking again."""
        return self.weight_bytes > _CROWDED_FROM * self._max_bytes

    def plan(self, question: BarsQuestion, now: float) -> Ready | Gaps:
        """Return whether `question` can be answered at `now` (monotonic), and what is to be asked for."""
        series = self._series.get(question.key)
        if question.span.start >= question.span.stop:
            return Ready((), now, now, now)
        if series is None:
            return Gaps((question.span,), None)
        before = series.weight_bytes
        planned = series.plan(question.span, question.bars_max, question.descending, now)
        self.weight_bytes += series.weight_bytes - before
        return planned

    def known_at(self, key: SeriesKey, span: Span) -> float:
        """Return when the oldest part of `span` was fetched; minus infinity while a part of it is not known."""
        series = self._series.get(key)
        return float("-inf") if series is None else series.known_at(span)

    def slice(self, question: BarsQuestion) -> Slice:
        """Return the bars of a question that is planned `Ready`."""
        series = self._series.get(question.key)
        if series is None:
            return Slice([], 0, None)
        before = series.weight_bytes
        found = series.slice(question.span, question.bars_max, question.descending, keep_open=not self.crowded)
        self.weight_bytes += series.weight_bytes - before
        self._order.move_to_end((question.key, None))
        reach = _reach(question, found)
        for cell in series.used_cells(reach):
            self._order.move_to_end((question.key, cell))
        self._evict()
        return found

    def merge(
        self,
        key: SeriesKey,
        answered: Span,
        page: BarsText,
        parts: Sequence[tuple[Span, Lifetime]],
        fetched_at: float,
        now: float,
    ) -> Merged:
        """Take over a page of the vendor as all there is of `answered`.

        `parts` are the lifetimes of all of `answered` in order (`bar_lifetimes.judge_parts`). `fetched_at` is when
        its fetch began; a page fetched before the ticker was last forgotten is not taken.
        """
        if fetched_at < self.counts_from(key.ticker):
            return Merged.OLDER
        if answered.start >= answered.stop:
            return Merged.OLDER
        series = self._series.get(key)
        if series is not None and series.outdated:
            self._drop(key)
            series = None
        if series is None:
            series = self._series[key] = Series(key.size)
            self._order[key, None] = None
            self.weight_bytes += series.weight_bytes
        before = series.weight_bytes
        stamps = [Part(span.start, span.stop, Stamp.of(fetched_at, lifetime, now)) for span, lifetime in parts]
        merged = series.merge(answered, page, stamps, now)
        self.weight_bytes += series.weight_bytes - before
        self._order.move_to_end((key, None))
        self._settle_order(key, series, answered)
        self._evict()
        return merged

    def keys_of(self, ticker: str | None) -> list[SeriesKey]:
        """Return what is kept of a ticker, or of all when it is None."""
        return [key for key in self._series if ticker is None or key.ticker == ticker]

    def weight_of(self, key: SeriesKey) -> int:
        """Return what one series weighs, in bytes."""
        return self._series[key].weight_bytes

    def forget(self, key: SeriesKey, since: float) -> None:
        """Give up a series; pages of its ticker whose fetch began before `since` are not taken over any more."""
        self._drop(key)
        self.refuse_older(key.ticker, since)

    def outdate(self, key: SeriesKey, now: float) -> None:
        """Make a series stale as a whole (`Series.outdate`); older pages are refused as by `forget`."""
        series = self._series[key]
        before = series.weight_bytes
        series.outdate(now)
        self.weight_bytes += series.weight_bytes - before
        self.refuse_older(key.ticker, now)

    def pack_oldest(self, chunks_max: int) -> int:
        """Pack up to so many of the least recently used chunks (0.5 ms each) and return how many were packed."""
        packed = 0
        for key, cell in self._order:
            if packed >= chunks_max:
                break
            if cell is not None:
                series = self._series[key]
                before = series.weight_bytes
                packed += series.pack_cell(cell)
                self.weight_bytes += series.weight_bytes - before
        return packed

    def counts_from(self, ticker: str) -> float:
        """Return the instant before which no page about `ticker` that is taken over may have been fetched."""
        return max(self._all_forgotten, self._forgotten.get(ticker, _LONG_AGO))

    def refuse_older(self, ticker: str | None, since: float) -> None:
        """Take over no page about `ticker`, or none at all when it is None, whose fetch began before `since`.

        Also where nothing is kept yet: the first page may be under way.
        """
        if ticker is None:
            self._all_forgotten = max(self._all_forgotten, since)
            return
        self._forgotten[ticker] = max(self._forgotten.get(ticker, _LONG_AGO), since)
        self._forgotten.move_to_end(ticker)
        if len(self._forgotten) > _FORGOTTEN_MAX:
            self._all_forgotten = max(self._all_forgotten, self._forgotten.popitem(last=False)[1])

    def _settle_order(self, key: SeriesKey, series: Series, answered: Span) -> None:
        for cell in series.used_cells(answered):
            self._order[key, cell] = None
            self._order.move_to_end((key, cell))

    def _evict(self) -> None:
        while self.weight_bytes > self._max_bytes and self._order:
            (key, cell), _ = self._order.popitem(last=False)
            series = self._series[key]
            if cell is not None:
                before = series.weight_bytes
                series.forget_cell(cell)
                self.weight_bytes += series.weight_bytes - before
                self.evictions += 1
            elif series.empty or len(self._order) == 0:
                self._drop(key)
                self.evictions += 1
            else:
                self._order[key, None] = None

    def _drop(self, key: SeriesKey) -> None:
        series = self._series.pop(key)
        self.weight_bytes -= series.weight_bytes
        self._order.pop((key, None), None)
        for cell in series.cells:
            self._order.pop((key, cell), None)


def _reach(question: BarsQuestion, found: Slice) -> Span:
    if found.next_at is None:
        return question.span
    if question.descending:
        return Span(found.next_at, question.span.stop)
    return Span(question.span.start, found.next_at + 1)
