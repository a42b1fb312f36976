"""Prices are a function of seed, ticker and time, and finer bars add up to coarser ones."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import date
from functools import lru_cache

import exchange_calendars
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stock_service.simulator.instruments import Instrument, instrument_of
from stock_service.simulator.prices import Bar, Prices
from stock_service.simulator.ranges import Range, merge, page_of
from stock_service.simulator.sessions import Market, midnight_ms, session_on
from stock_service.simulator.windows import Timespan, Window

DAY = date(2025, 6, 18).toordinal()
TICKERS = ("AAPL", "IBM", "KIMpL", "ABCDE", "X:BTCUSD", "C:EURUSD", "I:SPX", "O:SPY251219C00600000")
PRICES = Prices(7)

PINNED = (2_694_014, 2_694_230, 2_694_014, 2_694_147)
"""The first minute of AAPL on that day: open, high, low, close."""


def instrument(ticker: str) -> Instrument:
    found = instrument_of(ticker)
    assert found is not None
    return found


def bars(ticker: str, multiplier: int, timespan: Timespan, first: date, last: date, **options: bool) -> Sequence[Bar]:
    what = instrument(ticker)
    window = Window(what.market, multiplier, timespan)
    first_ms = window.start_ms(midnight_ms(what.market, first.toordinal()))
    last_ms = window.end_ms(midnight_ms(what.market, last.toordinal() + 1) - 1)
    asked = Range(what, window, first_ms, last_ms, limit=10**9, **options)
    return page_of(PRICES, asked, midnight_ms(what.market, date(2026, 6, 1).toordinal())).bars


@lru_cache
def half_a_year(multiplier: int, timespan: Timespan) -> dict[int, Bar]:
    return {bar.start: bar for bar in bars("IBM", multiplier, timespan, date(2025, 1, 1), date(2025, 6, 30))}


def exact_parts(bar: Bar) -> tuple[int, ...]:
    return (bar.open, bar.high, bar.low, bar.close, bar.volume, bar.trades)


@pytest.mark.parametrize("ticker", TICKERS)
def test_minutes_and_seconds_add_up_to_the_day(ticker: str) -> None:
    """Open, high, low, close, volume and trades exactly; the mean within rounding."""
    what = instrument(ticker)
    day = PRICES.day(what, DAY)
    assert day is not None
    minutes = PRICES.minutes(what, DAY)
    seconds = list(PRICES.seconds(what, DAY, 0, 10**15))
    for parts in (minutes, seconds):
        whole = merge(parts, day.bar.start)
        assert exact_parts(whole) == exact_parts(day.bar)
        assert day.bar.volume == 0 or math.isclose(whole.mean, day.bar.mean, rel_tol=2e-4)
    by_minute: dict[int, list[Bar]] = {}
    for second in seconds:
        by_minute.setdefault(second.start - second.start % 60_000, []).append(second)
    assert [exact_parts(merge(by_minute[bar.start], bar.start)) for bar in minutes] == list(map(exact_parts, minutes))


@pytest.mark.parametrize("ticker", ["AAPL", "IBM", "X:BTCUSD"])
@pytest.mark.parametrize(
    ("multiplier", "timespan"),
    [(5, Timespan.MINUTE), (1, Timespan.HOUR), (4, Timespan.HOUR), (1, Timespan.DAY), (1, Timespan.WEEK)],
)
def test_coarser_bars_are_made_of_minute_bars(ticker: str, multiplier: int, timespan: Timespan) -> None:
    """Every bar of four weeks equals its minutes, adjusted as well as raw."""
    first, last = date(2025, 6, 1), date(2025, 6, 28)
    window = Window(instrument(ticker).market, multiplier, timespan)
    groups: dict[int, list[Bar]] = {}
    for minute in bars(ticker, 1, Timespan.MINUTE, first, last):
        groups.setdefault(window.start_ms(minute.start), []).append(minute)
    found = bars(ticker, multiplier, timespan, first, last)
    assert [exact_parts(bar) for bar in found] == [exact_parts(merge(group, 0)) for group in groups.values()]
    assert [bar.start for bar in found] == list(groups)
    for bar, group in zip(found, groups.values(), strict=True):
        assert math.isclose(bar.mean, merge(group, 0).mean, rel_tol=1e-5)


@pytest.mark.parametrize("timespan", [Timespan.MONTH, Timespan.QUARTER, Timespan.YEAR])
def test_long_bars_are_made_of_day_bars(timespan: Timespan) -> None:
    """Months, quarters and years."""
    first, last = date(2024, 1, 1), date(2025, 12, 31)
    window = Window(Market.STOCKS, 1, timespan)
    groups: dict[int, list[Bar]] = {}
    for day in bars("MSFT", 1, Timespan.DAY, first, last):
        groups.setdefault(window.start_ms(day.start), []).append(day)
    found = bars("MSFT", 1, timespan, first, last)
    assert [merge(group, start) for start, group in groups.items()] == list(found)


@settings(max_examples=60)
@given(
    first=st.integers(0, 40),
    length=st.integers(0, 20),
    timespan=st.sampled_from([Timespan.HOUR, Timespan.DAY, Timespan.WEEK]),
    multiplier=st.integers(1, 4),
    descending=st.booleans(),
)
def test_a_bar_is_the_same_whatever_range_asks_for_it(
    first: int, length: int, timespan: Timespan, multiplier: int, descending: bool
) -> None:
    """A sub-range, asked in either direction, is a cut of the whole, never a different bar."""
    whole = half_a_year(multiplier, timespan)
    start = date.fromordinal(date(2025, 3, 1).toordinal() + first)
    end = date.fromordinal(start.toordinal() + length)
    found = bars("IBM", multiplier, timespan, start, end, descending=descending)
    assert list(found) == [whole[bar.start] for bar in found]
    assert [bar.start for bar in found] == sorted((bar.start for bar in found), reverse=descending)


def test_another_process_and_a_cold_cache_give_the_same_bars() -> None:
    """Nothing is remembered: a new object of the same seed gives the same bytes, another seed does not."""
    again, other = Prices(7), Prices(8)
    assert again.minutes(instrument("AAPL"), DAY) == PRICES.minutes(instrument("AAPL"), DAY)
    assert other.minutes(instrument("AAPL"), DAY) != PRICES.minutes(instrument("AAPL"), DAY)
    pinned = PRICES.minutes(instrument("AAPL"), DAY)[0]
    assert exact_parts(pinned)[:4] == PINNED, "the generator changed: recorded demos and benchmarks change with it"


def test_a_bar_never_leaves_its_own_high_and_low() -> None:
    """Open, close and mean lie within, for every minute and second of a day."""
    what = instrument("TSLA")
    for bar in (*PRICES.minutes(what, DAY), *PRICES.seconds(what, DAY, 0, 10**15)):
        assert bar.low <= min(bar.open, bar.close, bar.mean) <= max(bar.open, bar.close, bar.mean) <= bar.high
        assert bar.volume > 0
        assert bar.trades > 0


def test_quiet_tickers_have_gaps_and_busy_ones_none_in_regular_hours() -> None:
    """A minute without a trade has no bar (facts.md 1.2)."""
    opened = midnight_ms(Market.STOCKS, DAY) + 570 * 60_000
    regular = {
        ticker: sum(opened <= bar.start < opened + 390 * 60_000 for bar in PRICES.minutes(instrument(ticker), DAY))
        for ticker in ("AAPL", "IBM", "ABCDE")
    }
    assert regular["AAPL"] == 390
    assert 340 < regular["IBM"] < 390
    assert 100 < regular["ABCDE"] < 250


def test_some_tickers_trade_in_fractions_of_a_share() -> None:
    """The vendor's volumes are fractional since 2026; others stay whole."""
    whole = {
        ticker: all(bar.volume % 10_000 == 0 for bar in PRICES.minutes(instrument(ticker), DAY))
        for ticker in ("AAPL", "IBM", "KO", "PEP", "XOM", "GE", "F", "T")
    }
    assert set(whole.values()) == {True, False}


@pytest.mark.filterwarnings("ignore:Series.values")  # a warning between two libraries of the other calendar
def test_sessions_are_those_of_the_new_york_exchange() -> None:
    """Every trading day of 27 years, against an independent calendar."""
    first, last = date(2000, 1, 3), date(2027, 10, 1)
    calendar = exchange_calendars.get_calendar("XNYS", start=first.isoformat(), end=last.isoformat())
    real = {day.date().toordinal() for day in calendar.sessions}
    ours = {day for day in range(first.toordinal(), last.toordinal() + 1) if session_on(Market.STOCKS, day)}
    assert ours == real


@pytest.mark.parametrize(
    ("day", "open_minutes"),
    [((2025, 6, 21), None), ((2025, 6, 22), (1260, 1440)), ((2025, 6, 20), (0, 1260)), ((2025, 1, 10), (0, 1320))],
)
def test_currencies_trade_from_sunday_to_friday_evening(day: tuple[int, int, int], open_minutes: object) -> None:
    """17:00 in New York is 21:00 UTC in summer and 22:00 in winter."""
    session = session_on(Market.FX, date(*day).toordinal())
    assert (None if session is None else (session.start, session.end)) == open_minutes


def test_an_early_close_ends_the_day_at_one_and_after_hours_at_five() -> None:
    """The day after Thanksgiving."""
    session = session_on(Market.STOCKS, date(2025, 11, 28).toordinal())
    assert session is not None
    assert (session.regular_end, session.end) == (13 * 60, 17 * 60)


@pytest.mark.parametrize(
    "ticker", ["aapl", "TSLAAPL", "APx", "ZZZ", "", "X:", "C:EUR", "O:SPY", "O:SPY259919C00600000"]
)
def test_a_spelling_no_exchange_uses_is_no_instrument(ticker: str) -> None:
    """So that a test has unknown tickers to ask for."""
    assert instrument_of(ticker) is None
