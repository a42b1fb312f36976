"""Closures the vendor announces: `/v1/marketstatus/upcoming`, a list of special days per exchange.

Our own table knows the scheduled ones for years; this is how the calendar hears of a day of mourning or a storm.
Only ever adds a closure, never takes one away, and takes no word of an exchange that is not the US stock market.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, time
from typing import Any

import msgspec

from stock_service.market.hours import NEW_YORK, ordinary_close

_EARLIEST = time(10)  # no session ends before it has begun
_EXCHANGES = ("NYSE", "NASDAQ")
_LIST = msgspec.json.Decoder(list[Any])


@dataclass(frozen=True, slots=True)
class Closures:
    """Days on which the exchange stays closed, and days on which it closes early, with the New York time."""

    closed: frozenset[date]
    early: Mapping[date, time]


def read_closures(body: bytes) -> Closures:
    """Return the closures of an answer; an entry, or an answer, that cannot be read says nothing."""
    try:
        rows = _LIST.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        rows = []
    closed, early = set(), {}
    for row in rows:
        if not isinstance(row, dict) or row.get("exchange") not in _EXCHANGES:
            continue
        try:
            day = date.fromisoformat(row["date"])
            if row["status"] == "closed":
                closed.add(day)
            elif row["status"] == "early-close":
                close = _new_york_time(row["close"])
                if _EARLIEST <= close < ordinary_close():
                    early[day] = close
        except (KeyError, TypeError, ValueError):
            continue
    return Closures(frozenset(closed), early)


def _new_york_time(text: str) -> time:
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError
    return moment.astimezone(NEW_YORK).time()
