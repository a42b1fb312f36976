"""The series against a naive one that remembers every slot of time by itself."""

from __future__ import annotations

from dataclasses import dataclass

import msgspec
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from stock_service.cache.chunks import Chunk, PackedChunk, cell_of, cell_span, split_page
from stock_service.cache.freshness import Freshness, Lifetime
from stock_service.cache.ranges import Part, Span
from stock_service.cache.series import DOUBT_FOR, Gaps, Merged, Ready, Series, answered_span
from stock_service.cache.sizes import BarSize
from stock_service.cache.stamp import Stamp

SIZE = BarSize(1, "second")  # stored by the hour
STEP = 600_000  # one slot: six of them share a cell
BEGIN = 1_700_006_400_000  # an edge of a cell
SLOTS = 30
SPANS = st.tuples(st.integers(0, SLOTS), st.integers(0, SLOTS)).map(lambda ends: Span(min(ends), max(ends)))
LIFETIMES = st.sampled_from(
    [Lifetime(5.0, 3.0, 10.0), Lifetime(1_000.0), Lifetime(0.0, 0.0, 20.0), Lifetime(50.0, 50.0, 50.0)]
)
LIVELY = (Freshness.FRESH, Freshness.SOFT)


def ms(span: Span) -> Span:
    return Span(BEGIN + span.start * STEP, BEGIN + span.stop * STEP)


def slots(span: Span) -> range:
    """Return the slots that begin in `span`: a page may end in the middle of one, just behind its last bar."""
    return range(-((BEGIN - span.start) // STEP), -((BEGIN - span.stop) // STEP))


def text(slot: int, version: int) -> bytes:
    return msgspec.json.encode({"o": version / 4, "t": BEGIN + slot * STEP, "n": version})


@dataclass
class Known:
    """What the naive series remembers of one slot."""

    stamp: Stamp
    bar: bytes | None


class SeriesAgainstSlots(RuleBasedStateMachine):
    """A vendor whose bars come, go and change; pages that arrive late and in any order."""

    def __init__(self) -> None:
        super().__init__()
        self.series = Series(SIZE)
        self.model: dict[int, Known] = {}
        self.truth: dict[int, bytes] = {}
        self.version = 0
        self.now = 1_000.0

    @rule(span=SPANS, thin=st.booleans())
    def the_vendor_has_bars(self, span: Span, thin: bool) -> None:
        self.version += 1
        for slot in range(span.start, span.stop, 2 if thin else 1):
            self.truth[slot] = text(slot, self.version)

    @rule(span=SPANS)
    def the_vendor_loses_bars(self, span: Span) -> None:
        for slot in range(span.start, span.stop):
            self.truth.pop(slot, None)

    @rule(seconds=st.sampled_from([1.0, 4.0, 30.0, 500.0]))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds

    @rule(
        span=SPANS.filter(lambda span: span.start < span.stop),
        page_max=st.integers(1, 40),
        descending=st.booleans(),
        late=st.sampled_from([0.0, 0.0, 10.0]),
        lifetime=LIFETIMES,
        spaced=st.booleans(),
    )
    def a_page_arrives(
        self, span: Span, page_max: int, descending: bool, late: float, lifetime: Lifetime, spaced: bool
    ) -> None:
        rows = [self.truth[slot] for slot in range(span.start, span.stop) if slot in self.truth]
        if descending:
            rows.reverse()
        more = len(rows) > page_max
        body = b'{"results":[%b]%b}' % (
            (b" , " if spaced else b",").join(rows[:page_max]),
            b',"next_url":"http://v/x"' if more else b"",
        )
        page = split_page(body, SIZE, descending=descending)
        answered = answered_span(ms(span), page, descending)
        stamp = Stamp.of(self.now - late, lifetime, self.now)
        merged = self.series.merge(answered, page, [Part(*answered, stamp)], self.now)
        bars = {slot: self.truth[slot] for slot in slots(answered) if slot in self.truth}
        assert merged is self.merge_slots(answered, bars, stamp)

    def merge_slots(self, answered: Span, bars: dict[int, bytes], stamp: Stamp) -> Merged:
        reach = slots(answered)
        newer = [
            slot for slot in reach if slot not in self.model or self.model[slot].stamp.fetched_at <= stamp.fetched_at
        ]
        kept = any(slot in self.model and self.model[slot].bar for slot in reach)
        sure = all(slot in self.model and self.model[slot].stamp.doubted for slot in reach)
        if not bars and kept and not sure:
            until = self.now + DOUBT_FOR
            for slot in newer:
                old = self.model.get(slot, Known(stamp, None))
                doubted = Stamp(old.stamp.fetched_at, until, until, max(until, old.stamp.hard_until), doubted=True)
                self.model[slot] = Known(doubted, old.bar)
            return Merged.DOUBTED
        for slot in newer:
            self.model[slot] = Known(stamp, bars.get(slot))
        return Merged.TAKEN if newer else Merged.OLDER

    @rule(slot=st.integers(0, SLOTS - 1))
    def a_cell_is_given_up(self, slot: int) -> None:
        cell = cell_of(BEGIN + slot * STEP, SIZE.cell_ms)
        self.series.forget_cell(cell)
        for gone in slots(Span(*cell_span(cell, SIZE.cell_ms))):
            self.model.pop(gone, None)

    @rule(slot=st.integers(0, SLOTS - 1))
    def a_cell_is_packed(self, slot: int) -> None:
        cell = cell_of(BEGIN + slot * STEP, SIZE.cell_ms)
        before = cell in self.series.cells and isinstance(self.series._chunks[cell], Chunk)
        assert self.series.pack_cell(cell) is before
        assert not self.series.pack_cell(cell)

    @rule(span=SPANS, bars_max=st.integers(1, 12), descending=st.booleans())
    def a_question_is_asked(self, span: Span, bars_max: int, descending: bool) -> None:
        order = list(range(span.start, span.stop))[:: -1 if descending else 1]
        planned = self.series.plan(ms(span), bars_max, descending, self.now)
        needed = self.needed(order, bars_max, LIVELY)
        if isinstance(planned, Ready):
            assert needed is not None
            self.check_ready(planned, needed)
        else:
            assert needed is None
            self.check_gaps(planned, order, bars_max)
        if planned if isinstance(planned, Ready) else planned.fallback:
            self.check_slice(span, order, bars_max, descending)

    def needed(self, order: list[int], bars_max: int, usable: tuple[Freshness, ...]) -> list[int] | None:
        """Return the slots an answer needs, or None when one of them cannot be used."""
        seen, found = 0, []
        for slot in order:
            known = self.model.get(slot)
            if known is None or known.stamp.freshness(self.now) not in usable:
                return None
            found.append(slot)
            seen += known.bar is not None
            if seen > bars_max:
                break
        return found

    def check_ready(self, ready: Ready, needed: list[int]) -> None:
        stamps = [self.model[slot].stamp for slot in needed]
        soft = {slot for slot in needed if self.model[slot].stamp.freshness(self.now) is Freshness.SOFT}
        refreshed = {slot for span in ready.refresh for slot in slots(span)}
        assert soft <= refreshed
        assert all(self.model[slot].stamp.freshness(self.now) is Freshness.SOFT for slot in refreshed)
        if stamps:
            assert ready.fetched_at == min(stamp.fetched_at for stamp in stamps)
            assert (ready.fresh_until, ready.moving_at) == min((s.fresh_until, s.fetched_at) for s in stamps)
            assert ready.fresh_until == min(stamp.fresh_until for stamp in stamps)

    def check_gaps(self, gaps: Gaps, order: list[int], bars_max: int) -> None:
        usable = {slot for slot, known in self.model.items() if known.stamp.freshness(self.now) in LIVELY}
        asked = {slot for span in gaps.spans for slot in slots(span)}
        assert not asked & usable  # the gaps and nothing else
        missing, seen = set(), 0
        for slot in order:
            if slot not in usable:
                missing.add(slot)
            elif self.model[slot].bar is not None:
                seen += 1
            if seen > bars_max:
                break
        assert missing <= asked <= set(order)
        fallback = self.needed(order, bars_max, (*LIVELY, Freshness.HARD))
        assert (gaps.fallback is None) is (fallback is None)

    def check_slice(self, span: Span, order: list[int], bars_max: int, descending: bool) -> None:
        found = self.series.slice(ms(span), bars_max, descending)
        bars = [slot for slot in order if slot in self.model and self.model[slot].bar is not None]
        expected = [self.model[slot].bar for slot in bars[:bars_max]]
        assert b",".join(found.pieces) == b",".join(bar for bar in expected if bar is not None)
        assert found.count == len(expected)
        assert found.next_at == (BEGIN + bars[bars_max] * STEP if len(bars) > bars_max else None)

    @invariant()
    def it_weighs_what_it_holds(self) -> None:
        chunks = self.series._chunks.values()
        spans = len(self.series._known)
        assert self.series.weight_bytes == Series(SIZE).weight_bytes + 260 * spans + sum(
            chunk.weight_bytes for chunk in chunks
        )
        assert list(self.series.cells) == sorted(self.series._chunks)
        for cell, chunk in self.series._chunks.items():
            assert cell == cell_of(chunk.first, SIZE.cell_ms) == cell_of(chunk.last, SIZE.cell_ms)
            opened = chunk.opened() if isinstance(chunk, PackedChunk) else chunk
            assert len(msgspec.json.decode(b"[%b]" % opened.text)) == chunk.count


TestSeries = SeriesAgainstSlots.TestCase
