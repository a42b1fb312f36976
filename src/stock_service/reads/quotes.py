"""The latest price of a symbol, and the mean of its last closes.

Prefers the vendor's snapshot. A plan without snapshots is answered from daily bars, and the refusal is remembered
for an hour, so that not every question costs a wasted call.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

import msgspec

from stock_service.base.clock import Clock
from stock_service.base.errors import NotFound, VendorFailed, VendorRefused
from stock_service.market.calendar import Calendar
from stock_service.market.markets import Market, market_of
from stock_service.reads.questions import Questions
from stock_service.reads.read_path import Answer, Meter, Source
from stock_service.vendor.payloads import Bar
from stock_service.vendor.request import ask, bars_request

SYMBOLS_MAX = 100
SESSIONS_MAX = 250
_REFUSED_FOR = 3600.0
_SNAPSHOTS = {
    Market.STOCKS: "/v2/snapshot/locale/us/markets/stocks/tickers",
    Market.FX: "/v2/snapshot/locale/global/markets/forex/tickers",
    Market.CRYPTO: "/v2/snapshot/locale/global/markets/crypto/tickers",
}


class Quote(msgspec.Struct, frozen=True):
    """The latest price of one symbol. Prices are in the quote currency; `age_seconds` is this answer's own age."""

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


class Average(msgspec.Struct, frozen=True):
    """Closing prices of the last sessions, oldest first, and their mean. `sessions` may be fewer than asked for."""

    symbol: str
    sessions: int
    average: float
    closes: list[Close]
    age_seconds: int
    stale: bool


class Close(msgspec.Struct, frozen=True):
    """The closing price of one session."""

    date: str
    close: float


class QuoteDesk:
    """Answers questions about prices of symbols."""

    def __init__(self, questions: Questions, calendar: Calendar, clock: Clock) -> None:
        self._questions = questions
        self._calendar = calendar
        self._clock = clock
        self._refused_until = 0.0

    async def quote(self, symbol: str, meter: Meter, deadline: float) -> Quote:
        """Return the latest price of `symbol`.

        Raises:
            NotFound: the vendor does not know it.
            ServiceError: the vendor could not be asked.
        """
        market = market_of(symbol)
        if market in _SNAPSHOTS and self._clock.monotonic() >= self._refused_until:
            request = ask(f"{_SNAPSHOTS[market]}/{symbol}")
            try:
                answer = await self._questions.ask(request, meter, deadline, "symbol", symbol)
                return self._from_snapshot(symbol, _member(answer, "ticker"), answer)
            except VendorRefused as refused:
                if refused.status != 403:
                    raise
                self._refused_until = self._clock.monotonic() + _REFUSED_FOR
        return await self._from_bars(symbol, meter, deadline)

    async def quotes(self, symbols: Sequence[str], meter: Meter, deadline: float) -> Quotes:
        """Return the latest price of every known symbol, in the order asked for.

        Raises:
            ServiceError: a symbol could not be answered for another reason than being unknown.
        """
        found = await asyncio.gather(
            *(self.quote(symbol, meter, deadline) for symbol in symbols), return_exceptions=True
        )
        quotes, missing = [], []
        for symbol, result in zip(symbols, found, strict=True):
            if isinstance(result, Quote):
                quotes.append(result)
            elif isinstance(result, NotFound):
                missing.append(symbol)
            else:
                raise result
        return Quotes(quotes, missing)

    async def average(self, symbol: str, sessions: int, meter: Meter, deadline: float) -> Average:
        """Return the closes of the last `sessions` finished sessions of `symbol` and their mean.

        Raises:
            NotFound: the vendor has no bar of it in that time.
            ServiceError: the vendor could not be asked.
        """
        whole_bars, age, stale = await self._daily(symbol, sessions, meter, deadline)
        closes = [Close(_day_of(self._calendar, symbol, bar).isoformat(), bar.c) for bar in whole_bars[-sessions:]]
        mean = sum(close.close for close in closes) / len(closes)
        return Average(symbol, len(closes), round(mean, 6), closes, age, stale)

    async def _from_bars(self, symbol: str, meter: Meter, deadline: float) -> Quote:
        bars, age, stale = await self._daily(symbol, 2, meter, deadline)
        last = bars[-1]
        before = bars[-2].c if len(bars) > 1 else None
        return Quote(
            symbol=symbol,
            price=last.c,
            **_change(last.c, before),
            open=last.o,
            high=last.h,
            low=last.l,
            volume=last.v,
            previous_close=before,
            session=self._phase(symbol),
            as_of=_iso(last.t / 1e3),
            age_seconds=age,
            stale=stale,
            source="daily-bars",
        )

    def _from_snapshot(self, symbol: str, ticker: dict[str, Any], answer: Answer) -> Quote:
        day, before = ticker.get("day") or {}, (ticker.get("prevDay") or {}).get("c")
        trade = ticker.get("lastTrade") or {}
        price = trade.get("p") or (ticker.get("min") or {}).get("c") or day.get("c") or before
        if price is None:
            raise NotFound("price", symbol)
        now = self._clock.monotonic()
        return Quote(
            symbol=symbol,
            price=price,
            **_change(price, before),
            open=day.get("o"),
            high=day.get("h"),
            low=day.get("l"),
            volume=day.get("v"),
            previous_close=before,
            session=self._phase(symbol),
            as_of=_iso(ticker.get("updated", 0) / 1e9),
            age_seconds=answer.entry.age(now),
            stale=answer.source is Source.STALE or answer.entry.ttl(now) < 0,
            source="snapshot",
        )

    async def _daily(self, symbol: str, sessions: int, meter: Meter, deadline: float) -> tuple[list[Bar], int, bool]:
        """Return at least the last `sessions` finished daily bars, with their age and whether they are stale."""
        last = self._last_finished(symbol)
        first = last - timedelta(days=sessions * 7 // 5 + 14)
        request = bars_request(symbol, 1, "day", first.isoformat(), last.isoformat())
        whole = await self._questions.all_bars(request, meter, deadline, symbol)
        if not whole.bars:
            raise NotFound("symbol", symbol)
        return whole.bars, whole.age, whole.stale

    def _last_finished(self, symbol: str) -> date:
        """Return the day of the last session that has ended, extended hours included."""
        market, wall = market_of(symbol), self._clock.wall()
        today = self._calendar.day_of(market, wall)
        session = self._calendar.session_of(market, today)
        if session is not None and session.ends_at <= wall:
            return today
        return self._calendar.previous_session(market, today).day

    def _phase(self, symbol: str) -> str:
        return self._calendar.phase(market_of(symbol), self._clock.wall()).value


def _member(answer: Answer, name: str) -> dict[str, Any]:
    try:
        member = msgspec.json.decode(answer.entry.body)[name]
    except (msgspec.DecodeError, KeyError, TypeError):
        raise VendorFailed("unexpected-shape") from None
    if not isinstance(member, dict):
        raise VendorFailed("unexpected-shape")
    return member


def _change(price: float, before: float | None) -> dict[str, float | None]:
    if not before:
        return {"change": None, "change_percent": None}
    return {"change": round(price - before, 6), "change_percent": round(100.0 * (price - before) / before, 4)}


def _day_of(calendar: Calendar, symbol: str, bar: Bar) -> date:
    return calendar.day_of(market_of(symbol), bar.t / 1e3)


def _iso(wall: float) -> str:
    return datetime.fromtimestamp(wall, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


