"""What a vendor request asks about: which market, and the span of time its answer can speak of.

Reads only the request, never an answer. A bound it cannot read is no bound, so that a doubt always makes the
answer live shorter. A page's cursor is decoded for the bound pinned in it and for nothing else: it is the vendor's.
"""

from __future__ import annotations

import base64
import math
import re
from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime, timedelta
from urllib.parse import parse_qsl

from stock_service.base.record import record
from stock_service.market.calendar import Calendar
from stock_service.market.markets import Market, market_of
from stock_service.vendor.endpoints import ENDPOINTS, Group
from stock_service.vendor.request import VendorRequest

# Stamps of seconds, milliseconds, microseconds and nanoseconds differ by a thousand; these digits tell them apart
# for every instant from 1973 to 2286.
_STAMP = re.compile(r"\d{9,10}(?:\d{3}){0,3}\Z")
_INSTANT = 1e-3  # the room an inclusive bound takes: less than any bar, more than a float's rounding
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}\Z")
_OPTION_EXPIRY = re.compile(r"O:[A-Za-z0-9.]{1,8}(\d{2})(\d{2})(\d{2})[CP]\d{8}\Z")
_DAY = timedelta(days=1)
_EARLIEST, _LATEST = -2e9, 2e11  # years 1906 and 8307: no day outside is told from another

_SECONDS_OF = {"second": 1, "minute": 60, "hour": 3_600}
_DAYS_OF = {"day": 1, "week": 7, "month": 31, "quarter": 92, "year": 366}

_BOUNDS: Mapping[Group, tuple[str, ...]] = {
    Group.INDICATOR: ("timestamp",),
    Group.TICKS: ("timestamp",),
    Group.FUTURES_BARS: ("window_start",),
    Group.TICKERS: ("date",),
    Group.TICKER: ("date",),
    Group.CORP: ("execution_date", "ex_dividend_date", "record_date", "declaration_date", "pay_date"),
    Group.CONTRACTS: ("as_of", "expiration_date"),
    Group.NEWS: ("published_utc",),
    Group.FUND: ("period_of_report_date", "listing_date", "filing_date"),
}
_MARKET_OF_ENDPOINT = {
    "grouped_crypto": Market.CRYPTO,
    "grouped_forex": Market.FX,
    "open_close_crypto": Market.CRYPTO,
    "historic_crypto": Market.CRYPTO,
    "historic_forex": Market.FX,
    "last_crypto": Market.CRYPTO,
    "last_forex": Market.FX,
    "conversion": Market.FX,
    "snapshot_cryptos": Market.CRYPTO,
    "snapshot_crypto_movers": Market.CRYPTO,
    "snapshot_forexes": Market.FX,
    "snapshot_forex_movers": Market.FX,
    "snapshot_indices": Market.INDICES,
    "snapshot_chain": Market.OPTIONS,
    **{each.name: Market.FUTURES for each in ENDPOINTS if each.template.startswith("/futures/")},
}
_MIXED_MARKETS = frozenset({"snapshot", "summaries"})


@record
class Subject:
    """The market asked about, and the Unix seconds `[from_at, until_at)` an answer can speak of (infinite if open)."""

    market: Market
    from_at: float
    until_at: float

    def first_day(self, calendar: Calendar) -> date | None:
        """Return the market's first day asked about, or None when there is no such bound."""
        return None if not _EARLIEST <= self.from_at <= _LATEST else calendar.day_at(self.market, self.from_at)

    def last_day(self, calendar: Calendar) -> date | None:
        """Return the market's last day asked about, or None when there is no such bound; no day before 1906."""
        until_at = max(self.until_at, _EARLIEST)
        return None if until_at > _LATEST else calendar.day_at(self.market, until_at - _INSTANT)


def subject_of(request: VendorRequest, calendar: Calendar) -> Subject:
    """Return what `request` asks about."""
    market = _market(request)
    path = request.path_params
    group = request.endpoint.group
    if group is Group.BARS:
        unit = widening_for(path["multiplier"], path["timespan"])
        start, _ = _read_bound(path["from"], market, calendar)
        _, until = _read_bound(path["to"], market, calendar)
        return Subject(market, _or_never(start, -math.inf) - unit, _or_never(until, math.inf) + unit)
    if "date" in path:
        start, until = _read_bound(path["date"], market, calendar)
        return Subject(market, _or_never(start, -math.inf), _or_never(until, math.inf))
    bounds = _BOUNDS.get(group)
    if bounds is None:
        return Subject(market, -math.inf, math.inf)
    starts, untils = [-math.inf], [math.inf]
    params = asked_params(request)
    for name in bounds:
        low, high = _read_bounds(name, params, market, calendar)
        starts += low
        untils += high
    if group is Group.CONTRACTS and (expiry := _expiry(path.get("ticker", ""))) is not None:
        untils.append(calendar.day_start(market, expiry + _DAY))
    return Subject(market, max(starts), min(untils))


def asked_params(request: VendorRequest) -> dict[str, str]:
    """Return the query parameters as given, with those the vendor pinned in a page's cursor beside them."""
    given = dict(request.params)
    cursor = given.get("cursor")
    return {**_pinned(cursor), **given} if cursor else given


def bar_seconds(multiplier: str, timespan: str) -> float:
    """Return the length of one bar in seconds (months and longer at their longest); one day when it is unreadable."""
    times = int(multiplier) if multiplier.isdecimal() and len(multiplier) <= 6 else 1
    return times * float(_SECONDS_OF.get(timespan) or _DAYS_OF.get(timespan, 1) * 86_400)


def widening_for(multiplier: str, timespan: str) -> float:
    """Return how many seconds beyond its days a range may reach, because the vendor widens it to whole bars.

    A range of bars up to one day long ends with its last day; longer bars may begin before it and end after it.
    """
    length = bar_seconds(multiplier, timespan)
    return length - 86_400 if length > 86_400 else 0.0


def _market(request: VendorRequest) -> Market:
    name = request.endpoint.name
    known = _MARKET_OF_ENDPOINT.get(name)
    if known is not None:
        return known
    if name in _MIXED_MARKETS:
        return _liveliest((request.param("ticker.any_of") or request.param("ticker") or "").split(","))
    return market_of(request.path_params.get("ticker", ""))


def _liveliest(tickers: Iterable[str]) -> Market:
    """Return the market of a mixed list that is closed least, so that no member is taken for closed."""
    markets = {market_of(ticker) if ticker else Market.CRYPTO for ticker in tickers}
    for market in (Market.CRYPTO, Market.FX):
        if market in markets:
            return market
    return Market.STOCKS


def _read_bounds(
    name: str, params: Mapping[str, str], market: Market, calendar: Calendar
) -> tuple[list[float], list[float]]:
    starts, untils = [], []
    for suffix in ("", ".gt", ".gte"):
        start, _ = _read_bound(params.get(name + suffix, ""), market, calendar)
        starts += [] if start is None else [start]
    for suffix in ("", ".lte"):
        _, until = _read_bound(params.get(name + suffix, ""), market, calendar)
        untils += [] if until is None else [until]
    before, _ = _read_bound(params.get(name + ".lt", ""), market, calendar)
    untils += [] if before is None else [before]
    return starts, untils


def _read_bound(text: str, market: Market, calendar: Calendar) -> tuple[float | None, float | None]:
    """Return the first Unix second `text` names and the first after it: a whole day for a date, else one instant."""
    try:
        if _STAMP.match(text):
            at = int(text) / 1_000 ** ((len(text) - 9) // 3)
            return at, at + _INSTANT
        if _DATE.match(text):
            day = date.fromisoformat(text)
            return calendar.day_start(market, day), calendar.day_start(market, day + _DAY)
        if text:
            moment = datetime.fromisoformat(text)
            at = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
            return at, at + _INSTANT
    except (ValueError, OverflowError):
        return None, None
    return None, None


def _pinned(cursor: str) -> dict[str, str]:
    """Return the parameters the vendor pinned in a page's cursor; none when it is not what it used to be."""
    try:
        text = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True).decode("ascii")
    except ValueError:
        return {}
    return dict(parse_qsl(text))


def _expiry(ticker: str) -> date | None:
    match = _OPTION_EXPIRY.match(ticker)
    try:
        return None if match is None else date(2000 + int(match[1]), int(match[2]), int(match[3]))
    except ValueError:
        return None


def _or_never(at: float | None, never: float) -> float:
    return never if at is None else at
