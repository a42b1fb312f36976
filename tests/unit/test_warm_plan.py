"""What is to be kept ready, as it is written, cut into questions, and found cheapest."""

from __future__ import annotations

from datetime import UTC, date, datetime
from itertools import combinations
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stock_service.cache.policy import Entitlement
from stock_service.cache.sizes import BarSize
from stock_service.cache.wishes import TickersFaulty, parse_ticker, parse_wish, read_tickers
from stock_service.config.load import ConfigFaulty, load_settings
from stock_service.market.calendar import Calendar
from stock_service.market.markets import Market
from stock_service.reads.grouped_bars import day_bars
from stock_service.reads.warm_plan import Target, choose_days, last_ended, question_about, targets_of

CALENDAR = Calendar()
FRIDAY = date(2025, 11, 21)


def new_york(day: int, hour: int, minute: int = 0) -> float:
    """An instant of November 2025, by the clock of New York."""
    return datetime(2025, 11, day, hour, minute, tzinfo=UTC).timestamp() + 5 * 3_600


@pytest.mark.parametrize(
    ("text", "size", "days"),
    [
        ("1/day:2y", BarSize(1, "day"), 732),
        ("1/minute:30d", BarSize(1, "minute"), 30),
        ("5/minute:6mo", BarSize(5, "minute"), 186),
        ("1/week:1w", BarSize(1, "week"), 7),
    ],
)
def test_a_wish_is_a_size_and_a_length(text: str, size: BarSize, days: int) -> None:
    wish = parse_wish(text)
    assert (wish.size, wish.days, wish.text) == (size, days, text)


@pytest.mark.parametrize(
    "text", ["", "1/day", "day:2y", "1/day:2", "1/day:0d", "1/day:99999y", "7/minute:3d", "0/day:1d"]
)
def test_what_is_no_wish_is_refused_in_a_sentence(text: str) -> None:
    with pytest.raises(ValueError, match=r"^holds "):
        parse_wish(text)


def test_a_file_of_tickers_has_one_a_line(tmp_path: Path) -> None:
    file = tmp_path / "sp500.csv"
    file.write_text("# the largest\nAAPL,Apple\nmsft\n\n  BRK.B , Berkshire\nX:BTCUSD\n")
    assert read_tickers(file) == ("AAPL", "MSFT", "BRK.B", "X:BTCUSD")
    assert parse_ticker("KIMpL") == "KIMpL"


@pytest.mark.parametrize("content", [b"AAPL\nnot a ticker\n", b"\xff\xfe"])
def test_a_faulty_file_of_tickers_is_named(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "list.txt"
    file.write_bytes(content)
    for path in (file, tmp_path / "absent.txt"):
        with pytest.raises(TickersFaulty) as caught:
            read_tickers(path)
        assert str(path) in caught.value.problem


def test_settings_say_what_is_wrong_with_them() -> None:
    def faults(**flags: str) -> str:
        with pytest.raises(ConfigFaulty) as caught:
            load_settings(env={}, flags={name.replace("__", "."): value for name, value in flags.items()})
        return "\n".join(caught.value.faults)

    assert "warm.bars (flag) holds '1/day'" in faults(warm__tickers="AAPL", warm__bars="1/day")
    assert "warm.tickers (flag) holds 'A B'" in faults(warm__tickers="A B")
    assert "warm.bars is empty" in faults(warm__tickers="AAPL", warm__bars=",")
    assert "contradict" in faults(warm__tickers="AAPL", upstream__replay_dir="x")
    settings = load_settings(env={"STOCKS_WARM__TICKERS": "AAPL, msft,AAPL"}, flags={}).settings
    assert settings.warm.tickers == ("AAPL", "MSFT")


@pytest.mark.parametrize(
    ("wall", "entitlement", "ended"),
    [
        (new_york(20, 20, 14), Entitlement.REAL_TIME, 19),
        (new_york(20, 20, 15), Entitlement.REAL_TIME, 20),
        (new_york(20, 20, 29), Entitlement.DELAYED, 19),
        (new_york(20, 20, 30), Entitlement.DELAYED, 20),
        (new_york(20, 23, 0), Entitlement.END_OF_DAY, 19),
        (new_york(21, 12, 0), Entitlement.END_OF_DAY, 20),
        (new_york(23, 12, 0), Entitlement.REAL_TIME, 21),  # a Sunday
        (new_york(23, 13, 0), Entitlement.END_OF_DAY, 21),
    ],
)
def test_a_day_is_ready_to_be_had_when_the_plan_has_it(wall: float, entitlement: Entitlement, ended: int) -> None:
    assert last_ended(CALENDAR, Market.STOCKS, wall, entitlement) == date(2025, 11, ended)


def test_targets_come_longest_bars_first_and_end_with_the_last_day() -> None:
    wishes = (parse_wish("1/minute:10d"), parse_wish("1/day:1y"))
    targets = targets_of(wishes, ("AAPL", "MSFT"), {Market.STOCKS: FRIDAY}, {})
    assert [(each.ticker, each.size.timespan) for each in targets] == [
        ("AAPL", "day"),
        ("MSFT", "day"),
        ("AAPL", "minute"),
        ("MSFT", "minute"),
    ]
    assert {each.last for each in targets} == {FRIDAY}
    assert targets[2].first == date(2025, 11, 12)
    since = targets_of(wishes, ("AAPL",), {Market.STOCKS: FRIDAY}, {Market.STOCKS: FRIDAY})
    assert {each.first for each in since} == {FRIDAY}


def test_a_target_is_one_question_from_its_last_day_backwards() -> None:
    question = question_about(Target("AAPL", BarSize(1, "minute"), date(2024, 6, 10), FRIDAY))
    assert (question.first, question.last, question.descending) == ("2024-06-10", "2025-11-21", True)
    assert question.bars_max > 10**9, "all of it, not a page"


@given(st.lists(st.integers(0, 63), max_size=8))
def test_no_other_choice_of_days_costs_fewer_calls_by_days_alone(missing: list[int]) -> None:
    """The choice never costs more than asking for every stock, nor than taking every day."""

    def cost(chosen: int) -> int:
        return chosen.bit_count() + sum(bool(mask & ~chosen) for mask in missing)

    every = 0
    for mask in missing:
        every |= mask
    chosen = choose_days(missing)
    assert chosen & ~every == 0
    assert cost(chosen) <= min(cost(0), cost(every))


def test_a_new_stock_does_not_make_whole_years_of_days_worth_it() -> None:
    """All lack yesterday, one lacks a year: yesterday for all in one call, the year of the one in another."""
    year, yesterday = (1 << 250) - 1, 1 << 250
    assert choose_days([yesterday] * 20 + [year | yesterday]) == yesterday
    assert choose_days([yesterday]) == 0
    few = [sum(1 << day for day in days) for days in combinations(range(5), 4)]
    assert choose_days(few) in (0, 0b11111)


ROW = b'{"T":"AAPL","v":7.1e7,"vw":150.10,"o":1,"c":2.50,"h":3,"l":1,"t":1705352400000,"n":42}'
DAY = (1_705_294_800_000, 1_705_381_200_000)


@pytest.mark.parametrize(
    ("row", "bar"),
    [
        (ROW, b'{"v":7.1e7,"vw":150.10,"o":1,"c":2.50,"h":3,"l":1,"t":1705294800000,"n":42}'),
        (b'{"c":2.50,"t":1705352400000,"T":"AAPL"}', b'{"c":2.50,"t":1705294800000}'),
        (ROW.replace(b"1705352400000", b"1705438800000"), None),  # of another day
        (ROW.replace(b'"T":', b'"T" :'), None),  # written in another way
        (ROW.replace(b"AAPL", b"MSFT"), None),  # not wanted
    ],
)
def test_a_row_of_the_whole_market_becomes_the_stocks_own_bar(row: bytes, bar: bytes | None) -> None:
    found = day_bars(b'{"results":[' + row + b"]}", {"AAPL"}, *DAY)
    assert found == ({} if bar is None else {"AAPL": bar})
