"""A fetched range of bars, cut where the rules of freshness change."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from stock_service.cache.bar_lifetimes import judge_parts
from stock_service.cache.lifetimes import DAY, MINUTE
from stock_service.cache.policy import Policy, PolicySettings
from stock_service.cache.ranges import Span
from stock_service.cache.sizes import BarSize
from stock_service.market.calendar import Calendar
from stock_service.market.markets import Market

CALENDAR = Calendar()
POLICY = Policy(CALENDAR, PolicySettings())
NEW_YORK = ZoneInfo("America/New_York")
HOUR = 3_600.0


def ny(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=NEW_YORK).timestamp()


def parts(
    first: str, last: str, at: str, size: tuple[int, str] = (1, "minute"), *, nothing: bool = False
) -> list[tuple[str, str, float]]:
    span = Span(int(ny(first) * 1_000), int(ny(last) * 1_000))
    judged = judge_parts(POLICY, CALENDAR, Market.STOCKS, BarSize(*size), span, ny(at), nothing=nothing)
    assert [part.start for part, _ in judged] == [span.start, *(part.stop for part, _ in judged[:-1])]
    assert judged[-1][0].stop == span.stop
    return [(_day(part.start), _day(part.stop), lifetime.fresh_for) for part, lifetime in judged]


def _day(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms / 1_000, NEW_YORK).isoformat()[5:10]


@pytest.mark.parametrize(
    ("at", "expected"),
    [
        (  # before noon yesterday is not settled; today runs
            "2026-11-24T11:00",
            [("11-02", "11-23", 30 * DAY), ("11-23", "11-24", HOUR), ("11-24", "11-25", MINUTE)],
        ),
        ("2026-11-24T13:00", [("11-02", "11-24", 30 * DAY), ("11-24", "11-25", MINUTE)]),
        ("2026-11-24T21:00", [("11-02", "11-24", 30 * DAY), ("11-24", "11-25", 7 * HOUR)]),  # until the next opening
        ("2026-11-25T01:00", [("11-02", "11-24", 30 * DAY), ("11-24", "11-25", 11 * HOUR)]),  # until it settles
        ("2026-11-25T12:00", [("11-02", "11-25", 30 * DAY)]),
        ("2026-10-20T12:00", [("11-02", "11-25", MINUTE)]),  # all of it is to come
    ],
)
def test_a_range_of_minutes_is_cut_at_the_settled_day_and_at_today(
    at: str, expected: list[tuple[str, str, float]]
) -> None:
    assert parts("2026-11-02", "2026-11-25", at) == expected


def test_a_long_bar_is_no_older_than_its_last_day() -> None:
    """The week of 22 November is running on the 24th, though it began in settled days."""
    assert parts("2026-11-01", "2026-11-29", "2026-11-24T13:00", (1, "week")) == [
        ("11-01", "11-22", 30 * DAY),
        ("11-22", "11-29", MINUTE),
    ]
    assert parts("2026-11-22", "2026-11-23", "2026-11-24T13:00", (1, "week")) == [("11-22", "11-23", MINUTE)]


def test_nothing_there_is_believed_for_a_while_only() -> None:
    assert parts("2026-11-23", "2026-11-25", "2026-11-24T13:00", nothing=True) == [
        ("11-23", "11-24", 6 * HOUR),
        ("11-24", "11-25", MINUTE),
    ]
