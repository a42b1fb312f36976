"""How high a ticker stands on a day: smooth noise of several wavelengths around a price of its own.

A pure function of seed, ticker and day; today's close and tomorrow's open meet. Levels are in today's shares, that is
after every split; `prices.py` multiplies the splits back in.
"""

from __future__ import annotations

import math
from datetime import date
from functools import lru_cache

from stock_service.simulator.dice import share
from stock_service.simulator.instruments import Contract, Instrument, contract_of, instrument_of, pair_of
from stock_service.simulator.sessions import Market

# Wavelength in days and swing as a share of the price.
_WAVES = ((700, 0.30), (180, 0.15), (45, 0.08), (11, 0.04), (3, 0.02), (1, 0.01))

_SWING = {Market.STOCKS: 1.0, Market.OPTIONS: 1.0, Market.INDICES: 0.5, Market.CRYPTO: 2.0, Market.FX: 0.15}

_GROWTH_PER_YEAR = 0.12
_GROWTH_ORIGIN = date(2026, 1, 1).toordinal()

# Prices people expect to see, roughly; every other ticker draws its own.
_EXPECTED = {
    "AAPL": 250.0,
    "AMZN": 220.0,
    "GOOG": 180.0,
    "GOOGL": 180.0,
    "IBM": 250.0,
    "META": 600.0,
    "MSFT": 450.0,
    "NVDA": 150.0,
    "QQQ": 520.0,
    "SPY": 600.0,
    "TSLA": 300.0,
    "C:AUDUSD": 0.66,
    "C:EURUSD": 1.09,
    "C:GBPUSD": 1.27,
    "C:USDAUD": 1.52,
    "C:USDJPY": 150.0,
    "I:DJI": 42_000.0,
    "I:NDX": 20_000.0,
    "I:SPX": 5_800.0,
    "I:VIX": 18.0,
    "X:BTCUSD": 80_000.0,
    "X:ETHUSD": 3_000.0,
    "X:SOLUSD": 150.0,
    "X:XRPUSD": 0.8,
}


def level_at(seed: int, instrument: Instrument, day: int) -> float:
    """The price at the beginning of the day `day` (ordinal), in units of its currency, never below 0.01."""
    contract = contract_of(instrument.ticker) if instrument.market is Market.OPTIONS else None
    if contract is not None:
        return _option_value(seed, contract, day)
    swing = _SWING[instrument.market]
    height = swing * sum(_wave(seed, instrument.ticker, length, size, day) for length, size in _WAVES)
    if instrument.market is Market.STOCKS:
        height += _GROWTH_PER_YEAR * (day - _GROWTH_ORIGIN) / 365.25
    return max(0.01, _expected(seed, instrument) * math.exp(height))


def _expected(seed: int, instrument: Instrument) -> float:
    if instrument.ticker in _EXPECTED:
        return _EXPECTED[instrument.ticker]
    drawn = share(seed, "price", instrument.ticker)
    if instrument.market is Market.FX:
        pair = pair_of(instrument.ticker.removeprefix("C:"))
        return 90.0 + 70.0 * drawn if pair is not None and pair[1] == "JPY" else 0.6 + 0.9 * drawn
    return float(10.0 * 40.0**drawn)


def _option_value(seed: int, contract: Contract, day: int) -> float:
    underlying = instrument_of(contract.underlying) or instrument_of(f"I:{contract.underlying}")
    spot = level_at(seed, underlying, day) if underlying is not None else contract.strike
    years = max(0, contract.expires.toordinal() + 1 - day) / 365.25
    intrinsic = spot - contract.strike if contract.kind == "call" else contract.strike - spot
    hope = 0.12 * spot * math.sqrt(years) * math.exp(-4.0 * abs(spot - contract.strike) / spot)
    return max(0.01, max(0.0, intrinsic) + hope)


def _wave(seed: int, ticker: str, length: int, size: float, day: int) -> float:
    cell, within = divmod(day, length)
    part = within / length
    smooth = part * part * (3.0 - 2.0 * part)
    here = _knot(seed, ticker, length, cell)
    return size * (here + smooth * (_knot(seed, ticker, length, cell + 1) - here))


@lru_cache(maxsize=20_000)
def _knot(seed: int, ticker: str, length: int, cell: int) -> float:
    return 2.0 * share(seed, "wave", ticker, length, cell) - 1.0
