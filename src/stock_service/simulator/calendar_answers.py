"""Answers about when markets are open: status now, holidays ahead."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta

from stock_service.simulator.ask import Ask
from stock_service.simulator.sessions import NEW_YORK, Market, holidays_of, midnight_ms, ordinal_at, session_on
from stock_service.simulator.world import World

_AHEAD = timedelta(days=365)
_INDEX_GROUPS = ("s_and_p", "societe_generale", "cgi", "msci", "ftse_russell", "mstar", "mstarc", "cccy", "nasdaq")


def market_status(market: Market, now_ms: int) -> str:
    """`open`, `extended-hours` or `closed`."""
    ordinal = ordinal_at(market, now_ms)
    session = session_on(market, ordinal)
    minute = (now_ms - midnight_ms(market, ordinal)) // 60_000
    if session is None or not session.start <= minute < session.end:
        return "closed"
    return "open" if session.regular_start <= minute < session.regular_end else "extended-hours"


def status_now(world: World, ask: Ask) -> object:  # noqa: ARG001 - every answer has the same arguments
    """`/v1/marketstatus/now`"""
    stocks = market_status(Market.STOCKS, ask.now_ms)
    now = datetime.fromtimestamp(ask.now_ms // 1000, NEW_YORK)
    regular = "open" if stocks == "open" else "closed"
    early = stocks == "extended-hours" and now.hour < 12
    return {
        "afterHours": stocks == "extended-hours" and not early,
        "earlyHours": early,
        "currencies": {"crypto": "open", "fx": market_status(Market.FX, ask.now_ms)},
        "exchanges": {"nasdaq": stocks, "nyse": stocks, "otc": stocks},
        "indicesGroups": dict.fromkeys(_INDEX_GROUPS, regular) | {"dow_jones": regular},
        "market": stocks,
        "serverTime": now.isoformat(),
    }


def status_upcoming(world: World, ask: Ask) -> object:  # noqa: ARG001 - every answer has the same arguments
    """`/v1/marketstatus/upcoming`: a list at the top, unlike every other answer."""
    today = date.fromordinal(ordinal_at(Market.STOCKS, ask.now_ms))
    rows: list[Mapping[str, str]] = []
    for holiday in holidays_of(today.year) + holidays_of(today.year + 1):
        if not today <= holiday.day <= today + _AHEAD:
            continue
        for exchange in ("NASDAQ", "NYSE"):
            row = {"date": holiday.day.isoformat(), "exchange": exchange, "name": holiday.name}
            row["status"] = "early-close" if holiday.early else "closed"
            if holiday.early:
                row |= {"open": _utc(holiday.day, time(9, 30)), "close": _utc(holiday.day, time(13))}
            rows.append(row)
    return rows


def _utc(day: date, at: time) -> str:
    return datetime.combine(day, at, NEW_YORK).astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")
