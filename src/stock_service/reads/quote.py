"""What our API says about a price, made from what the vendor says. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import msgspec

from stock_service.vendor.payloads import Bar


class Quote(msgspec.Struct, frozen=True):
    """The latest price of one symbol, in its quote currency. `age_seconds` is the age of this answer itself."""

    symbol: str
    price: float
    change: float | None
    change_percent: float | None
    open: float | None
    high: float | None
    low: float | None
    volume: float | None
    previous_close: float | None
    session: str
    as_of: str
    age_seconds: int
    stale: bool
    source: str


class Quotes(msgspec.Struct, frozen=True):
    """Several quotes; `missing` lists the symbols the vendor does not know."""

    quotes: list[Quote]
    missing: list[str]


class Close(msgspec.Struct, frozen=True):
    """The closing price of one session."""

    date: str
    close: float


class Average(msgspec.Struct, frozen=True):
    """Closing prices of the last sessions, oldest first, and their mean. `sessions` may be fewer than asked for."""

    symbol: str
    sessions: int
    average: float
    closes: list[Close]
    age_seconds: int
    stale: bool


@dataclass(frozen=True, slots=True)
class Provenance:
    """Where a price came from: the session it was asked in, the answer's age in seconds, and the vendor's source."""

    session: str
    age: int
    stale: bool
    source: str


def quote_of_snapshot(symbol: str, ticker: dict[str, Any], origin: Provenance) -> Quote | None:
    """Return the quote in a `ticker` member of a snapshot, None when it holds no price."""
    day, before = ticker.get("day") or {}, (ticker.get("prevDay") or {}).get("c")
    trade, minute = ticker.get("lastTrade") or {}, ticker.get("min") or {}
    price = trade.get("p") or minute.get("c") or day.get("c") or before
    if not price:
        return None
    as_of = (ticker.get("updated") or 0) / 1e9
    # The vendor clears a snapshot to zeros before the session; a zero there is "not yet", not a price.
    return _quote(symbol, price, before, as_of, tuple(day.get(name) or None for name in "ohlv"), origin)


def quote_of_bars(symbol: str, bar: Bar, before: float | None, as_of: float, origin: Provenance) -> Quote:
    """Return the quote that a daily bar and the close before it make; `as_of` in Unix seconds."""
    return _quote(symbol, bar.c, before, as_of, (bar.o, bar.h, bar.l, bar.v), origin)


def _quote(
    symbol: str,
    price: float,
    before: float | None,
    as_of: float,
    day: tuple[float | None, ...],
    origin: Provenance,
) -> Quote:
    return Quote(
        symbol=symbol,
        price=price,
        change=round(price - before, 6) if before else None,
        change_percent=round(100.0 * (price - before) / before, 4) if before else None,
        open=day[0],
        high=day[1],
        low=day[2],
        volume=day[3],
        previous_close=before,
        session=origin.session,
        as_of=iso_instant(as_of),
        age_seconds=origin.age,
        stale=origin.stale,
        source=origin.source,
    )


def iso_instant(wall: float) -> str:
    """Return Unix seconds as an ISO 8601 instant in UTC, to the millisecond."""
    return datetime.fromtimestamp(wall, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
