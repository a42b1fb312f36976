"""The bars of a range, adjusted for splits, cut into pages the way the vendor cuts them.

Decides which bars a question gets and where the next page begins. `limit` counts base bars (seconds, minutes or days),
not returned ones, and a window whose base bars do not all fit is withheld (facts.md 1.4), except that a page always
moves on by at least one window. Pure; only whole base bars that ended by `now` are given.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction

from stock_service.simulator.instruments import Instrument
from stock_service.simulator.prices import Bar, Prices
from stock_service.simulator.sessions import Market, midnight_ms, ordinal_at
from stock_service.simulator.splits import Split, divide_rounded, factor_after, splits_of
from stock_service.simulator.windows import DAY_MS, Timespan, Window


@dataclass(frozen=True, slots=True)
class Range:
    """A question for bars. `first_ms` and `last_ms` are already widened to whole windows, both inclusive."""

    instrument: Instrument
    window: Window
    first_ms: int
    last_ms: int
    adjusted: bool = True
    descending: bool = False
    limit: int = 50_000


@dataclass(frozen=True, slots=True)
class Page:
    """Bars of a range, `base_count` base bars behind them, and where the next page begins, if any."""

    bars: Sequence[Bar]
    base_count: int
    next_ms: int | None


def page_of(prices: Prices, asked: Range, now_ms: int) -> Page:
    """The first page of `asked` as known at `now_ms`."""
    bars: list[Bar] = []
    base_count = 0
    for start, group in _windows(prices, asked, now_ms):
        if bars and base_count + len(group) > asked.limit:
            edge = asked.window.end_ms(start) if asked.descending else start
            return Page(bars, base_count, edge)
        base_count += len(group)
        bars.append(_merged(group, start))
    return Page(bars, base_count, None)


def bars_of(prices: Prices, asked: Range, now_ms: int) -> Iterator[Bar]:
    """The bars of `asked` in its direction, made as they are taken; `limit` does not matter."""
    return (_merged(group, start) for start, group in _windows(prices, asked, now_ms))


def _merged(group: Sequence[Bar], start: int) -> Bar:
    return group[0] if len(group) == 1 and group[0].start == start else merge(group, start)


def merge(group: Sequence[Bar], start: int) -> Bar:
    """One bar of several in time order."""
    volume = sum(bar.volume for bar in group)
    product = sum(bar.mean * bar.volume for bar in group)
    return Bar(
        start,
        group[0].open,
        max(bar.high for bar in group),
        min(bar.low for bar in group),
        group[-1].close,
        volume,
        sum(bar.trades for bar in group),
        divide_rounded(product, Fraction(volume)) if volume else group[-1].close,
    )


def day_bar(prices: Prices, instrument: Instrument, ordinal: int, now_ms: int, *, adjusted: bool = True) -> Bar | None:
    """The bar of one day as known at `now_ms`; None when nothing traded yet."""
    midnight = midnight_ms(instrument.market, ordinal)
    window = Window(instrument.market, 1, Timespan.DAY)
    bars = page_of(prices, Range(instrument, window, midnight, midnight, adjusted), now_ms).bars
    return bars[0] if bars else None


def _windows(prices: Prices, asked: Range, now_ms: int) -> Iterator[tuple[int, Sequence[Bar]]]:
    """Start and base bars (in time order) of each window of the range."""
    if asked.window.within_day:
        for ordinal in _days(asked, now_ms):
            yield from _windows_within(asked, _base_bars(prices, asked, ordinal, now_ms), ordinal)
        return
    group: list[Bar] = []
    first_day = 0
    for ordinal in _days(asked, now_ms):
        if group and asked.window.first_day(ordinal) != first_day:
            yield midnight_ms(asked.instrument.market, first_day), group
            group = []
        first_day = asked.window.first_day(ordinal)
        day = _base_bars(prices, asked, ordinal, now_ms)
        group = [*day, *group] if asked.descending else [*group, *day]
    if group:
        yield midnight_ms(asked.instrument.market, first_day), group


def _windows_within(asked: Range, bars: Sequence[Bar], ordinal: int) -> Iterator[tuple[int, Sequence[Bar]]]:
    size = asked.window.within_day
    if size == _base_ms(asked):
        for bar in reversed(bars) if asked.descending else bars:
            yield bar.start, (bar,)
        return
    midnight = midnight_ms(asked.instrument.market, ordinal)
    groups: dict[int, list[Bar]] = {}
    for bar in bars:
        groups.setdefault((bar.start - midnight) // size, []).append(bar)
    for index in sorted(groups, reverse=asked.descending):
        yield midnight + index * size, groups[index]


def _days(asked: Range, now_ms: int) -> range:
    market = asked.instrument.market
    first = ordinal_at(market, max(asked.first_ms, 0))
    last = ordinal_at(market, min(asked.last_ms, now_ms))
    return range(last, first - 1, -1) if asked.descending else range(first, last + 1)


def _base_ms(asked: Range) -> int:
    """The size of a base bar: what `limit` counts."""
    if asked.window.timespan is Timespan.SECOND:
        return 1_000
    return 60_000 if asked.window.within_day else DAY_MS


def _base_bars(prices: Prices, asked: Range, ordinal: int, now_ms: int) -> Sequence[Bar]:
    """The base bars of one day within the range that ended by `now_ms`, in time order, adjusted."""
    bars = _raw_bars(prices, asked, ordinal, now_ms)
    splits = _splits_for(prices, asked)
    if not splits or not bars:
        return bars
    factor = factor_after(splits, ordinal, ordinal_at(asked.instrument.market, now_ms))
    return bars if factor == 1 else [_divided(bar, factor) for bar in bars]


def _raw_bars(prices: Prices, asked: Range, ordinal: int, now_ms: int) -> Sequence[Bar]:
    instrument, size = asked.instrument, _base_ms(asked)
    session = prices.session(instrument, ordinal)
    if session is None:
        return ()
    midnight = midnight_ms(instrument.market, ordinal)
    if size == DAY_MS and midnight + session.end * 60_000 <= now_ms:
        day = prices.day(instrument, ordinal)
        return () if day is None else (day.bar,)
    first, last = (midnight, now_ms) if size == DAY_MS else (asked.first_ms, asked.last_ms)
    last = min(last, now_ms - (1_000 if asked.window.timespan is Timespan.SECOND else 60_000))
    if asked.window.timespan is Timespan.SECOND:
        seconds = prices.seconds(instrument, ordinal, first - first % 60_000, last)
        return [bar for bar in seconds if first <= bar.start <= last]
    bars: Sequence[Bar] = prices.minutes(instrument, ordinal)
    if bars and (bars[0].start < first or bars[-1].start > last):
        bars = [bar for bar in bars if first <= bar.start <= last]
    return (merge(bars, midnight),) if size == DAY_MS and bars else bars


def _splits_for(prices: Prices, asked: Range) -> tuple[Split, ...]:
    """The splits to adjust for: none unless it is a stock and the question wants it."""
    if not asked.adjusted or asked.instrument.market is not Market.STOCKS:
        return ()
    return splits_of(prices.seed, asked.instrument.ticker)


def _divided(bar: Bar, factor: Fraction) -> Bar:
    return Bar(
        bar.start,
        divide_rounded(bar.open, factor),
        divide_rounded(bar.high, factor),
        divide_rounded(bar.low, factor),
        divide_rounded(bar.close, factor),
        bar.volume * factor.numerator // factor.denominator,
        bar.trades,
        divide_rounded(bar.mean, factor),
    )
