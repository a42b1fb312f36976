"""Takes one whole-market day of the vendor apart into the daily bars of many stocks, if that is exact.

Exact is shown, not believed: on every day the bars of a few stocks that were asked for one by one are compared with
their rows byte for byte. A page that differs is dropped; one that cannot be compared is not used. A stock without a
row is not taken for one without a bar: it may be left out of whole-market answers. One whose bars were forgotten since
the day was fetched, which another process may have kept from before, is not taken out of it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from enum import Enum

from stock_service.base.clock import Clock
from stock_service.cache.bar_lifetimes import judge_parts
from stock_service.cache.bar_questions import BarsQuestion, SeriesKey, question_of
from stock_service.cache.chunks import split_page
from stock_service.cache.policy import Policy
from stock_service.cache.ranges import Span
from stock_service.cache.series_store import SeriesStore
from stock_service.cache.sizes import BarSize
from stock_service.market.calendar import Calendar
from stock_service.market.markets import Market
from stock_service.reads.grouped_bars import day_bars
from stock_service.reads.sources import Errand, Source
from stock_service.vendor.request import VendorRequest, ask, bars_request

DAILY = BarSize(1, "day")
_MERGED_AT_ONCE = 10  # a millisecond


class Taken(Enum):
    """What became of a whole-market day."""

    TAKEN = "taken"
    REFUSED = "refused"  # by the vendor
    UNPROVEN = "unproven"  # nobody to compare with
    DIFFERS = "differs"


@dataclass(frozen=True, slots=True)
class Began:
    """When the work began that a day is part of: monotonic and Unix seconds.

    All days of it are kept as if they had been fetched then, so that they are one span of knowledge and not hundreds.
    """

    at: float
    wall: float


class MarketDays:
    """Fills series of daily bars from whole-market days."""

    def __init__(
        self,
        *,
        source: Source,
        store: SeriesStore,
        make_room: Callable[[], Awaitable[None]],
        policy: Policy,
        calendar: Calendar,
        clock: Clock,
    ) -> None:
        """Take parts; `make_room` packs what is at rest in `store`, a little at a time."""
        self._source = source
        self._store = store
        self._make_room = make_room
        self._policy = policy
        self._calendar = calendar
        self._clock = clock

    async def take(
        self, day: date, tickers: Collection[str], witnesses: Sequence[str], began: Began, errand: Errand
    ) -> Taken:
        """Take the bars of `tickers` on `day` over, if the witnesses' bars agree.

        Args:
            day: a session day of the US stock market.
            errand: for `day_request(day)`.

        Raises:
            ServiceError: the vendor cannot be asked, or its answer has another shape.
        """
        brought = await self._source.fetch(errand)
        if brought.reply.status != 200:
            return Taken.REFUSED
        start, stop = (midnight_ms(self._calendar, each) for each in (day, day + timedelta(days=1)))
        bars = await asyncio.to_thread(day_bars, brought.reply.body, {*tickers, *witnesses}, start, stop)
        kept = [(bars[ticker], self._kept(ticker, day)) for ticker in witnesses if ticker in bars]
        compared = [row == bar for row, bar in kept if bar]
        if not compared:
            return Taken.UNPROVEN
        if not all(compared):
            return Taken.DIFFERS
        span = self._span(day)
        for number, ticker in enumerate(tickers):
            if ticker in bars and brought.reply.fetched_at >= self._store.counts_from(ticker):
                self._merge(SeriesKey(ticker, DAILY, adjusted=True), span, bars[ticker], began)
            if number % _MERGED_AT_ONCE == 0:
                await self._make_room()
                await self._clock.sleep(0)
        return Taken.TAKEN

    def _merge(self, key: SeriesKey, span: Span, bar: bytes, began: Began) -> None:
        page = split_page(b'{"results":[' + bar + b"]}", key.size)
        parts = judge_parts(self._policy, self._calendar, key.market, key.size, span, began.wall, nothing=False)
        self._store.merge(key, span, page, parts, began.at, began.at)

    def _kept(self, ticker: str, day: date) -> bytes:
        question = _day_question(ticker, day)
        return b",".join(self._store.slice(question).pieces)

    def _span(self, day: date) -> Span:
        """Return the day and the closed days on both sides of it, on which there can be no bar."""
        before = self._calendar.previous_session_day(Market.STOCKS, day) + timedelta(days=1)
        after = day + timedelta(days=1)
        while self._calendar.session_of(Market.STOCKS, after) is None:
            after += timedelta(days=1)
        return Span(midnight_ms(self._calendar, before), midnight_ms(self._calendar, after))


def midnight_ms(calendar: Calendar, day: date) -> int:
    """Return the Unix millisecond at which `day` begins for US stocks."""
    return int(calendar.day_start(Market.STOCKS, day) * 1_000)


def day_request(day: date) -> VendorRequest:
    """Return the question for the whole US stock market on `day`."""
    return ask(f"/v2/aggs/grouped/locale/us/market/stocks/{day.isoformat()}")


def _day_question(ticker: str, day: date) -> BarsQuestion:
    question = question_of(bars_request(ticker, 1, "day", day.isoformat(), day.isoformat()))
    assert question is not None  # daily bars are kept
    return question
