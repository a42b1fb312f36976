"""The calendar against real sessions, a second library, and the rules of every market."""

from __future__ import annotations

import csv
import gzip
import subprocess
import sys
import timeit
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import bokeh_sampledata
import exchange_calendars
import pytest

from stock_service.market import closures
from stock_service.market.calendar import Calendar
from stock_service.market.markets import Market, Phase, market_of
from tests.support.market_table import printed_table

NEW_YORK = ZoneInfo("America/New_York")
CALENDAR = Calendar()
EXCHANGE = [Market.STOCKS, Market.OPTIONS, Market.INDICES]


def ny(text: str) -> float:
    """Return the Unix second at which New York clocks read `text`."""
    return datetime.fromisoformat(text).replace(tzinfo=NEW_YORK).timestamp()


def utc(text: str) -> float:
    """Return the Unix second at which clocks in UTC read `text`."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


def test_the_kept_table_is_what_the_maintained_library_says_now() -> None:
    assert Path(closures.__file__).read_text() == printed_table()


@pytest.mark.filterwarnings("ignore:Series.values")  # a warning between two libraries of the second source
def test_sessions_and_early_closes_of_28_years_agree_with_a_second_library() -> None:
    theirs = exchange_calendars.get_calendar("XNYS", start="2000-01-01", end="2027-12-31")
    closes = {
        label.date(): close.timestamp() for label, close in zip(theirs.sessions, theirs.schedule["close"], strict=True)
    }
    ours = list(CALENDAR.sessions_between(Market.STOCKS, date(2000, 1, 1), date(2027, 12, 31)))
    assert len(ours) == len(closes) == 7_041
    assert {session.day: session.closes_at for session in ours} == closes
    early = [session for session in ours if session.closes_at - session.opens_at < 6 * 3_600]
    assert [session.day for session in early] == [label.date() for label in theirs.early_closes]


def test_every_session_of_real_daily_bars_is_ours_and_nothing_else_is() -> None:
    source = Path(bokeh_sampledata.__file__).parent / "_data" / "stocks.csv.gz"
    with gzip.open(source, "rt") as lines:
        real = sorted({date.fromisoformat(row["Date"][:10]) for row in csv.DictReader(lines)})
    assert len(real) == 3_270
    ours = [session.day for session in CALENDAR.sessions_between(Market.STOCKS, real[0], real[-1])]
    assert ours == real


@pytest.mark.parametrize("market", EXCHANGE)
@pytest.mark.parametrize(
    ("at", "phase", "next_at", "following"),
    [
        ("2026-11-24T03:59:59", Phase.CLOSED, "2026-11-24T04:00", Phase.PRE),
        ("2026-11-24T04:00:00", Phase.PRE, "2026-11-24T09:30", Phase.REGULAR),
        ("2026-11-24T09:29:59", Phase.PRE, "2026-11-24T09:30", Phase.REGULAR),
        ("2026-11-24T09:30:00", Phase.REGULAR, "2026-11-24T16:00", Phase.POST),
        ("2026-11-24T16:00:00", Phase.POST, "2026-11-24T20:00", Phase.CLOSED),
        ("2026-11-24T20:00:00", Phase.CLOSED, "2026-11-25T04:00", Phase.PRE),
        ("2026-11-25T20:00:00", Phase.CLOSED, "2026-11-27T04:00", Phase.PRE),  # Thanksgiving between
        ("2026-11-27T12:59:59", Phase.REGULAR, "2026-11-27T13:00", Phase.POST),  # early close
        ("2026-11-27T13:00:00", Phase.POST, "2026-11-27T17:00", Phase.CLOSED),
        ("2026-11-27T17:00:00", Phase.CLOSED, "2026-11-30T04:00", Phase.PRE),
        ("2001-09-11T10:00:00", Phase.CLOSED, "2001-09-17T04:00", Phase.PRE),
        ("2026-03-07T12:00:00", Phase.CLOSED, "2026-03-09T04:00", Phase.PRE),  # clocks go forward in between
    ],
)
def test_stock_hours_turn_at_the_second(market: Market, at: str, phase: Phase, next_at: str, following: Phase) -> None:
    assert CALENDAR.phase(market, ny(at)) is phase
    assert CALENDAR.next_change(market, ny(at)) == (ny(next_at), following)


@pytest.mark.parametrize(
    ("market", "at", "phase", "next_at"),
    [
        (Market.FX, "2026-11-22T16:59:59", Phase.CLOSED, "2026-11-22T17:00"),
        (Market.FX, "2026-11-22T17:00:00", Phase.REGULAR, "2026-11-27T17:00"),
        (Market.FX, "2026-11-26T12:00:00", Phase.REGULAR, "2026-11-27T17:00"),  # no Thanksgiving in FX
        (Market.FX, "2026-11-27T16:59:59", Phase.REGULAR, "2026-11-27T17:00"),
        (Market.FX, "2026-11-27T17:00:00", Phase.CLOSED, "2026-11-29T17:00"),
        (Market.FUTURES, "2026-11-22T18:00:00", Phase.REGULAR, "2026-11-23T17:00"),
        (Market.FUTURES, "2026-11-23T17:30:00", Phase.CLOSED, "2026-11-23T18:00"),
        (Market.FUTURES, "2026-11-27T17:00:00", Phase.CLOSED, "2026-11-29T18:00"),
    ],
)
def test_weeks_of_fx_and_futures_turn_at_the_second(market: Market, at: str, phase: Phase, next_at: str) -> None:
    assert CALENDAR.phase(market, ny(at)) is phase
    change = CALENDAR.next_change(market, ny(at))
    assert change is not None
    assert change.at == ny(next_at)


def test_crypto_never_closes() -> None:
    assert {CALENDAR.phase(Market.CRYPTO, ny("2026-11-26") + hour * 3_600) for hour in range(24 * 10)} == {
        Phase.REGULAR
    }
    assert CALENDAR.next_change(Market.CRYPTO, ny("2026-11-26")) is None


@pytest.mark.parametrize("market", list(Market))
def test_the_remembered_span_never_changes_an_answer(market: Market) -> None:
    """Asked in any order, a calendar says what a new one says."""
    walls = [ny("2026-11-20") + ((step * 7_919) % 1_000) * 3_600 / 2 for step in range(500)]
    asked = Calendar()
    for wall in walls:
        assert asked.phase(market, wall) is Calendar().phase(market, wall)
        assert asked.next_change(market, wall) == Calendar().next_change(market, wall)


@pytest.mark.parametrize("market", list(Market))
def test_the_next_change_is_the_first_instant_with_another_phase(market: Market) -> None:
    wall = ny("2026-10-28")
    for _ in range(40):
        change = CALENDAR.next_change(market, wall)
        if change is None:
            return
        assert CALENDAR.phase(market, change.at - 0.001) is CALENDAR.phase(market, wall)
        assert CALENDAR.phase(market, change.at) is change.phase is not CALENDAR.phase(market, wall)
        wall = change.at


def test_next_trading_is_now_while_open_and_the_next_opening_while_closed() -> None:
    assert CALENDAR.next_trading(Market.STOCKS, ny("2026-11-24T19:00")) == ny("2026-11-24T19:00")
    assert CALENDAR.next_trading(Market.STOCKS, ny("2026-11-25T21:00")) == ny("2026-11-27T04:00")


@pytest.mark.parametrize(
    ("market", "day", "line"),
    [
        (Market.STOCKS, date(2026, 11, 24), ny("2026-11-25T12:00")),
        (Market.STOCKS, date(2026, 11, 27), ny("2026-11-28T12:00")),  # a Friday settles on Saturday
        (Market.OPTIONS, date(2026, 3, 7), ny("2026-03-08T12:00")),  # clocks go forward
        (Market.CRYPTO, date(2026, 11, 24), utc("2026-11-25T12:00")),
        (Market.FX, date(2026, 11, 22), ny("2026-11-30T12:00")),  # the Sunday that opens the week
        (Market.FX, date(2026, 11, 23), ny("2026-11-30T12:00")),
        (Market.FX, date(2026, 11, 27), ny("2026-11-30T12:00")),
        (Market.FX, date(2026, 11, 28), ny("2026-11-30T12:00")),
        (Market.FX, date(2026, 11, 29), ny("2026-12-07T12:00")),
    ],
)
def test_settle_lines(market: Market, day: date, line: float) -> None:
    assert CALENDAR.settle_line(market, day) == line


@pytest.mark.parametrize("market", list(Market))
def test_the_settled_day_is_the_last_one_whose_settle_line_has_passed(market: Market) -> None:
    first = date(2026, 10, 20)
    for offset in range(30):
        line = CALENDAR.settle_line(market, first + timedelta(days=offset))
        for wall in (line - 1, line, line + 1):
            settled = CALENDAR.settled_day(market, wall)
            assert CALENDAR.settle_line(market, settled) <= wall
            assert CALENDAR.settle_line(market, settled + timedelta(days=1)) > wall


def test_days_of_crypto_and_fx_are_utc_and_of_stocks_new_york() -> None:
    wall = utc("2026-11-24T02:00")
    assert CALENDAR.day_of(Market.CRYPTO, wall) == date(2026, 11, 24)
    assert CALENDAR.day_of(Market.FX, wall) == date(2026, 11, 24)
    assert CALENDAR.day_start(Market.FX, date(2021, 7, 22)) == 1_626_912_000  # the vendor's own day bar
    assert CALENDAR.day_of(Market.STOCKS, wall) == date(2026, 11, 23)
    assert CALENDAR.day_start(Market.CRYPTO, date(2026, 11, 24)) == utc("2026-11-24")
    assert CALENDAR.day_start(Market.STOCKS, date(2005, 4, 1)) == 1_112_331_600  # the vendor's own day bar


@pytest.mark.parametrize(
    ("market", "day", "starts", "ends"),
    [
        (Market.FX, date(2026, 11, 22), ny("2026-11-22T17:00"), utc("2026-11-23T00:00")),
        (Market.FX, date(2026, 11, 23), utc("2026-11-23T00:00"), utc("2026-11-24T00:00")),
        (Market.FX, date(2026, 11, 27), utc("2026-11-27T00:00"), ny("2026-11-27T17:00")),
        (Market.FUTURES, date(2026, 11, 22), ny("2026-11-22T18:00"), ny("2026-11-23T00:00")),
        (Market.FUTURES, date(2026, 11, 27), ny("2026-11-27T00:00"), ny("2026-11-27T17:00")),
        (Market.CRYPTO, date(2026, 11, 28), utc("2026-11-28T00:00"), utc("2026-11-29T00:00")),
    ],
)
def test_sessions_of_round_the_clock_markets_are_their_days(
    market: Market, day: date, starts: float, ends: float
) -> None:
    session = CALENDAR.session_of(market, day)
    assert session is not None
    assert (session.starts_at, session.opens_at) == (starts, starts)
    assert (session.closes_at, session.ends_at) == (ends, ends)


@pytest.mark.parametrize("market", [Market.FX, Market.FUTURES])
def test_saturday_has_no_session(market: Market) -> None:
    assert CALENDAR.session_of(market, date(2026, 11, 28)) is None


def test_previous_session_skips_weekends_and_holidays() -> None:
    assert CALENDAR.previous_session(Market.STOCKS, date(2026, 11, 27)).day == date(2026, 11, 25)
    assert CALENDAR.previous_session(Market.STOCKS, date(2026, 11, 30)).day == date(2026, 11, 27)
    assert CALENDAR.previous_session(Market.FX, date(2026, 11, 29)).day == date(2026, 11, 27)


def test_an_unscheduled_closure_changes_the_exchange_only_where_told() -> None:
    told = Calendar()
    noon = ny("2026-12-09T12:00")
    assert told.phase(Market.STOCKS, noon) is Phase.REGULAR  # and is remembered
    told.learn([date(2026, 12, 9)], {date(2026, 12, 10): time(14)})
    assert told.phase(Market.STOCKS, noon) is Phase.CLOSED
    assert told.phase(Market.FX, noon) is Phase.REGULAR
    assert CALENDAR.phase(Market.STOCKS, noon) is Phase.REGULAR
    early = told.session_of(Market.STOCKS, date(2026, 12, 10))
    assert early is not None
    assert (early.closes_at, early.ends_at) == (ny("2026-12-10T14:00"), ny("2026-12-10T18:00"))
    assert told.phase(Market.STOCKS, ny("2026-11-26T12:00")) is Phase.CLOSED  # what was known stays known


def test_years_without_rules_are_refused_and_taken_for_ordinary_weekdays() -> None:
    assert [year for year in range(1990, 2050) if CALENDAR.supports(year)] == list(range(2000, 2036))
    christmas = CALENDAR.session_of(Market.STOCKS, date(2040, 12, 25))
    assert christmas is not None
    assert christmas.assumed
    assert CALENDAR.session_of(Market.STOCKS, date(2040, 12, 29)) is None  # a Saturday
    known = CALENDAR.session_of(Market.STOCKS, date(2026, 11, 24))
    assert known is not None
    assert not known.assumed


@pytest.mark.parametrize(
    ("ticker", "market"),
    [
        ("AAPL", Market.STOCKS),
        ("KIMpL", Market.STOCKS),
        ("O", Market.STOCKS),
        ("C", Market.STOCKS),
        ("", Market.STOCKS),
        ("O:SPY251219C00650000", Market.OPTIONS),
        ("I:SPX", Market.INDICES),
        ("C:EURUSD", Market.FX),
        ("X:BTCUSD", Market.CRYPTO),
    ],
)
def test_the_market_of_a_ticker_is_its_prefix(ticker: str, market: Market) -> None:
    assert market_of(ticker) is market


def test_asking_for_the_phase_costs_a_lookup() -> None:
    """One question in a remembered span; the bound is ten times what a quiet machine needs."""
    wall = ny("2026-11-24T12:00")
    CALENDAR.phase(Market.STOCKS, wall)
    seconds = min(timeit.repeat(lambda: CALENDAR.phase(Market.STOCKS, wall), number=1_000, repeat=5)) / 1_000
    assert seconds < 10e-6


def test_importing_the_calendar_imports_no_holiday_library() -> None:
    script = (
        "import sys, stock_service.market.calendar; "
        "print(sorted(set(sys.modules) & {'holidays', 'pandas', 'exchange_calendars', 'numpy', 'dateutil'}))"
    )
    where = str(Path(closures.__file__).parents[2])
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, env={"PYTHONPATH": where}
    )
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(("market", "zone"), [(Market.STOCKS, NEW_YORK), (Market.CRYPTO, ZoneInfo("UTC"))])
def test_the_day_is_right_whatever_was_asked_before(market: Market, zone: ZoneInfo) -> None:
    """On both sides of every midnight of a year, those of the clock changes included."""
    midnights = [datetime(2026, 1, 1, tzinfo=zone) + timedelta(days=day) for day in range(366)]
    instants = [at.timestamp() + step for at in midnights for step in (-0.001, 0.0, 0.001, 43_200.0, -1.0)]
    calendar = Calendar()
    for wall in instants:
        assert calendar.day_of(market, wall) == datetime.fromtimestamp(wall, zone).date()


def test_the_next_daily_instant_is_right_whatever_was_asked_before() -> None:
    """Before, at and after each of a year, those beside the clock changes included, and with the clock set back."""
    calendar, hour = Calendar(), time(3, 30)
    days = [date(2026, 1, 1) + timedelta(days=day) for day in range(367)]
    instants = [datetime.combine(day, hour, NEW_YORK).timestamp() for day in days]
    for before, at, after in zip(instants, instants[1:], instants[2:], strict=False):
        assert [calendar.next_daily(hour, at + step) for step in (-0.001, 0.0, 43_200.0, -1.0)] == [
            at,
            after,
            after,
            at,
        ]
        assert calendar.next_daily(hour, before) == at
