"""Whether the markets are open, from our own calendar: never a vendor call."""

from __future__ import annotations

import msgspec

from stock_service.market.calendar import Calendar
from stock_service.market.markets import Market
from stock_service.reads.quote import iso_instant


class MarketPhase(msgspec.Struct, frozen=True):
    """One market now. `phase` is pre, regular, post or closed; a market that never closes has no next change."""

    phase: str
    next_change_at: str | None
    next_phase: str | None


class MarketStatus(msgspec.Struct, frozen=True):
    """All markets at one instant. `assumed` is true in a year whose holidays the calendar does not know."""

    at: str
    assumed: bool
    markets: dict[str, MarketPhase]


def market_status(calendar: Calendar, wall: float) -> MarketStatus:
    """Return the state of every market at Unix second `wall`."""
    year = calendar.day_of(Market.STOCKS, wall).year
    return MarketStatus(
        at=iso_instant(wall),
        assumed=not calendar.supports(year),
        markets={market.value: _phase(calendar, market, wall) for market in Market},
    )


def _phase(calendar: Calendar, market: Market, wall: float) -> MarketPhase:
    turn = calendar.next_change(market, wall)
    return MarketPhase(
        phase=calendar.phase(market, wall).value,
        next_change_at=iso_instant(turn.at) if turn else None,
        next_phase=turn.phase.value if turn else None,
    )
