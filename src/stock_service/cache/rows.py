"""Under which row of the freshness table a question falls."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import time, timedelta

from stock_service.cache.subject import asked_params
from stock_service.market.calendar import Calendar
from stock_service.market.hours import instant
from stock_service.market.markets import Market, market_of
from stock_service.vendor.endpoints import Group
from stock_service.vendor.request import VendorRequest

_ROLL_FROM, _ROLL_UNTIL = time(20), time(4, 30)


def bars_row(timespan: str) -> str:
    """Return the name of the row for bars of `timespan`."""
    return f"bars/{timespan if timespan in ('second', 'minute', 'hour') else 'day'}"


def _variant_indicator(request: VendorRequest) -> str:
    timespan = asked_params(request).get("timespan", "day")
    return timespan if timespan in ("minute", "hour") else "minute" if timespan == "second" else "day"


def _variant_by_name(names: Mapping[str, str]) -> Callable[[VendorRequest], str]:
    return lambda request: names.get(request.endpoint.name, "")


_VARIANTS: Mapping[Group, Callable[[VendorRequest], str]] = {
    Group.BARS: lambda request: bars_row(request.path_params["timespan"]).removeprefix("bars/"),
    Group.INDICATOR: _variant_indicator,
    Group.SNAP_STK: _variant_by_name({"snapshot_stocks": "list", "snapshot_stocks_movers": "list"}),
    Group.SNAP_CC: _variant_by_name(
        {
            "snapshot_cryptos": "list",
            "snapshot_crypto_movers": "list",
            "snapshot_forexes": "list",
            "snapshot_forex_movers": "list",
        }
    ),
    Group.SNAP_V3: _variant_by_name({"snapshot_chain": "chain"}),
    Group.TICKERS: lambda request: "search" if "search" in asked_params(request) else "",
    Group.FUND: _variant_by_name({"ipos": "ipos", "v1_reference_ipos": "ipos"}),
    Group.SEC: _variant_by_name({"filing": "one", "filing_file": "one"}),
}


def _rolls(market: Market, wall: float, calendar: Calendar) -> bool:
    """Return whether `prev` may be moving on: only in the night after a session, so not through a weekend."""
    day = calendar.day_of(Market.STOCKS, wall)
    if wall >= instant(day, _ROLL_FROM):
        return calendar.session_of(market, day) is not None
    return wall < instant(day, _ROLL_UNTIL) and calendar.session_of(market, day - timedelta(days=1)) is not None


def row_name(request: VendorRequest, wall: float, calendar: Calendar) -> str:
    """Return the name of the table's row for `request`; `prev` moves to another row around the turn of the day."""
    group = request.endpoint.group
    if group is Group.PREV:
        return "prev/rolling" if _rolls(market_of(request.path_params.get("ticker", "")), wall, calendar) else "prev"
    variant = _VARIANTS[group](request) if group in _VARIANTS else ""
    return f"{group}/{variant}" if variant else group
