"""Longer bars made of shorter ones: first open, highest high, lowest low, last close, sums, and the weighted price.

What comes out is ours and not the vendor's: its longer bars are made of trades, some of which its shorter ones leave
out. Pure; CPU-bound.
"""

from __future__ import annotations

from itertools import groupby
from math import fsum

import msgspec

from stock_service.cache.ranges import Span
from stock_service.cache.sizes import DAY_MS, BarSize, day_at, midnight_ms
from stock_service.market.hours import zone_of
from stock_service.market.markets import Market


class _Bar(msgspec.Struct, gc=False, omit_defaults=True):
    o: float
    c: float
    h: float
    l: float  # noqa: E741 - the vendor's name
    t: int
    v: float | int | None = None
    vw: float | None = None
    n: int | None = None


_bars = msgspec.json.Decoder(list[_Bar])


def finer_size(size: BarSize) -> BarSize | None:
    """Return the shorter bars that bars of `size` can be made of: minutes within a day, days beyond it."""
    if not size.kept or size.timespan in ("second", "day") or (size.multiplier, size.timespan) == (1, "minute"):
        return None
    return BarSize(1, "minute" if size.timespan in ("minute", "hour") else "day")


def begins_at(size: BarSize, market: Market, at_ms: int) -> int:
    """Return the beginning of the bar of `size` that holds `at_ms`."""
    if size.timespan not in ("minute", "hour"):
        return size.first_start(market, at_ms)
    zone = zone_of(market)
    midnight = midnight_ms(day_at(at_ms, zone), zone)
    return midnight + (at_ms - midnight) // size.length_ms * size.length_ms


def whole_span(size: BarSize, market: Market, span: Span) -> Span:
    """Return the time that the bars of `size` which begin in `span` are made of."""
    slack = DAY_MS // 2 if size.length_ms > DAY_MS else 0  # a week in which the clocks change is an hour longer
    first = begins_at(size, market, span.start)
    if first < span.start:
        first = begins_at(size, market, first + size.length_ms)
    last = begins_at(size, market, span.stop - 1)
    return Span(first, max(first, begins_at(size, market, last + size.length_ms + slack)))


def roll_up(text: bytes, size: BarSize, market: Market) -> list[bytes]:
    """Return bars of `size` as JSON, oldest first, made of those in `text`, the inside of a JSON array.

    Raises:
        msgspec.DecodeError: one of them is no bar with whole trades.
    """
    rows = _bars.decode(b"[%b]" % text)
    grouped = groupby(rows, lambda bar: begins_at(size, market, bar.t))
    return [msgspec.json.encode(_merged(start, list(bars))) for start, bars in grouped]


def _merged(start: int, bars: list[_Bar]) -> _Bar:
    volumes = [bar.v for bar in bars if bar.v is not None]
    weighted = [(bar.vw, bar.v) for bar in bars if bar.vw is not None and bar.v is not None]
    weight = sum(volume for _, volume in weighted)
    trades = [bar.n for bar in bars if bar.n is not None]
    return _Bar(
        o=bars[0].o,
        c=bars[-1].c,
        h=max(bar.h for bar in bars),
        l=min(bar.l for bar in bars),
        t=start,
        v=_plain(round(fsum(volumes), 8)) if volumes else None,
        vw=round(sum(price * volume for price, volume in weighted) / weight, 4) if weight else None,
        n=sum(trades) if trades else None,
    )


def _plain(volume: float) -> float | int:
    """Return a whole number as one: the vendor writes 100, not 100.0."""
    return int(volume) if volume.is_integer() else volume
