"""Stock splits and the arithmetic of `adjusted`.

Decides which splits a ticker had and what they do to a bar. `adjusted` means splits only; a bar is divided by every
split executed after its day and known by the instant of asking, prices to four decimals, volume the other way
(facts.md 1.3). Pure. Must never be applied to options, indices, crypto or currencies.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from fractions import Fraction
from functools import lru_cache

from stock_service.simulator.dice import roll


@dataclass(frozen=True, slots=True)
class Split:
    """`split_from` old shares became `split_to` new ones before the opening of `execution_date`."""

    ticker: str
    execution_date: date
    split_from: int
    split_to: int

    @property
    def ratio(self) -> Fraction:
        """New shares per old share."""
        return Fraction(self.split_to, self.split_from)


# Public record since 2000: the splits of tickers people try first, so that real daily bars adjust as in the real world.
_KNOWN: dict[str, tuple[tuple[str, int, int], ...]] = {
    "AAPL": (
        ("2000-06-21", 1, 2),
        ("2005-02-28", 1, 2),
        ("2014-06-09", 1, 7),
        ("2020-08-31", 1, 4),
    ),
    "AMZN": (("2022-06-06", 1, 20),),
    "FB": (),
    "GOOG": (("2014-03-27", 1000, 2002), ("2022-07-18", 1, 20)),
    "GOOGL": (("2014-04-03", 1000, 1998), ("2022-07-18", 1, 20)),
    "IBM": (),
    "META": (),
    "MSFT": (("2003-02-18", 1, 2),),
    "NFLX": (("2015-07-15", 1, 7), ("2025-11-17", 1, 10)),
    "NVDA": (
        ("2000-06-27", 1, 2),
        ("2001-09-10", 1, 2),
        ("2006-04-07", 1, 2),
        ("2007-09-11", 2, 3),
        ("2021-07-20", 1, 4),
        ("2024-06-10", 1, 10),
    ),
    "SPY": (),
    "TSLA": (("2020-08-31", 1, 5), ("2022-08-25", 1, 3)),
}

_RATIOS = ((1, 2), (1, 2), (1, 3), (2, 3), (1, 4), (10, 1))


@lru_cache(maxsize=4096)
def splits_of(seed: int, ticker: str) -> tuple[Split, ...]:
    """Every split of a stock, past and to come, oldest first. Famous tickers have their real ones."""
    if ticker in _KNOWN:
        return tuple(Split(ticker, date.fromisoformat(day), *ratio) for day, *ratio in _KNOWN[ticker])
    chance = roll(seed, "splits", ticker)
    if chance & 3:
        return ()
    first = date(2010, 1, 4).toordinal() + (chance >> 8) % 6000
    day = date.fromordinal(first - (date.fromordinal(first).weekday()))  # a Monday
    return (Split(ticker, day, *_RATIOS[(chance >> 32) % len(_RATIOS)]),)


def factor_after(splits: tuple[Split, ...], ordinal: int, known_on: int) -> Fraction:
    """What a raw price of day `ordinal` is divided by, seen from day `known_on` (both ordinals)."""
    factor = Fraction(1)
    for split in splits:
        if ordinal < split.execution_date.toordinal() <= known_on:
            factor *= split.ratio
    return factor


def divide_rounded(value: int, factor: Fraction) -> int:
    """`value / factor` to the nearest whole number; a half goes up."""
    divisor = factor.numerator
    return (2 * value * factor.denominator + divisor) // (2 * divisor)
