"""The latest prices of symbols, and the mean of their last closes, for as few vendor calls as possible.

Several symbols of one market are one call. A plan without snapshots is answered from daily bars, many symbols from
the whole market's, and the refusal is remembered for an hour, so that not every question costs a wasted call.
What is said of the last finished session is said until the market moves on, however long its bars are good for.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import date, timedelta
from typing import TypeVar

import msgspec

from stock_service.base.clock import Clock
from stock_service.base.errors import NotFound, VendorFailed, VendorRefused
from stock_service.cache.policy import BEFORE_END_OF_DAY_FOR
from stock_service.market.calendar import Calendar
from stock_service.market.markets import Market, market_of
from stock_service.reads.questions import Asking, Questions, Standing
from stock_service.reads.quote import (
    Average,
    Close,
    Provenance,
    Quote,
    Quotes,
    Snapshot,
    quote_of_bars,
    quote_of_snapshot,
)
from stock_service.reads.read_path import Answer
from stock_service.vendor.payloads import Bar
from stock_service.vendor.request import ask, bars_request

T = TypeVar("T")

SYMBOLS_MAX = 100
SESSIONS_MAX = 250
_REFUSED_FOR = 3600.0
_NOT_IN_PLAN = 403
_SINGLY_MAX = 2  # from here on the whole market's day costs fewer calls than one question a symbol
_SNAPSHOTS = {
    Market.STOCKS: "/v2/snapshot/locale/us/markets/stocks/tickers",
    Market.FX: "/v2/snapshot/locale/global/markets/forex/tickers",
    Market.CRYPTO: "/v2/snapshot/locale/global/markets/crypto/tickers",
}


class _One(msgspec.Struct):
    ticker: Snapshot


class _Several(msgspec.Struct):
    tickers: list[Snapshot] | None = None


class _Grouped(msgspec.Struct):
    results: list[_GroupedBar] | None = None


class _GroupedBar(Bar):
    T: str = ""


class QuoteDesk:
    """Answers questions about prices of symbols."""

    def __init__(self, questions: Questions, calendar: Calendar, clock: Clock) -> None:
        self._questions = questions
        self._calendar = calendar
        self._clock = clock
        self._refused_until: dict[Market, float] = {}  # a plan may have one market's snapshots and not another's

    async def quote(self, symbol: str, asking: Asking) -> Quote:
        """Return the latest price of `symbol`.

        Raises:
            NotFound: the vendor does not know it.
            ServiceError: the vendor could not be asked.
        """
        market = market_of(symbol)
        if self._may_snapshot(market):
            try:
                answer = await self._questions.ask(ask(f"{_SNAPSHOTS[market]}/{symbol}"), asking, "symbol", symbol)
            except VendorRefused as refused:
                self._remember(refused, market)
            else:
                snapshot = _decoded(answer, _One).ticker
                quote = quote_of_snapshot(symbol, snapshot, self._provenance(asking, market, "snapshot"))
                if quote is None:
                    raise NotFound("price", symbol)
                return quote
        return await self._quote_of_bars(symbol, asking)

    async def quotes(self, symbols: Sequence[str], asking: Asking) -> Quotes:
        """Return the latest price of every known symbol, in the order asked for.

        Raises:
            ServiceError: the vendor could not be asked.
        """
        found: dict[str, Quote] = {}
        for market in dict.fromkeys(market_of(symbol) for symbol in symbols):
            of_market = [symbol for symbol in symbols if market_of(symbol) is market]
            found.update(await self._quotes_of_market(market, of_market, asking))
        return Quotes([found[s] for s in symbols if s in found], [s for s in symbols if s not in found])

    async def average(self, symbol: str, sessions: int, asking: Asking) -> Average:
        """Return the closes of the last `sessions` finished sessions of `symbol` and their mean.

        Raises:
            NotFound: the vendor has no bar of it in that time.
            ServiceError: the vendor could not be asked.
        """
        bars = await self._daily(symbol, sessions, asking)
        closes = [Close(self._day_of(symbol, bar).isoformat(), bar.c) for bar in bars[-sessions:]]
        mean = sum(close.close for close in closes) / len(closes)
        age, stale = _age_of(asking)
        return Average(symbol, len(closes), round(mean, 6), closes, age, stale)

    async def _quotes_of_market(self, market: Market, symbols: Sequence[str], asking: Asking) -> dict[str, Quote]:
        if self._may_snapshot(market):
            request = ask(_SNAPSHOTS[market], tickers=",".join(symbols))
            try:
                answer = await self._questions.ask(request, asking, "symbols", ",".join(symbols))
            except VendorRefused as refused:
                self._remember(refused, market)
            else:
                return self._quotes_of_list(market, symbols, answer, asking)
        if market is Market.STOCKS and len(symbols) > _SINGLY_MAX:
            return await self._quotes_of_day(symbols, asking)
        singles = await asyncio.gather(*(self._known(symbol, asking) for symbol in symbols))
        return {quote.symbol: quote for quote in singles if quote is not None}

    def _quotes_of_list(
        self, market: Market, symbols: Sequence[str], answer: Answer, asking: Asking
    ) -> dict[str, Quote]:
        wanted, origin = set(symbols), self._provenance(asking, market, "snapshot")
        quotes = {}
        for snapshot in _decoded(answer, _Several).tickers or ():
            symbol = snapshot.ticker
            quote = quote_of_snapshot(symbol, snapshot, origin) if symbol in wanted else None
            if quote is not None:
                quotes[symbol] = quote
        return quotes

    async def _quotes_of_day(self, symbols: Sequence[str], asking: Asking) -> dict[str, Quote]:
        """Answer many stocks from the whole market's last two days: two calls however many symbols."""
        last, today = await self._of_last(Market.STOCKS, lambda day: self._grouped(day, symbols, asking), asking)
        before = self._calendar.previous_session_day(Market.STOCKS, last)
        earlier = await self._grouped(before, symbols, asking)
        origin = self._provenance(asking, Market.STOCKS, "daily-bars")
        as_of = self._close_of(Market.STOCKS, last)
        return {
            symbol: quote_of_bars(symbol, bar, earlier[symbol].c if symbol in earlier else None, as_of, origin)
            for symbol, bar in today.items()
        }

    async def _grouped(self, day: date, symbols: Sequence[str], asking: Asking) -> dict[str, Bar]:
        request = ask(f"/v2/aggs/grouped/locale/us/market/stocks/{day.isoformat()}")
        answer = await self._questions.ask(request, asking, "day", day.isoformat())
        page = await asyncio.to_thread(_decoded, answer, _Grouped)
        wanted = set(symbols)
        return {bar.T: bar for bar in page.results or () if bar.T in wanted}

    async def _known(self, symbol: str, asking: Asking) -> Quote | None:
        own = asking.own()
        try:
            return await self._quote_of_bars(symbol, own)
        except NotFound:
            return None
        finally:
            asking.note(own.standing)

    async def _quote_of_bars(self, symbol: str, asking: Asking) -> Quote:
        bars = await self._daily(symbol, 2, asking)
        market = market_of(symbol)
        before = bars[-2].c if len(bars) > 1 else None
        as_of = self._close_of(market, self._day_of(symbol, bars[-1]))
        return quote_of_bars(symbol, bars[-1], before, as_of, self._provenance(asking, market, "daily-bars"))

    async def _daily(self, symbol: str, sessions: int, asking: Asking) -> list[Bar]:
        """Return daily bars that hold at least the last `sessions` finished sessions."""
        span = timedelta(days=sessions * 7 // 5 + 14)

        async def until(day: date) -> list[Bar]:
            request = bars_request(symbol, 1, "day", (day - span).isoformat(), day.isoformat())
            return await self._questions.all_bars(request, asking, symbol)

        _, bars = await self._of_last(market_of(symbol), until, asking)
        if not bars:
            raise NotFound("symbol", symbol)
        return bars

    async def _of_last(self, market: Market, tell: Callable[[date], Awaitable[T]], asking: Asking) -> tuple[date, T]:
        """Return the day of the last finished session and what `tell` says of it; it stands until the market moves on.

        A plan that gets a day at its end may not have it yet, hours after the session: then it is the day before.
        """
        wall, last, good_for = self._clock.wall(), self._last_finished(market), BEFORE_END_OF_DAY_FOR
        try:
            told = await tell(last)
            good_for = self._moves_on_at(market, wall) - wall
        except VendorRefused as refused:
            if not refused.too_early:
                raise
            last = self._calendar.previous_session_day(market, last)
            told = await tell(last)
        asking.note(Standing(age=0, ttl=int(good_for), asked=False))
        return last, told

    def _close_of(self, market: Market, day: date) -> float:
        """Return when the regular session of `day` closed, in Unix seconds: that is when its last price was made."""
        session = self._calendar.session_of(market, day)
        return self._calendar.day_start(market, day) if session is None else session.closes_at

    def _last_finished(self, market: Market) -> date:
        """Return the day of the last session that has ended, extended hours included."""
        wall = self._clock.wall()
        today = self._calendar.day_of(market, wall)
        session = self._calendar.session_of(market, today)
        if session is not None and session.ends_at <= wall:
            return today
        return self._calendar.previous_session_day(market, today)

    def _moves_on_at(self, market: Market, wall: float) -> float:
        """Return when another session may have finished, or the phase have changed, at the earliest."""
        tomorrow = self._calendar.day_of(market, wall) + timedelta(days=1)
        change = self._calendar.next_change(market, wall)
        midnight = self._calendar.day_start(market, tomorrow)
        return midnight if change is None else min(change.at, midnight)

    def _may_snapshot(self, market: Market) -> bool:
        return market in _SNAPSHOTS and self._clock.monotonic() >= self._refused_until.get(market, 0.0)

    def _remember(self, refused: VendorRefused, market: Market) -> None:
        """Note that the plan has no snapshots of `market`; any other refusal is the asker's to see."""
        if refused.status != _NOT_IN_PLAN:
            raise refused
        self._refused_until[market] = self._clock.monotonic() + _REFUSED_FOR

    def _provenance(self, asking: Asking, market: Market, source: str) -> Provenance:
        return Provenance(self._phase(market), *_age_of(asking), source)

    def _phase(self, market: Market) -> str:
        return self._calendar.phase(market, self._clock.wall()).value

    def _day_of(self, symbol: str, bar: Bar) -> date:
        return self._calendar.day_of(market_of(symbol), bar.t / 1e3)


def _age_of(asking: Asking) -> tuple[int, bool]:
    standing = asking.standing
    assert standing is not None  # something was answered
    return standing.age, standing.is_stale


def _decoded(answer: Answer, shape: type[T]) -> T:
    try:
        return msgspec.json.decode(answer.entry.body, type=shape)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise VendorFailed("unexpected-shape") from None
