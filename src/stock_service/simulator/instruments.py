"""What a ticker is: its market, its price scale, how busy it trades.

Decides from the ticker's spelling alone. A spelling no exchange uses (lower case, seven letters) is no instrument,
and neither is anything beginning with `ZZZ`, so that a test has an unknown ticker to ask for. Must never know prices.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date
from functools import lru_cache

from stock_service.simulator.dice import roll
from stock_service.simulator.sessions import Market
from stock_service.simulator.shapes import Density

DEFAULT_UNIVERSE = (
    *("AAPL", "ABBV", "AMD", "AMZN", "BAC", "COST", "CRM", "CSCO", "CVX", "DIS", "F", "GE", "GOOG", "GOOGL", "HD"),
    *("IBM", "INTC", "JNJ", "JPM", "KIMpL", "KO", "MA", "META", "MSFT", "NFLX", "NVDA", "ORCL", "PEP", "PFE", "PG"),
    *("QQQ", "SPY", "T", "TSLA", "UNH", "V", "VZ", "WMT", "XOM"),
    *("X:BTCUSD", "X:ETHUSD", "X:SOLUSD", "X:XRPUSD"),
    *("C:EURUSD", "C:GBPUSD", "C:USDJPY", "C:AUDUSD", "C:USDAUD"),
    *("I:SPX", "I:NDX", "I:DJI", "I:VIX"),
)
"""The tickers whole-market answers list. Every other well-spelt ticker exists too; it is just not listed."""

_DENSE = frozenset({"AAPL", "AMZN", "GOOG", "GOOGL", "META", "MSFT", "NVDA", "QQQ", "SPY", "TSLA"})

_STOCK = re.compile(r"[A-Z]{1,5}(?:\.[A-Z]{1,2}|p[A-Z]?|w|r|u)?")
_PAIR = re.compile(r"([A-Z]{3,6}?)-?([A-Z]{3})")
_INDEX = re.compile(r"[A-Z0-9]{1,10}")
_OPTION = re.compile(r"([A-Z]{1,6})(\d{2})(\d{2})(\d{2})([CP])(\d{8})")


@dataclass(frozen=True, slots=True)
class Instrument:
    """One tradable thing. Prices are whole numbers of `1 / scale`; volumes of `1 / lot`, in multiples of `grain`."""

    ticker: str
    market: Market
    scale: int
    lot: int
    grain: int
    density: Density


@dataclass(frozen=True, slots=True)
class Contract:
    """The terms an option's ticker spells out."""

    underlying: str
    expires: date
    kind: str
    strike: float


@lru_cache(maxsize=8192)
def instrument_of(ticker: str) -> Instrument | None:
    """The instrument of that name, None when no exchange could list it."""
    prefix, colon, name = ticker.partition(":")
    if not colon:
        if _STOCK.fullmatch(ticker) is None or ticker.startswith("ZZZ"):
            return None
        grain = 1 if roll("fractional", ticker) & 1 and ticker not in _DENSE else 10_000
        return Instrument(ticker, Market.STOCKS, 10_000, 10_000, grain, _density(ticker))
    if prefix == "X" and (pair := pair_of(name)) is not None:
        return Instrument(f"X:{''.join(pair)}", Market.CRYPTO, 10_000, 1_000_000, 1, Density.DENSE)
    if prefix == "C" and (pair := pair_of(name)) is not None:
        return Instrument(f"C:{''.join(pair)}", Market.FX, 100_000, 1, 1, Density.DENSE)
    if prefix == "I" and _INDEX.fullmatch(name) is not None:
        return Instrument(ticker, Market.INDICES, 10_000, 1, 1, Density.DENSE)
    if prefix == "O" and contract_of(ticker) is not None:
        return Instrument(ticker, Market.OPTIONS, 10_000, 1, 1, Density.THIN)
    return None


def pair_of(name: str) -> tuple[str, str] | None:
    """Base and quote of a currency pair spelt `BTCUSD` or `BTC-USD`."""
    found = _PAIR.fullmatch(name)
    return None if found is None or found[1] == "ZZZ" else (found[1], found[2])


@lru_cache(maxsize=8192)
def contract_of(ticker: str) -> Contract | None:
    """The terms of an option's ticker (`O:SPY251219C00650000`), None when it spells none."""
    found = _OPTION.fullmatch(ticker.removeprefix("O:"))
    if found is None:
        return None
    underlying, year, month, day, kind, strike = found.groups()
    try:
        expires = date(2000 + int(year), int(month), int(day))
    except ValueError:
        return None
    return Contract(underlying, expires, "call" if kind == "C" else "put", int(strike) / 1000)


def _density(ticker: str) -> Density:
    if ticker in _DENSE:
        return Density.DENSE
    return Density.SPARSE if len(ticker) >= 5 else Density.NORMAL
