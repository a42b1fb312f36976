"""The price of any ticker at any time, as a function of seed, ticker and time; nothing is remembered.

A day is drawn first (open, high, low, close, volume, trades; real ones when replayed), then a shape is laid over it
for its minutes, and a smaller one over each minute for its seconds. So a bar is the same whatever range asks for it,
and finer bars add up to coarser ones: first open, highest high, lowest low, last close, volume and trades exactly,
the volume-weighted price within rounding. Prices and volumes are whole numbers of `Instrument.scale` and
`Instrument.lot`; the caches only save time. Bars are raw here; splits are applied by `ranges.py`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache

import msgspec

from stock_service.simulator.dice import roll, share
from stock_service.simulator.instruments import Instrument, contract_of
from stock_service.simulator.levels import level_at
from stock_service.simulator.replay import History, RawDay
from stock_service.simulator.sessions import Market, Session, midnight_ms, session_on
from stock_service.simulator.shapes import (
    SHAPES_PER_KIND,
    Density,
    Shape,
    Slot,
    day_shape,
    mean_price,
    second_shape_of,
    turns,
)
from stock_service.simulator.splits import factor_after, splits_of

FIRST_DAY = 731_216
"""The ordinal of 2003-01-01: no generated bar is older."""

LAST_KNOWN = 10**7
"""A day after every split there will ever be."""

# Shares, contracts or coins of an ordinary day.
_TURNOVER = {Density.DENSE: 60_000_000, Density.NORMAL: 6_000_000, Density.SPARSE: 300_000, Density.THIN: 2_000}
_COINS = 12_000
_QUOTES = 150_000


class Bar(msgspec.Struct, frozen=True, gc=False):
    """One raw bar beginning at `start` (Unix milliseconds); `mean` is the volume-weighted price."""

    start: int
    open: int
    high: int
    low: int
    close: int
    volume: int
    trades: int
    mean: int


@dataclass(frozen=True, slots=True)
class Day:
    """A whole day before it is cut into minutes."""

    ordinal: int
    bar: Bar
    shape: Shape
    high_first: bool


@dataclass(frozen=True)
class Prices:
    """All prices of one seed. `histories` are real daily bars that replace generated ones within their span."""

    seed: int
    histories: Mapping[str, History] = field(default_factory=dict)

    def __post_init__(self) -> None:
        # Bounded, per object, and invisible from outside: a frozen dataclass sets them this way.
        object.__setattr__(self, "day", lru_cache(maxsize=30_000)(self.day))
        object.__setattr__(self, "minutes", lru_cache(maxsize=48)(self.minutes))

    def session(self, instrument: Instrument, ordinal: int) -> Session | None:
        """When the instrument trades on that day; None when it does not."""
        session = session_on(instrument.market, ordinal)
        history = self.histories.get(instrument.ticker)
        if history is not None and history.first <= ordinal <= history.last:
            return (session or session_on(instrument.market, FIRST_DAY + 1)) if ordinal in history.days else None
        if session is None or ordinal < FIRST_DAY:
            return None
        contract = contract_of(instrument.ticker) if instrument.market is Market.OPTIONS else None
        if contract is not None and not contract.expires.toordinal() - 800 <= ordinal <= contract.expires.toordinal():
            return None
        return session

    def day(self, instrument: Instrument, ordinal: int) -> Day | None:
        """The whole day, as it will have been at its end; None without a session."""
        session = self.session(instrument, ordinal)
        if session is None:
            return None
        name = roll(self.seed, "day", instrument.ticker, ordinal)
        minutes = (session.start, session.end, session.regular_start, session.regular_end)
        shape = day_shape(self.seed, minutes, instrument.density, name % SHAPES_PER_KIND)
        history = self.histories.get(instrument.ticker)
        real = history.days.get(ordinal) if history is not None else None
        opened, high, low, closed, volume = (
            self._drawn(instrument, ordinal, shape) if real is None else _scaled(instrument, real)
        )
        # A day that opens at one extreme goes to the other first: a leg without a span would be a flat morning.
        high_first = bool(name >> 8 & 1) if low < opened < high else opened == low
        mean = mean_price(shape, turns(opened, high, low, closed, high_first), volume // instrument.grain)
        trades = 0 if volume == 0 else 2 * shape.least + volume // instrument.lot // 150
        start = midnight_ms(instrument.market, ordinal)
        return Day(ordinal, Bar(start, opened, high, low, closed, volume, trades, round(mean)), shape, high_first)

    def minutes(self, instrument: Instrument, ordinal: int) -> tuple[Bar, ...]:
        """The minute bars of a day, oldest first; minutes without a trade have none."""
        day = self.day(instrument, ordinal)
        if day is None:
            return ()
        bars: list[Bar] = []
        midnight = midnight_ms(instrument.market, ordinal)
        grain = instrument.grain
        cut_volume, cut_trades = _Cut(day.bar.volume // grain, day.shape), _Cut(day.bar.trades, day.shape)
        volume_floor, volume_rest = cut_volume.floor, cut_volume.rest
        trades_floor, trades_rest = cut_trades.floor, cut_trades.rest
        total, volume_before, trades_before = day.shape.weight, 0, 0
        for leg, (base, span) in zip(day.shape.legs, _turns_of(day), strict=True):
            for at, opened, high, low, closed, mean, weight, least, _ in leg:
                if span < 0:
                    high, low = low, high  # noqa: PLW2901 - a falling leg runs through the shape's mirror image
                top = base + (span * high >> 16)
                volume_after, trades_after = volume_rest * weight // total, trades_rest * weight // total
                middle = base + (span * mean + 0x8000 >> 16)
                bars.append(
                    Bar(
                        midnight + at * 60_000,
                        base + (span * opened >> 16),
                        top,
                        base + (span * low >> 16),
                        base + (span * closed >> 16),
                        (volume_floor * least + volume_after - volume_before) * grain,
                        trades_floor * least + trades_after - trades_before,
                        middle if middle < top else top,
                    )
                )
                volume_before, trades_before = volume_after, trades_after
        return tuple(bars)

    def seconds(self, instrument: Instrument, ordinal: int, first_ms: int, last_ms: int) -> Iterator[Bar]:
        """The second bars of a day whose minutes begin within `first_ms` and `last_ms`, oldest first."""
        day = self.day(instrument, ordinal)
        if day is None:
            return
        slots = ((slot, turn) for leg, turn in zip(day.shape.legs, _turns_of(day), strict=True) for slot in leg)
        for minute, (slot, turn) in zip(self.minutes(instrument, ordinal), slots, strict=True):
            if first_ms <= minute.start <= last_ms:
                yield from self._seconds_of(minute, slot, turn, instrument.grain)

    def _seconds_of(self, minute: Bar, slot: Slot, turn: tuple[int, int], grain: int) -> Iterator[Bar]:
        shape, high_first = second_shape_of(self.seed, slot)
        volume, trades = _Cut(minute.volume // grain, shape), _Cut(minute.trades, shape)
        base, span = turn

        def priced(fraction: int) -> int:
            return base + (span * fraction >> 16)

        inner = turns(slot.open, slot.high, slot.low, slot.close, high_first)
        for leg, (start, reach) in zip(shape.legs, inner, strict=True):
            for second in leg:
                marks = [start + (reach * mark >> 16) for mark in (second.open, second.high, second.low, second.close)]
                high, low = (marks[2], marks[1]) if reach < 0 else (marks[1], marks[2])
                if span < 0:
                    high, low = low, high
                top, bottom = priced(high), priced(low)
                mean = round(base + span * (start + reach * second.mean / 65_536) / 65_536)
                yield Bar(
                    minute.start + second.at * 1000,
                    priced(marks[0]),
                    top,
                    bottom,
                    priced(marks[3]),
                    volume.take(second) * grain,
                    trades.take(second),
                    min(top, max(bottom, mean)),
                )

    def _drawn(self, instrument: Instrument, ordinal: int, shape: Shape) -> tuple[int, int, int, int, int]:
        """Open, high, low, close and volume of a generated day."""
        scale: float = instrument.scale
        if instrument.market is Market.STOCKS:
            scale *= float(factor_after(splits_of(self.seed, instrument.ticker), ordinal, LAST_KNOWN))
        opened = max(1, round(level_at(self.seed, instrument, ordinal) * scale))
        closed = max(1, round(level_at(self.seed, instrument, ordinal + 1) * scale))
        wild = 0.02 if instrument.market is not Market.FX else 0.004
        high = round(max(opened, closed) * (1 + wild * share(self.seed, "high", instrument.ticker, ordinal)))
        low = max(1, round(min(opened, closed) * (1 - wild * share(self.seed, "low", instrument.ticker, ordinal))))
        usual = {Market.CRYPTO: _COINS, Market.FX: _QUOTES, Market.INDICES: 0}.get(
            instrument.market, _TURNOVER[instrument.density]
        )
        grains = usual * instrument.lot // instrument.grain
        grains = round(grains * (0.5 + share(self.seed, "volume", instrument.ticker, ordinal)))
        return opened, high, low, closed, max(grains, 2 * shape.least) * instrument.grain if usual else 0


class _Cut:
    """Hands out a total slot by slot, so that the parts add up to it."""

    __slots__ = ("_before", "_total", "floor", "rest")

    def __init__(self, amount: int, shape: Shape) -> None:
        # Each slot gets its least first, the rest goes by weight; a total too small for that goes by weight alone.
        self.floor = 1 if amount >= shape.least else 0
        self.rest = amount - self.floor * shape.least
        self._before, self._total = 0, shape.weight

    def take(self, slot: Slot) -> int:
        """The part of the next slot."""
        after = self.rest * slot.weight // self._total
        part = self.floor * slot.least + after - self._before
        self._before = after
        return part


def _turns_of(day: Day) -> tuple[tuple[int, int], ...]:
    return turns(day.bar.open, day.bar.high, day.bar.low, day.bar.close, day.high_first)


def _scaled(instrument: Instrument, real: RawDay) -> tuple[int, int, int, int, int]:
    scale = instrument.scale
    return (
        round(real.open * scale),
        round(real.high * scale),
        round(real.low * scale),
        round(real.close * scale),
        round(real.volume * instrument.lot / instrument.grain) * instrument.grain,
    )
