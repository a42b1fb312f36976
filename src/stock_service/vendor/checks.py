"""What is surely malformed on a known route, found without spending a vendor call on it.

Refuses only what the vendor refuses too. When in doubt a question passes: the vendor knows its rules better.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date

from stock_service.base.errors import BadRequest
from stock_service.vendor.endpoints import Endpoint, Group

TIMESPANS = ("second", "minute", "hour", "day", "week", "month", "quarter", "year")
DIRECTIONS = ("asc", "desc")

_TICKER = re.compile(r"[A-Za-z0-9.:_^=+*~@$!&-]{1,64}\Z")
_MULTIPLIER = re.compile(r"[0-9]{1,9}\Z")
_MILLISECONDS = re.compile(r"[0-9]{1,18}\Z")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}\Z")
_COUNT = re.compile(r"[0-9]{1,18}\Z")
_DIRECTED = {"sort": frozenset({Group.BARS}), "order": frozenset({Group.TICKS, Group.INDICATOR, Group.TICKERS})}


def check_ticker(ticker: str) -> None:
    """Raise BadRequest when `ticker` cannot be one."""
    if not _TICKER.match(ticker):
        raise BadRequest("ticker", "is not a ticker", "1 to 64 letters, digits and . : - _, such as AAPL or X:BTCUSD")


def check_path(endpoint: Endpoint, path_params: Mapping[str, str]) -> None:
    """Raise BadRequest when a path parameter cannot be what its name says."""
    ticker = path_params.get("ticker")
    if ticker is not None:
        check_ticker(ticker)
    if endpoint.group is Group.BARS:
        _check_range(path_params)
    elif "date" in path_params:
        _read_date("date", path_params["date"])


def check_query(endpoint: Endpoint, params: Mapping[str, str]) -> None:
    """Raise BadRequest when a query parameter has a value its route cannot take."""
    limit = params.get("limit")
    if limit is not None and endpoint.max_limit is not None:
        _check_limit(limit, endpoint.max_limit)
    adjusted = params.get("adjusted", "true")
    if endpoint.adjustable and adjusted not in {"true", "false"}:
        raise BadRequest("adjusted", "is not a boolean", "use true or false")
    for name, groups in _DIRECTED.items():
        if endpoint.group in groups and params.get(name, "asc") not in DIRECTIONS:
            raise BadRequest(name, "is not a direction", "use asc or desc")


def _check_limit(limit: str, max_limit: int) -> None:
    if not _COUNT.match(limit) or int(limit) < 1:
        raise BadRequest("limit", "is not a positive whole number", f"use 1 to {max_limit}")
    if int(limit) > max_limit:
        raise BadRequest("limit", f"is above {max_limit}", f"ask for at most {max_limit} and follow next_url")


def _check_range(path_params: Mapping[str, str]) -> None:
    multiplier = path_params["multiplier"]
    if not _MULTIPLIER.match(multiplier) or int(multiplier) < 1:
        raise BadRequest("multiplier", "is not a positive whole number", "use 1, 5, 15 …")
    if path_params["timespan"] not in TIMESPANS:
        raise BadRequest("timespan", "is not a timespan of the vendor", "use " + ", ".join(TIMESPANS))
    start, end = _read_instant("from", path_params["from"]), _read_instant("to", path_params["to"])
    if start[0] == end[0] and start[1] > end[1]:
        raise BadRequest("to", "lies before from", "swap the two ends of the range")


def _read_instant(field: str, text: str) -> tuple[str, int]:
    """Return the unit of an end of a range, and its number: the vendor snaps days and milliseconds differently."""
    if _MILLISECONDS.match(text):
        return "milliseconds", int(text)
    return "days", _read_date(field, text).toordinal()


def _read_date(field: str, text: str) -> date:
    try:
        if _DATE.match(text):
            return date.fromisoformat(text)
    except ValueError:
        pass
    raise BadRequest(field, "is not a date", "use YYYY-MM-DD" + (" or milliseconds" if field != "date" else ""))
