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


def table(*splits: Split) -> SplitTable:
    made = SplitTable()
    made.update(splits, SINCE)
    return made


def test_a_new_split_changes_its_ticker_and_no_other() -> None:
    splits = table()
    before = splits.mark_of("AAPL", NOON)
    assert splits.update([TWO_FOR_ONE], SINCE) == {"AAPL"}
    assert splits.changed("AAPL", before, NOON)
    assert not splits.changed("MSFT", splits.mark_of("MSFT", NOON), NOON)
    assert splits.mark_of("MSFT", NOON) == before == ""


def test_the_same_list_in_another_order_and_with_repeats_changes_nothing() -> None:
    other = Split("AAPL", date(2026, 11, 12), 1, 3)
    splits = table(TWO_FOR_ONE, other)
    mark = splits.mark_of("AAPL", NOON)
    assert splits.update([other, TWO_FOR_ONE, TWO_FOR_ONE], SINCE) == frozenset()
    assert not splits.changed("AAPL", mark, NOON)


@pytest.mark.parametrize(
    "after", [[], [Split("AAPL", date(2026, 11, 20), 1, 4)], [Split("AAPL", date(2026, 11, 19), 1, 2)]]
)
def test_a_withdrawn_or_corrected_split_changes_the_mark(after: list[Split]) -> None:
    splits = table(TWO_FOR_ONE)
    mark = splits.mark_of("AAPL", NOON)
    assert splits.update(after, SINCE) == {"AAPL"}
    assert splits.changed("AAPL", mark, NOON)


def test_a_split_that_leaves_the_asked_time_stays_known() -> None:
    """The next day's question begins a day later and no longer lists it."""
    splits = table(TWO_FOR_ONE)
    mark = splits.mark_of("AAPL", NOON)
    assert splits.update([], date(2026, 11, 21)) == frozenset()
    assert splits.mark_of("AAPL", NOON) == mark != ""


def test_a_late_correction_of_an_old_split_is_taken_from_a_longer_list() -> None:
    splits = table(TWO_FOR_ONE)
    assert splits.update([TWO_FOR_ONE, Split("IBM", date(2020, 1, 2), 2, 1)], date(2019, 1, 1)) == {"IBM"}


def test_lines_before_the_asked_time_are_not_taken() -> None:
    assert table(Split("AAPL", date(2026, 11, 9), 1, 2)).mark_of("AAPL", NOON) == ""


def test_prices_turn_in_the_night_before_the_split() -> None:
    splits = table(Split("AAPL", date(2026, 11, 25), 1, 2))
    times = ["2026-11-24T19:59:59", "2026-11-24T20:00:00", "2026-11-25T03:59:59", "2026-11-25T04:00:00"]
    before, dusk, night, after = (splits.mark_of("AAPL", ny(text)) for text in times)
    assert before == ""
    assert dusk == night
    assert len({before, dusk, after}) == 3
    assert splits.mark_of("AAPL", ny("2027-11-25")) == after


def test_any_split_changes_the_mark_of_the_whole_market() -> None:
    splits = table(TWO_FOR_ONE)
    mark = splits.market_mark(NOON)
    assert splits.market_mark(NOON + 1) == mark
    splits.update([TWO_FOR_ONE, Split("TINY", date(2026, 11, 23), 20, 1)], SINCE)
    assert splits.market_mark(NOON) != mark
    assert len(splits) == 2


def test_the_market_wide_question_reaches_back_two_weeks() -> None:
    request = recent_splits(date(2026, 11, 24))
    assert request.target == "/v3/reference/splits?execution_date.gte=2026-11-10&limit=1000&order=asc"


def test_a_page_is_read_with_the_link_to_the_next() -> None:
    row = {"ticker": "AAPL", "execution_date": "2026-11-20", "split_from": 1, "split_to": 2, "id": "x"}
    page = {"status": "OK", "results": [row], "next_url": "http://v/next"}
    assert read_splits(json.dumps(page).encode()) == ([TWO_FOR_ONE], "http://v/next")
    assert read_splits(b'{"status":"OK"}') == ([], "")


@pytest.mark.parametrize(
    "body", [b"", b"[]", b'{"results":[{"ticker":"A"}]}', b'{"results":[{"ticker":"A","ex', b"\xff"]
)
def test_a_malformed_page_is_refused(body: bytes) -> None:
    with pytest.raises(VendorFailed):
        read_splits(body)
