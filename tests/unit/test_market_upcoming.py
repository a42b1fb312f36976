"""Closures the vendor announces."""

from __future__ import annotations

import json
from datetime import date, datetime, time
from zoneinfo import ZoneInfo

import pytest

from stock_service.market.calendar import Calendar
from stock_service.market.markets import Market, Phase
from stock_service.market.upcoming import read_closures

NEW_YORK = ZoneInfo("America/New_York")

# In the shape of the vendor's own example.
ANNOUNCED = [
    {"date": "2026-12-09", "exchange": "NYSE", "name": "Day of Mourning", "status": "closed"},
    {"date": "2026-12-09", "exchange": "NASDAQ", "name": "Day of Mourning", "status": "closed"},
    {"date": "2026-12-10", "exchange": "OTC", "name": "Other", "status": "closed"},
    {
        "date": "2026-12-11",
        "exchange": "NYSE",
        "name": "Storm",
        "status": "early-close",
        "open": "2026-12-11T14:30:00.000Z",
        "close": "2026-12-11T19:00:00.000Z",
    },
]


def test_announced_closures_are_added_to_what_is_known() -> None:
    calendar, told = Calendar(), read_closures(json.dumps(ANNOUNCED).encode())
    calendar.learn(told.closed, told.early)
    noon = datetime(2026, 12, 9, 12, tzinfo=NEW_YORK).timestamp()
    assert calendar.phase(Market.STOCKS, noon) is Phase.CLOSED
    assert calendar.phase(Market.STOCKS, noon + 86_400) is Phase.REGULAR  # another exchange's day
    early = calendar.session_of(Market.STOCKS, date(2026, 12, 11))
    assert early is not None
    assert early.closes_at == datetime(2026, 12, 11, 14, tzinfo=NEW_YORK).timestamp()
    assert calendar.session_of(Market.STOCKS, date(2026, 12, 25)) is None


def test_the_close_is_read_in_new_york_time() -> None:
    assert read_closures(json.dumps(ANNOUNCED).encode()).early == {date(2026, 12, 11): time(14)}


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{}",
        b"[1, null]",
        b'[{"exchange":"NYSE"}]',
        b'[{"exchange":"NYSE","date":"2026-12-11","status":"early-close","close":"2026-12-11T09:00:00Z"}]',
        b'[{"exchange":"NYSE","date":"soon","status":"closed"}]',
        b'[{"exchange":"NYSE","date":7,"status":"closed"}]',
        b'[{"exchange":"NYSE","date":"2026-12-09","status":"early-close","close":null}]',
        b'[{"exchange":"NYSE","date":"2026-12-09","status":"early-close","close":"2026-12-09T19:00:00"}]',
        b'[{"exchange":["NYSE"],"date":"2026-12-09","status":"closed"}]',
    ],
)
def test_what_cannot_be_read_closes_nothing(body: bytes) -> None:
    closures = read_closures(body)
    assert (closures.closed, closures.early) == (frozenset(), {})
