"""The split table: what changes a mark, and what must not."""

from __future__ import annotations

import json
from datetime import date, datetime
from zoneinfo import ZoneInfo

import pytest

from stock_service.base.errors import VendorFailed
from stock_service.cache.splits import Split, SplitTable, read_splits, recent_splits

NEW_YORK = ZoneInfo("America/New_York")
SINCE = date(2026, 11, 10)
TWO_FOR_ONE = Split("AAPL", date(2026, 11, 20), 1, 2)


def ny(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=NEW_YORK).timestamp()


NOON = ny("2026-11-24T12:00")


def table(*splits: Split, wall: float = NOON) -> SplitTable:
    made = SplitTable()
    made.update(splits, SINCE, wall)
    return made


def test_a_new_split_changes_its_ticker_and_no_other() -> None:
    splits = table()
    assert splits.update([TWO_FOR_ONE], SINCE, NOON) == {"AAPL"}
    assert splits.mark_of("AAPL", NOON) != splits.mark_of("MSFT", NOON) == ""
    assert splits.moved(NOON - 1, NOON) == {"AAPL": NOON}


def test_the_same_list_in_another_order_and_with_repeats_changes_nothing() -> None:
    """The vendor has listed one split many times over."""
    other = Split("AAPL", date(2026, 11, 12), 1, 3)
    splits = table(TWO_FOR_ONE, other)
    assert splits.update([other, TWO_FOR_ONE, TWO_FOR_ONE], SINCE, NOON) == frozenset()
    assert splits.moved(NOON - 1, NOON) == {}


@pytest.mark.parametrize(
    "after", [[], [Split("AAPL", date(2026, 11, 20), 1, 4)], [Split("AAPL", date(2026, 11, 19), 1, 2)]]
)
def test_a_withdrawn_or_corrected_split_counts_from_the_moment_it_is_learnt(after: list[Split]) -> None:
    splits = table(TWO_FOR_ONE)
    assert splits.update(after, SINCE, NOON + 60) == {"AAPL"}
    assert splits.moved(NOON, NOON + 60) == {"AAPL": NOON + 60}
    assert splits.market_since(NOON + 60) == NOON + 60


def test_a_split_that_leaves_the_asked_time_stays_known() -> None:
    """The next day's question begins a day later and no longer lists it."""
    splits = table(TWO_FOR_ONE)
    mark = splits.mark_of("AAPL", NOON)
    assert splits.update([], date(2026, 11, 21), NOON) == frozenset()
    assert splits.mark_of("AAPL", NOON) == mark != ""


def test_a_late_correction_of_an_old_split_is_taken_from_a_longer_list() -> None:
    splits = table(TWO_FOR_ONE)
    assert splits.update([TWO_FOR_ONE, Split("IBM", date(2020, 1, 2), 2, 1)], date(2019, 1, 1), NOON) == {"IBM"}


def test_lines_before_the_asked_time_are_not_taken() -> None:
    assert table(Split("AAPL", date(2026, 11, 9), 1, 2)).mark_of("AAPL", NOON) == ""


def test_prices_turn_in_the_night_before_the_split() -> None:
    """At an hour nobody documents: what was fetched a minute ago does not count in that night."""
    splits = table(Split("AAPL", date(2026, 11, 25), 1, 2))
    assert splits.mark_of("AAPL", ny("2026-11-24T19:59:59")) == ""
    night = ["2026-11-24T20:00:00", "2026-11-24T20:01:00", "2026-11-25T03:59:59", "2026-11-25T04:00:00"]
    assert len({splits.mark_of("AAPL", ny(text)) for text in night}) == 4
    assert splits.mark_of("AAPL", ny("2027-11-25T12:00")) == splits.mark_of("AAPL", ny("2026-11-25T04:00:00"))
    assert splits.since("AAPL", ny("2026-11-24T20:01:30")) == ny("2026-11-24T20:01:00")
    assert splits.since("AAPL", ny("2026-12-24T12:00")) == ny("2026-11-25T04:00:00")


def test_a_split_to_come_changes_nothing_when_it_is_announced() -> None:
    splits = table()
    assert splits.update([Split("AAPL", date(2026, 12, 1), 1, 2)], SINCE, NOON) == frozenset()
    assert splits.moved(NOON - 1, NOON) == {}
    assert len(splits) == 1


def test_the_first_list_leaves_alone_what_was_fetched_after_its_splits() -> None:
    """A service that has just started has fetched nothing at an old scale; a shared store may have."""
    splits = table(TWO_FOR_ONE)
    assert splits.moved(float("-inf"), NOON) == {"AAPL": ny("2026-11-20T04:00")}


def test_any_split_counts_for_the_whole_market_from_its_morning_on() -> None:
    splits = table(TWO_FOR_ONE, Split("TINY", date(2026, 11, 25), 20, 1))
    assert splits.market_since(NOON) == splits.market_since(ny("2026-11-24T23:00")) == ny("2026-11-20T04:00")
    assert splits.market_since(ny("2026-11-25T04:00")) == ny("2026-11-25T04:00")
    assert len(splits) == 2


def test_the_market_wide_question_reaches_back_as_long_as_history_is_served() -> None:
    request = recent_splits(date(2026, 11, 24))
    assert request.target == "/v3/reference/splits?execution_date.gte=2026-09-25&limit=1000&order=asc"


def test_a_page_is_read_with_the_link_to_the_next() -> None:
    row = {"ticker": "AAPL", "execution_date": "2026-11-20", "split_from": 1, "split_to": 2, "id": "x"}
    page = {"status": "OK", "results": [row], "next_url": "http://v/next"}
    assert read_splits(json.dumps(page).encode()) == ([TWO_FOR_ONE], "http://v/next")
    assert read_splits(b'{"status":"OK"}') == ([], "")


def test_a_row_that_cannot_be_read_costs_only_itself() -> None:
    good = {"ticker": "AAPL", "execution_date": "2026-11-20", "split_from": 1, "split_to": 2}
    bad = [{"ticker": "B"}, good | {"split_to": None}, good | {"execution_date": "soon"}, 7]
    assert read_splits(json.dumps({"results": [*bad, good]}).encode()) == ([TWO_FOR_ONE], "")


@pytest.mark.parametrize("body", [b"", b"[]", b'{"results":[{"ticker":"A","ex', b"\xff"])
def test_a_malformed_page_is_refused(body: bytes) -> None:
    with pytest.raises(VendorFailed):
        read_splits(body)
