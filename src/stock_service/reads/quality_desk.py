"""Gathers what a report on the bars of one ticker needs: what the service holds, what the vendor says now, the splits.

Changes nothing: what is held stays as it is, so that the report can be made again. The vendor is asked as it stands,
past everything that is kept, and its request ids are noted: they are what its support asks for.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import date

from stock_service.base.clock import Clock
from stock_service.base.errors import BadRequest, NotFound, QuotaSpent, VendorFailed, VendorRefused
from stock_service.base.reply import Reply
from stock_service.cache.policy import Entitlement
from stock_service.cache.sizes import DAY_MS, BarSize
from stock_service.cache.splits import LISTS, read_splits, splits_of
from stock_service.market.calendar import Calendar
from stock_service.market.markets import Market, market_of
from stock_service.reads.bars_source import BarsSource
from stock_service.reads.quality import Changes, Gaps, SplitDay, compare, expected_starts, find_gaps, judge, told
from stock_service.reads.questions import Asking, Questions
from stock_service.reads.sources import Errand, Source
from stock_service.reads.spans import Every
from stock_service.reads.warm_plan import last_ended
from stock_service.upstream.call import Priority
from stock_service.vendor.links import follow_target
from stock_service.vendor.payloads import Bar, decode_bars, inspect_body
from stock_service.vendor.request import VendorRequest, bars_request, parse_request

BARS_MAX = 100_000
_CALL_FOR = 9.0


@dataclass(frozen=True, slots=True)
class Quality:
    """The report. `verdict` is one of client, cache, vendor, cache-and-vendor, unknown; `changes` is null when the
    vendor was not asked; `request_ids` are the vendor's, of its answers of just now.
    """

    symbol: str
    every: str
    adjusted: bool
    verdict: str
    told: str
    advice: str
    bars: int
    gaps: Gaps
    changes: Changes | None
    splits: list[SplitDay]
    request_ids: list[str]
    compared_until: str


@dataclass(frozen=True, slots=True)
class Span:
    """What the report is about: bars of one size from a first to a last day, both included."""

    symbol: str
    every: Every
    first: date
    last: date
    adjusted: bool


@dataclass(slots=True)
class _Vendor:
    """What the vendor answered just now."""

    bars: list[Bar] = field(default_factory=list)
    request_ids: list[str] = field(default_factory=list)


class QualityDesk:
    """Makes reports."""

    def __init__(
        self,
        *,
        questions: Questions,
        held: BarsSource,
        vendor: Source,
        calendar: Calendar,
        entitlement: Entitlement,
        clock: Clock,
        origins: frozenset[bytes],
    ) -> None:
        self._questions = questions
        self._held = held
        self._vendor = vendor
        self._calendar = calendar
        self._entitlement = entitlement
        self._clock = clock
        self._origins = origins

    async def report(self, span: Span, asking: Asking, *, comparing: bool) -> Quality:
        """Return the report; `comparing`: ask the vendor now, whatever is held.

        Raises:
            BadRequest: bars of that size cannot be checked against a calendar, or there are too many.
            ServiceError: the vendor cannot be asked.
        """
        size = BarSize(span.every.multiplier, span.every.timespan)
        if not size.kept or size.length_ms > DAY_MS:
            raise BadRequest("every", "cannot be checked against sessions", "use 1s to 4h, or 1d")
        request = bars_request(
            span.symbol,
            size.multiplier,
            size.timespan,
            span.first.isoformat(),
            span.last.isoformat(),
            adjusted=span.adjusted,
        )
        market = market_of(span.symbol)
        settled = self._calendar.settled_day(market, self._clock.wall())
        held, unheld = await self._held.held(request)
        _check_count(len(held))  # before anybody is asked: what the vendor has is hardly fewer
        splits = await self._splits(span, asking, market)
        vendor, changes = None, None
        if comparing:
            vendor = await self._ask_vendor(request, asking, span.symbol)
            until = int(self._calendar.day_start(market, min(settled, span.last)) * 1_000) + DAY_MS
            changes = await asyncio.to_thread(compare, held, vendor.bars, unheld, until, splits)
        bars = await self._served(request, asking, span.symbol) if vendor is None else vendor.bars
        gaps = await asyncio.to_thread(self._gaps, span, size, market, bars)
        verdict = judge(gaps, changes)
        sentence, advice = told(verdict, gaps, changes, splits)
        return Quality(
            span.symbol,
            f"{size.multiplier} {size.timespan}",
            span.adjusted,
            verdict.value,
            sentence,
            advice,
            len(bars),
            gaps,
            changes,
            splits,
            [] if vendor is None else vendor.request_ids,
            min(settled, span.last).isoformat(),
        )

    def _gaps(self, span: Span, size: BarSize, market: Market, bars: list[Bar]) -> Gaps:
        last = min(span.last, last_ended(self._calendar, market, self._clock.wall(), self._entitlement))
        expected = {
            session.day: expected_starts(session, int(self._calendar.day_start(market, session.day) * 1_000), size)
            for session in self._calendar.sessions_between(market, span.first, last)
        }
        return find_gaps((bar.t for bar in bars), expected, size)

    async def _served(self, request: VendorRequest, asking: Asking, symbol: str) -> list[Bar]:
        bars: list[Bar] = []
        async for page in self._questions.pages(request, asking, symbol):
            bars += page
            _check_count(len(bars))
        return bars

    async def _ask_vendor(self, request: VendorRequest, asking: Asking, symbol: str) -> _Vendor:
        found, following = _Vendor(), request
        while True:
            reply = await self._exchange(following, asking)
            if reply.status == 404:
                raise NotFound("symbol", symbol)
            if reply.status != 200:
                facts = inspect_body(reply.status, reply.content_type, reply.body)
                raise VendorRefused(reply.status, facts.error)
            page = await asyncio.to_thread(decode_bars, reply.body)
            found.bars += page.results
            found.request_ids.append(reply.request_id)
            _check_count(len(found.bars))
            if not page.next_url:
                return found
            target = follow_target(page.next_url, self._origins)
            if target is None or not page.results:
                raise VendorFailed("foreign-next-page")
            path, _, query = target.partition("?")
            following = parse_request(path, query)

    async def _exchange(self, request: VendorRequest, asking: Asking) -> Reply:
        """Ask the vendor, waiting for the budget as long as the asker's time allows."""

        def spend() -> None:
            asking.meter.vendor_calls += 1

        while True:
            now = self._clock.monotonic()
            deadline = min(asking.deadline, now + _CALL_FOR)
            errand = Errand(request, deadline, Priority.INTERACTIVE, force=True, spend=spend, edge=asking.wishes.edge)
            try:
                return (await self._vendor.fetch(errand)).reply
            except QuotaSpent as error:
                if now + error.retry_after >= asking.deadline:
                    raise
                await self._clock.sleep(error.retry_after)

    async def _splits(self, span: Span, asking: Asking, market: Market) -> list[SplitDay]:
        """Return the splits since the span began: each rescaled all adjusted bars before it."""
        if market is not Market.STOCKS:
            return []
        body = await self._split_list(span, asking)
        if body is None:
            return []
        splits, _ = read_splits(body)
        today = self._calendar.day_of(market, self._clock.wall())
        return [SplitDay(each.day.isoformat(), each.split_from, each.split_to) for each in splits if each.day <= today]

    async def _split_list(self, span: Span, asking: Asking) -> bytes | None:
        """Return the ticker's page of the first of the vendor's two lists there is, None if there is none."""
        for path in LISTS:
            with suppress(NotFound):
                request = splits_of(span.symbol, span.first, path)
                return (await self._questions.ask(request, asking.own(), "route", path)).entry.body
        return None


def _check_count(count: int) -> None:
    if count > BARS_MAX:
        raise BadRequest("to", f"is more than {BARS_MAX} bars after from", "look at a shorter span or at longer bars")
