"""What our API says about a price, made from what the vendor says. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

import msgspec

from stock_service.vendor.payloads import Bar

_LATEST = 7_258_118_400.0  # 2200-01-01; later instants are no instants
_MOST_MS = _LATEST * 1e3  # as nanoseconds that is two hours after 1970, so a unit cannot be taken for the other


class Quote(msgspec.Struct, frozen=True):
    """The latest price of one symbol, in its quote currency.

    `as_of` is when the vendor saw it, null when it does not say. `age_seconds` is the age of this answer itself.
    """

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
    as_of: str | None
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


class _Prices(msgspec.Struct):
    o: float | None = None
    h: float | None = None
    l: float | None = None  # noqa: E741 - the vendor's name
    c: float | None = None
    v: float | None = None


class _Trade(msgspec.Struct):
    p: float | None = None


_NOTHING = _Prices()


class Snapshot(msgspec.Struct, rename={"previous": "prevDay", "trade": "lastTrade", "minute": "min"}):
    """What the vendor's snapshot says of one ticker, as far as a quote needs it.

    `updated` is in nanoseconds for stocks and in milliseconds for currencies and coins.
    """

    ticker: str = ""
    day: _Prices | None = None
    previous: _Prices | None = None
    trade: _Trade | None = None
    minute: _Prices | None = None
    updated: float | None = None


def quote_of_snapshot(symbol: str, snapshot: Snapshot, origin: Provenance) -> Quote | None:
    """Return the quote in a snapshot, None when it holds no price."""
    day, minute = snapshot.day or _NOTHING, snapshot.minute or _NOTHING
    before = (snapshot.previous or _NOTHING).c
    price = (snapshot.trade.p if snapshot.trade else None) or minute.c or day.c or before
    if not price:
        return None
    updated = snapshot.updated or 0.0
    as_of = updated / (1e3 if updated < _MOST_MS else 1e9)
    # The vendor clears a snapshot to zeros before the session; a zero there is "not yet", not a price or a time.
    of_day = tuple(value or None for value in (day.o, day.h, day.l, day.v))
    return _quote(symbol, price, before, as_of if 0.0 < as_of < _LATEST else None, of_day, origin)


def quote_of_bars(symbol: str, bar: Bar, before: float | None, as_of: float, origin: Provenance) -> Quote:
    """Return the quote that a daily bar and the close before it make; `as_of` in Unix seconds."""
    return _quote(symbol, bar.c, before, as_of, (bar.o, bar.h, bar.l, bar.v), origin)


def _quote(
    symbol: str,
    price: float,
    before: float | None,
    as_of: float | None,
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
        as_of=None if as_of is None else iso_instant(as_of),
        age_seconds=origin.age,
        stale=origin.stale,
        source=origin.source,
    )


def iso_instant(wall: float) -> str:
    """Return Unix seconds as an ISO 8601 instant in UTC, to the millisecond."""
    return datetime.fromtimestamp(wall, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
