"""Which markets there are, which of them a ticker belongs to, and the phases of a trading day.

Decides nothing about time; `market/hours.py` says when a phase begins.
"""

from __future__ import annotations

from enum import Enum, StrEnum


class Market(StrEnum):
    """Markets that differ in their hours or in when their data is final."""

    STOCKS = "stocks"
    OPTIONS = "options"
    INDICES = "indices"
    FX = "fx"
    CRYPTO = "crypto"
    FUTURES = "futures"


class Phase(Enum):
    """What a market does at an instant. Markets without extended hours know `REGULAR` and `CLOSED` only."""

    PRE = "pre"
    REGULAR = "regular"
    POST = "post"
    CLOSED = "closed"

    @property
    def trading(self) -> bool:
        """Return whether prices move in this phase."""
        return self is not Phase.CLOSED


_PREFIXES = {"O:": Market.OPTIONS, "I:": Market.INDICES, "C:": Market.FX, "X:": Market.CRYPTO}


def market_of(ticker: str) -> Market:
    """Return the market a vendor ticker names by its prefix; a bare ticker is a US stock.

    Futures contracts carry no prefix either, so their market is known from the route, never from the ticker.
    """
    return _PREFIXES.get(ticker[:2], Market.STOCKS)
