"""Which window of time a bar covers: the vendor's snapping.

Windows lie on a fixed grid, so a bar is the same whatever range asks for it: seconds, minutes and hours count from
midnight of the market's day, weeks begin on Sunday, months, quarters and years on their first day; several days,
weeks or months count from the calendar's origin. Pure; must never know prices.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from stock_service.simulator.sessions import Market, midnight_ms, ordinal_at

DAY_MS = 86_400_000


class Timespan(StrEnum):
    """The vendor's words for the size of a window."""

    SECOND = "second"
    MINUTE = "minute"
    HOUR = "hour"
    DAY = "day"
    WEEK = "week"
    MONTH = "month"
    QUARTER = "quarter"
    YEAR = "year"


WITHIN_DAY = {Timespan.SECOND: 1_000, Timespan.MINUTE: 60_000, Timespan.HOUR: 3_600_000}
"""Sizes in milliseconds of the windows that never cross midnight."""

_MONTHS = {Timespan.MONTH: 1, Timespan.QUARTER: 3, Timespan.YEAR: 12}


@dataclass(frozen=True, slots=True)
class Window:
    """The size of a bar: so many of a timespan, on the grid of a market."""

    market: Market
    multiplier: int
    timespan: Timespan

    @property
    def within_day(self) -> int:
        """Its size in milliseconds when it never crosses midnight, otherwise 0."""
        return WITHIN_DAY.get(self.timespan, 0) * self.multiplier

    def first_day(self, ordinal: int) -> int:
        """The first day of the window that holds the day `ordinal`."""
        if self.timespan is Timespan.DAY:
            return max(1, ordinal - ordinal % self.multiplier)
        if self.timespan is Timespan.WEEK:
            return max(1, ordinal - ordinal % (7 * self.multiplier))
        if self.timespan in _MONTHS:
            return self._month_start(ordinal, 0)
        return ordinal

    def last_day(self, ordinal: int) -> int:
        """The last day of the window that holds the day `ordinal`."""
        if self.timespan is Timespan.DAY:
            return ordinal - ordinal % self.multiplier + self.multiplier - 1
        if self.timespan is Timespan.WEEK:
            return ordinal - ordinal % (7 * self.multiplier) + 7 * self.multiplier - 1
        if self.timespan in _MONTHS:
            return self._month_start(ordinal, 1) - 1
        return ordinal

    def start_ms(self, ms: int) -> int:
        """When the window that holds the instant `ms` begins."""
        ordinal = ordinal_at(self.market, ms)
        midnight = midnight_ms(self.market, self.first_day(ordinal))
        return ms - (ms - midnight) % self.within_day if self.within_day else midnight

    def end_ms(self, ms: int) -> int:
        """The last millisecond of the window that holds the instant `ms`."""
        ordinal = ordinal_at(self.market, ms)
        next_midnight = midnight_ms(self.market, self.last_day(ordinal) + 1)
        if not self.within_day:
            return next_midnight - 1
        return min(self.start_ms(ms) + self.within_day, next_midnight) - 1

    def _month_start(self, ordinal: int, ahead: int) -> int:
        size = _MONTHS[self.timespan] * self.multiplier
        day = date.fromordinal(ordinal)
        index = ((day.year * 12 + day.month - 1) // size + ahead) * size
        year, month = divmod(max(12, index), 12)
        return date(min(year, date.max.year), month + 1, 1).toordinal()
