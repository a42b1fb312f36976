"""Splits: the arithmetic of `adjusted`, on real raw bars of the public domain."""

from __future__ import annotations

import importlib.util
from datetime import date
from fractions import Fraction
from pathlib import Path

import pytest

from stock_service.simulator.instruments import instrument_of
from stock_service.simulator.prices import Bar, Prices
from stock_service.simulator.ranges import day_bar, merge
from stock_service.simulator.replay import load_histories
from stock_service.simulator.sessions import Market, midnight_ms
from stock_service.simulator.splits import divide_rounded, factor_after, splits_of

SPEC = importlib.util.find_spec("bokeh_sampledata")
assert SPEC is not None
assert SPEC.origin is not None
FOLDER = Path(SPEC.origin).parent / "_data"


@pytest.fixture(scope="module")
def real() -> Prices:
    return Prices(1, load_histories(FOLDER))


def day_of(prices: Prices, ticker: str, day: date, known_on: date, *, adjusted: bool) -> Bar | None:
    what = instrument_of(ticker)
    assert what is not None
    return day_bar(prices, what, day.toordinal(), midnight_ms(Market.STOCKS, known_on.toordinal()), adjusted=adjusted)


def shown(bar: Bar | None) -> tuple[float, ...]:
    assert bar is not None
    return (bar.open / 10_000, bar.high / 10_000, bar.low / 10_000, bar.close / 10_000)


def test_the_vendors_recorded_adjusted_answer_comes_out_to_the_last_digit(real: Prices) -> None:
    """AAPL on 2005-04-01: raw bars of the public domain, divided by the later 7:1 and 4:1 splits (facts.md 1.3)."""
    day, today = date(2005, 4, 1), date(2025, 11, 21)
    assert shown(day_of(real, "AAPL", day, today, adjusted=False)) == (42.09, 42.18, 40.57, 40.89)
    adjusted = day_of(real, "AAPL", day, today, adjusted=True)
    assert shown(adjusted) == (1.5032, 1.5064, 1.4489, 1.4604)
    assert adjusted is not None
    assert adjusted.volume == 22_903_000 * 28 * 10_000
    assert shown(day_of(real, "AAPL", date(2005, 4, 4), today, adjusted=True)) == (1.4639, 1.4754, 1.4343, 1.4675)


@pytest.mark.parametrize(
    ("known_on", "close"),
    [(date(2014, 6, 8), 40.89), (date(2014, 6, 9), 5.8414), (date(2020, 8, 30), 5.8414), (date(2020, 8, 31), 1.4604)],
)
def test_a_split_counts_from_the_morning_of_its_execution_date(real: Prices, known_on: date, close: float) -> None:
    """Asked before it, the same question gets the older answer."""
    assert shown(day_of(real, "AAPL", date(2005, 4, 1), known_on, adjusted=True))[3] == close


def test_a_real_fall_is_no_split(real: Prices) -> None:
    """AAPL lost half of its worth on 2000-09-29 without a split; the day before and after share one factor."""
    splits = splits_of(1, "AAPL")
    days = [date(2000, 9, 28).toordinal(), date(2000, 9, 29).toordinal()]
    assert len({factor_after(splits, day, 10**6) for day in days}) == 1
    before, after = (day_of(real, "AAPL", date.fromordinal(day), date(2025, 1, 2), adjusted=True) for day in days)
    assert before is not None
    assert after is not None
    assert after.close / before.close < 0.5


def test_minutes_of_a_real_day_add_up_to_it(real: Prices) -> None:
    """The generator fills a replayed day without leaving its open, high, low, close and volume."""
    what = instrument_of("AAPL")
    assert what is not None
    for day in (date(2005, 4, 1), date(2000, 9, 29), date(2012, 9, 21)):
        whole = day_of(real, "AAPL", day, date(2025, 1, 2), adjusted=False)
        minutes = merge(real.minutes(what, day.toordinal()), 0)
        assert whole is not None
        assert (minutes.open, minutes.high, minutes.low, minutes.close) == (
            whole.open,
            whole.high,
            whole.low,
            whole.close,
        )
        assert (minutes.volume, minutes.trades) == (whole.volume, whole.trades)


def test_a_day_the_file_lacks_has_no_bar_and_days_outside_of_it_are_generated(real: Prices) -> None:
    """The file is the truth within its span only."""
    assert day_of(real, "AAPL", date(2001, 9, 12), date(2025, 1, 2), adjusted=False) is None
    assert day_of(real, "AAPL", date(2024, 9, 12), date(2025, 1, 2), adjusted=False) is not None


def test_generated_raw_prices_fall_by_the_split() -> None:
    """So that adjusted prices go on smoothly: NVDA, 10:1 on 2024-06-10."""
    prices = Prices(3)
    raw = [
        day_of(prices, "NVDA", day, date(2025, 1, 2), adjusted=False) for day in (date(2024, 6, 7), date(2024, 6, 10))
    ]
    adjusted = day_of(prices, "NVDA", date(2024, 6, 7), date(2025, 1, 2), adjusted=True)
    assert raw[0] is not None
    assert raw[1] is not None
    assert adjusted is not None
    assert 8 < raw[0].close / raw[1].open < 12
    assert adjusted.close == divide_rounded(raw[0].close, Fraction(10))
    assert adjusted.volume == raw[0].volume * 10


def test_a_file_that_cannot_be_read_is_named_with_its_line(tmp_path: Path) -> None:
    """A bad row stops the start; files of other columns are passed over; nothing at all is an error."""
    (tmp_path / "other.csv").write_text("a,b\n1,2\n")
    with pytest.raises(ValueError, match="no daily bars"):
        load_histories(tmp_path)
    (tmp_path / "ABC.csv").write_text(
        "Date,Open,High,Low,Close,Volume\n2020-01-02,1,2,0.5,1.5,100\n2020-01-03,x,2,1,1,1\n"
    )
    with pytest.raises(ValueError, match=r"ABC\.csv, line 3"):
        load_histories(tmp_path)
    (tmp_path / "ABC.csv").write_text("Date,Open,High,Low,Close,Volume\n2020-01-02,1,2,0.5,1.5,100\n")
    assert list(load_histories(tmp_path)) == ["ABC"]
