"""How our API spells bar sizes and days, and the vendor's words for them. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date

from stock_service.base.errors import BadRequest

_EVERY = re.compile(r"(\d{1,4})(s|m|h|d|w|mo|q|y)\Z")
_TIMESPANS = {
    "s": "second",
    "m": "minute",
    "h": "hour",
    "d": "day",
    "w": "week",
    "mo": "month",
    "q": "quarter",
    "y": "year",
}
_DAYS = {
    "second": 1 / 86_400,
    "minute": 1 / 1_440,
    "hour": 1 / 24,
    "day": 1,
    "week": 7,
    "month": 28,
    "quarter": 90,
    "year": 365,
}
_SYMBOL = re.compile(r"[A-Za-z0-9][A-Za-z0-9.\-:^=]{0,63}\Z")


@dataclass(frozen=True, slots=True)
class Every:
    """A bar size in the vendor's words."""

    multiplier: int
    timespan: str


def most_bars(every: Every, first: date, last: date) -> float:
    """Return how many bars from `first` to `last` there are at most: as many as in a market that never closes."""
    return ((last - first).days + 1) / (every.multiplier * _DAYS[every.timespan])


def parse_every(text: str) -> Every:
    """Return the bar size `text` names (`1m`, `5m`, `1h`, `1d`, `1w`, `1mo`, `1q`, `1y`).

    Raises:
        BadRequest: it names none.
    """
    match = _EVERY.match(text)
    if match is None or int(match[1]) == 0:
        raise BadRequest("every", f"{text[:20]!r} is no bar size", "use a number and s, m, h, d, w, mo, q or y: 5m, 1d")
    return Every(int(match[1]), _TIMESPANS[match[2]])


def parse_day(field: str, text: str) -> date:
    """Return the day `text` names (YYYY-MM-DD).

    Raises:
        BadRequest: it names none.
    """
    try:
        day = date.fromisoformat(text)
    except ValueError:
        day = None
    if day is None or day.isoformat() != text:  # other spellings of ISO 8601 are not what the table promises
        raise BadRequest(field, f"{text[:20]!r} is no date", "use YYYY-MM-DD, as in 2024-01-31")
    return day


def parse_symbol(text: str) -> str:
    """Return the vendor's ticker for `text`; all lower case is taken for a typing habit, mixed case is kept (`KIMpL`).

    Raises:
        BadRequest: it cannot be a ticker.
    """
    if _SYMBOL.match(text) is None:
        raise BadRequest(
            "symbol", f"{text[:70]!r} is no symbol", "use letters, digits and . - : as in AAPL, BRK.B, X:BTCUSD"
        )
    return text.upper() if text == text.lower() else text
