"""Single trades and quotes: a second bar taken apart.

The trades of a second add up to its bar: their number, their sizes, the first and last price, and, when there are
four or more, its high and low. One quote stands around each trade. Times are Unix nanoseconds, and no two ticks of a
ticker share one, so a time alone is a place to go on from. Pure.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from stock_service.simulator.instruments import Instrument
from stock_service.simulator.prices import FIRST_DAY, Bar, Prices
from stock_service.simulator.sessions import ordinal_at

NS_PER_MS = 1_000_000


@dataclass(frozen=True, slots=True)
class Tick:
    """One trade; `number` counts within its second, `spread` is half the distance between bid and ask."""

    at_ns: int
    price: float
    size: float | int
    number: int
    spread: float

    @property
    def name(self) -> str:
        """The trade's id."""
        return str(self.at_ns // NS_PER_MS % 10**9 * 10 + self.number % 10)

    @property
    def sequence(self) -> int:
        """Its sequence number: growing within a day, with holes."""
        return self.at_ns // NS_PER_MS % 10**8 * 100 + self.number


@dataclass(frozen=True, slots=True)
class Stretch:
    """A stretch of time in nanoseconds, both ends included, and the direction to read it in."""

    first_ns: int
    last_ns: int
    descending: bool


def ticks_within(prices: Prices, instrument: Instrument, stretch: Stretch) -> Iterator[Tick]:
    """The trades of a stretch of time, in its direction, made as they are taken."""
    first_ms, last_ms = stretch.first_ns // NS_PER_MS, stretch.last_ns // NS_PER_MS
    first_day = max(FIRST_DAY, ordinal_at(instrument.market, max(0, first_ms)))
    last_day = ordinal_at(instrument.market, max(0, last_ms))
    days = range(last_day, first_day - 1, -1) if stretch.descending else range(first_day, last_day + 1)
    for day in days:
        minutes = [bar for bar in prices.minutes(instrument, day) if first_ms - 60_000 < bar.start <= last_ms]
        for minute in reversed(minutes) if stretch.descending else minutes:
            for tick in _ticks_of_minute(prices, instrument, day, minute, descending=stretch.descending):
                if stretch.first_ns <= tick.at_ns <= stretch.last_ns:
                    yield tick


def ticks_of_second(second: Bar, instrument: Instrument) -> list[Tick]:
    """The trades of a second bar, oldest first."""
    count = max(1, second.trades)
    path = _path(second, count)
    spread = max(1, second.close // 20_000) / instrument.scale
    start, grains = second.start * NS_PER_MS, second.volume // instrument.grain
    ticks, before = [], 0
    for number in range(count):
        after = grains * (number + 1) // count
        part = (after - before) * instrument.grain
        size = part // instrument.lot if part % instrument.lot == 0 else part / instrument.lot
        at = start + (2 * number + 1) * 500_000_000 // count + second.volume % 997
        ticks.append(Tick(at, path[number] / instrument.scale, size, number, spread))
        before = after
    return ticks


def _ticks_of_minute(
    prices: Prices, instrument: Instrument, day: int, minute: Bar, *, descending: bool
) -> Iterator[Tick]:
    seconds = list(prices.seconds(instrument, day, minute.start, minute.start))
    for second in reversed(seconds) if descending else seconds:
        ticks = ticks_of_second(second, instrument)
        yield from reversed(ticks) if descending else ticks


def _path(second: Bar, count: int) -> list[int]:
    if count < 4:
        return [[second.close], [second.open, second.close], [second.open, second.high, second.close]][count - 1]
    between = [second.open + (second.close - second.open) * step // count for step in range(1, count - 3)]
    return [second.open, second.high, second.low, *between, second.close]
