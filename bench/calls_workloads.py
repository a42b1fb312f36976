"""Four ways of working with prices, as questions at instants."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from stock_service.market.hours import NEW_YORK

_TILE_EVERY = 120.0


@dataclass(frozen=True, slots=True)
class Step:
    """One question at one instant; its pages are followed."""

    at: float
    target: str
    kind: str


@dataclass(frozen=True, slots=True)
class Tile:
    """One question repeated every so many seconds over `[begin, end)`."""

    target: str
    kind: str
    every: float
    begin: float
    end: float


def notebook(limit: str) -> Iterator[Step]:
    """Five people, two days: parts of the last year's minutes of two tickers, half of them up to now."""
    chance = random.Random(4)
    for day in (date(2026, 11, 17), date(2026, 11, 18)):
        moments = sorted(chance.randrange(9 * 3600, 17 * 3600) for _ in range(30))
        for moment in moments:
            last = day if chance.random() < 0.5 else day - timedelta(days=chance.randrange(200))
            first = max(date(2025, 11, 18), last - timedelta(days=chance.choice((20, 60, 180, 365))))
            ticker = chance.choice(("AAPL", "MSFT"))
            path = f"/v2/aggs/ticker/{ticker}/range/1/minute/{first}/{last}{limit}"
            yield Step(_ny(day) + moment, path, "bars/minute")


def nightly(limit: str) -> Iterator[Step]:
    """Four tickers, two years of minutes up to yesterday, at 13:00 on four days."""
    for day in (date(2026, 11, 17), date(2026, 11, 18), date(2026, 11, 19), date(2026, 11, 20)):
        for number, ticker in enumerate(("AAPL", "MSFT", "IBM", "KO")):
            path = f"/v2/aggs/ticker/{ticker}/range/1/minute/2024-11-18/{day - timedelta(days=1)}{limit}"
            yield Step(_ny(day) + 13 * 3600 + number, path, "bars/minute")


def scanner() -> Iterator[Step]:
    """5,000 tickers, two weeks of days up to yesterday, three times on each of two mornings."""
    for day in (date(2026, 11, 18), date(2026, 11, 19)):
        for hour in (8, 10, 12.5):
            for number in range(5_000):
                ticker = "".join(chr(65 + number // 26**place % 26) for place in range(3)) + "X"
                path = f"/v2/aggs/ticker/{ticker}/range/1/day/{day - timedelta(days=14)}/{day - timedelta(days=1)}"
                yield Step(_ny(day) + hour * 3600 + number // 20, path, "bars/day")


def dashboard() -> list[Tile]:
    """200 tiles renewed every two minutes from Thursday 04:00 to Monday 04:00: company, next dividend, the year's days
    up to yesterday, previous close; and today's prices of all of them in one list every ten seconds.
    """
    tickers = [f"T{chr(65 + number // 26)}{chr(65 + number % 26)}" for number in range(200)]
    begin, end = _ny(date(2026, 11, 12)) + 4 * 3600, _ny(date(2026, 11, 16)) + 4 * 3600
    prices = f"/v2/snapshot/locale/us/markets/stocks/tickers?tickers={','.join(tickers)}"
    tiles = [Tile(prices, "snap_stk/list", 10.0, begin, end)]
    for ticker in tickers:
        tiles.append(Tile(f"/v3/reference/tickers/{ticker}", "ticker", _TILE_EVERY, begin, end))
        tiles.append(Tile(f"/v3/reference/dividends?ticker={ticker}", "corp", _TILE_EVERY, begin, end))
        tiles.append(Tile(f"/v2/aggs/ticker/{ticker}/prev", "prev", _TILE_EVERY, begin, end))
        for day in range(5):  # the URL of the year's days changes at midnight
            midnight = _ny(date(2026, 11, 12) + timedelta(days=day))
            span = f"2025-11-12/{date(2026, 11, 11) + timedelta(days=day)}"
            tiles.append(
                Tile(
                    f"/v2/aggs/ticker/{ticker}/range/1/day/{span}",
                    "bars/day",
                    _TILE_EVERY,
                    max(begin, midnight),
                    min(end, _ny(date(2026, 11, 13) + timedelta(days=day))),
                )
            )
    return tiles


def _ny(day: date) -> float:
    return datetime(day.year, day.month, day.day, tzinfo=NEW_YORK).timestamp()
