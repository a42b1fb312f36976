"""What the simulated vendor knows: prices, the listed tickers, the plan of the key, reference examples.

`State` of a ticker at an instant is worked out here once for snapshots, last trades and conversions. Pure.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum

from stock_service.simulator.ask import UPGRADE, Refusal, bad_parameter, not_found
from stock_service.simulator.instruments import DEFAULT_UNIVERSE, Instrument, instrument_of
from stock_service.simulator.prices import FIRST_DAY, Bar, Prices
from stock_service.simulator.ranges import Range, day_bar, page_of
from stock_service.simulator.sessions import Market, midnight_ms, ordinal_at
from stock_service.simulator.windows import DAY_MS, Timespan, Window

_CLEARED_AFTER_MS = 12_600_000
"""Stock snapshots show the last session until 03:30 in New York, then they are cleared (facts.md 1.2)."""

_BASIC_YEARS = 2

_OLDEST_DAY, _LAST_DAY = date(1900, 1, 1).toordinal(), date(2199, 12, 31).toordinal()


class Plan(StrEnum):
    """What the key is entitled to."""

    PAID = "paid"
    BASIC = "basic"


@dataclass(frozen=True, slots=True)
class State:
    """A ticker at an instant. `last` is the newest second bar, `today` and `minute` are None before anything traded."""

    instrument: Instrument
    last: Bar
    today: Bar | None
    previous: Bar | None
    minute: Bar | None

    @property
    def price(self) -> float:
        """The last price."""
        return self.last.close / self.instrument.scale

    @property
    def change(self) -> float:
        """From the previous close to the last price; 0 without either."""
        if self.previous is None or self.today is None:
            return 0.0
        return round((self.last.close - self.previous.close) / self.instrument.scale, 4)

    @property
    def change_percent(self) -> float:
        """The change as a percentage of the previous close."""
        before = self.previous.close if self.previous is not None else 0
        return round(100 * self.change * self.instrument.scale / before, 6) if before else 0.0


@dataclass(frozen=True, slots=True)
class World:
    """The vendor behind the wire."""

    prices: Prices
    universe: tuple[str, ...] = DEFAULT_UNIVERSE
    plan: Plan = Plan.PAID
    examples: Mapping[str, object] = field(default_factory=dict)

    def listed(self, market: Market) -> list[Instrument]:
        """The instruments of one market that whole-market answers list, in the order of their tickers."""
        found = (instrument_of(ticker) for ticker in sorted(self.universe))
        return [instrument for instrument in found if instrument is not None and instrument.market is market]

    def state(self, instrument: Instrument, now_ms: int) -> State | None:
        """The instrument as of `now_ms`; None when it never traded before."""
        market = instrument.market
        today = ordinal_at(market, now_ms)
        uncleared = market is Market.STOCKS and now_ms < midnight_ms(market, today) + _CLEARED_AFTER_MS
        shown = self.session_before(instrument, today) if uncleared else today
        last = self._last(instrument, now_ms)
        if last is None:
            return None
        before = None if shown is None else self.session_before(instrument, shown)
        current = None if shown is None else day_bar(self.prices, instrument, shown, now_ms)
        previous = None if before is None else day_bar(self.prices, instrument, before, now_ms)
        minutes = Range(
            instrument, Window(market, 1, Timespan.MINUTE), midnight_ms(market, today), now_ms, True, True, 1
        )
        page = page_of(self.prices, minutes, now_ms).bars
        return State(instrument, last, current, previous, page[0] if page else None)

    def session_before(self, instrument: Instrument, ordinal: int) -> int | None:
        """The last day with a session before `ordinal`."""
        for day in range(ordinal - 1, max(FIRST_DAY, ordinal - 1200), -1):
            if self.prices.session(instrument, day) is not None:
                return day
        return None

    def _last(self, instrument: Instrument, now_ms: int) -> Bar | None:
        """The newest second bar that ended by `now_ms`, raw."""
        day: int | None = ordinal_at(instrument.market, now_ms)
        for _ in range(4):
            if day is None:
                return None
            first = midnight_ms(instrument.market, day)
            minutes = [bar for bar in self.prices.minutes(instrument, day) if bar.start < now_ms]
            for minute in reversed(minutes[-2:]):
                seconds = self.prices.seconds(instrument, day, minute.start, minute.start)
                ended = [bar for bar in seconds if bar.start + 1000 <= now_ms]
                if ended:
                    return ended[-1]
            day = self.session_before(instrument, ordinal_at(instrument.market, first))
        return None

    def entitled_to_live(self) -> None:
        """Raises Refusal when the plan has no live data: snapshots, last trades, ticks."""
        if self.plan is Plan.BASIC:
            message = f"You are not entitled to this data. {UPGRADE}"
            raise Refusal(403, {"status": "NOT_AUTHORIZED", "message": message})

    def newest_shown(self, market: Market, now_ms: int) -> int:
        """The newest millisecond of bars the plan shows: now, or the end of yesterday."""
        return now_ms if self.plan is not Plan.BASIC else midnight_ms(market, ordinal_at(market, now_ms)) - 1

    def entitled_to_days(self, market: Market, first_ms: int, now_ms: int) -> int:
        """The newest millisecond the plan shows; raises Refusal when a range from `first_ms` is outside of it."""
        if self.plan is not Plan.BASIC:
            return now_ms
        midnight = midnight_ms(market, ordinal_at(market, now_ms))
        if first_ms >= midnight:
            message = f"Attempted to request today's data before end of day. {UPGRADE}"
            raise Refusal(403, {"status": "NOT_AUTHORIZED", "message": message})
        if first_ms < midnight - _BASIC_YEARS * 366 * DAY_MS:
            message = f"Your plan doesn't include this data timeframe. {UPGRADE}"
            raise Refusal(403, {"status": "NOT_AUTHORIZED", "message": message})
        return midnight - 1


def known(ticker: str) -> Instrument:
    """The instrument of that name. Raises Refusal (404) when no exchange could list it."""
    instrument = instrument_of(ticker)
    if instrument is None:
        raise not_found()
    return instrument


def iso_day(text: str, name: str = "date") -> int:
    """The ordinal of a date spelt YYYY-MM-DD, within 1900 and 2199. Raises Refusal (400) for another spelling."""
    try:
        if len(text) != 10:
            raise ValueError(text)
        return min(_LAST_DAY, max(_OLDEST_DAY, date.fromisoformat(text).toordinal()))
    except ValueError as error:
        raise bad_parameter(f"Could not parse the time parameter: '{name}'. Use YYYY-MM-DD.") from error
