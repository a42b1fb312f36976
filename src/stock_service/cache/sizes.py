"""How long a bar is and where on the clock it begins: the vendor's snapping, as far as it is known.

Seconds, minutes and hours divide the market's day from its midnight on; days, weeks (from Sunday), months, quarters
and years begin at the midnight of their first day. Sizes whose grid the vendor does not document (7 minutes, 2 weeks)
are not `kept`: guessing wrong would cut a range at the wrong bar.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta, tzinfo

from stock_service.base.record import record
from stock_service.market.hours import instant, zone_of
from stock_service.market.markets import Market

DAY_MS = 86_400_000
_WITHIN_DAY_MS = {"second": 1_000, "minute": 60_000, "hour": 3_600_000}
_MONTHS = {"month": 1, "quarter": 3, "year": 12}
_DAYS = {"day": 1, "week": 7, "month": 31, "quarter": 92, "year": 366}
_MIDNIGHT = time(0)
_FIRST_DAY, _LAST_DAY = date(1950, 1, 1), date(2200, 1, 1)  # beyond, there are no bars and calendars overflow
END_OF_BARS_MS = 7_258_000_000_000  # in the last days of 2199
# Bars shorter than the first length are stored together by the second.
_CELLS_MS = ((60_000, 3_600_000), (3_600_000, DAY_MS), (DAY_MS, 32 * DAY_MS), (2 * DAY_MS, 512 * DAY_MS))
_LONGEST_CELL_MS = 8_192 * DAY_MS


@record
class BarSize:
    """A bar's length in the vendor's words."""

    multiplier: int
    timespan: str

    @property
    def kept(self) -> bool:
        """Whether the grid of this size is known, so that any range of it can be put together from pieces."""
        unit = _WITHIN_DAY_MS.get(self.timespan)
        if unit is None:
            return self.timespan in _DAYS and self.multiplier == 1
        return self.multiplier >= 1 and DAY_MS % (self.multiplier * unit) == 0 and self.multiplier * unit < DAY_MS

    @property
    def length_ms(self) -> int:
        """The length of the longest bar of this size, in milliseconds."""
        unit = _WITHIN_DAY_MS.get(self.timespan)
        return self.multiplier * (_DAYS[self.timespan] * DAY_MS if unit is None else unit)

    @property
    def base_bars(self) -> int:
        """How many base bars one bar has at most: `limit` counts seconds, minutes or days (facts 1.4)."""
        if self.timespan == "second":
            return self.multiplier
        return self.length_ms // (60_000 if self.timespan in _WITHIN_DAY_MS else DAY_MS)

    @property
    def cell_ms(self) -> int:
        """The span of time whose bars are stored together: some hundred bars, a trading day for minutes."""
        length_ms = self.length_ms
        return next((cell for below, cell in _CELLS_MS if length_ms < below), _LONGEST_CELL_MS)

    def first_start(self, market: Market, at_ms: int) -> int:
        """Return the least beginning a bar can have that holds the instant `at_ms`."""
        zone = zone_of(market)
        day = day_at(at_ms, zone)
        if self.timespan in _WITHIN_DAY_MS:
            return max(midnight_ms(day, zone), at_ms - self.length_ms + 1)
        return midnight_ms(self._first_day(day), zone)

    def _first_day(self, day: date) -> date:
        if self.timespan == "week":
            return day - timedelta(days=(day.weekday() + 1) % 7)
        months = _MONTHS.get(self.timespan)
        if months is None:
            return day
        return day.replace(month=(day.month - 1) // months * months + 1, day=1)


def day_at(at_ms: int, zone: tzinfo) -> date:
    """Return the calendar day in `zone` that holds `at_ms`, kept within the years that have bars."""
    return datetime.fromtimestamp(min(max(at_ms, _FIRST_MS), _LAST_MS) / 1_000, zone).date()


def midnight_ms(day: date, zone: tzinfo) -> int:
    """Return the Unix millisecond at which `day` begins in `zone`."""
    day = min(max(day, _FIRST_DAY), _LAST_DAY)
    return int(instant(day, _MIDNIGHT, zone) * 1_000)


_FIRST_MS, _LAST_MS = midnight_ms(_FIRST_DAY, UTC), midnight_ms(_LAST_DAY, UTC)
