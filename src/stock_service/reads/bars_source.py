"""Bars out of the series: what is known is served, what is missing is asked for and nothing else.

Drives the pure store: plan, fetch a gap, merge, plan again, until the question can be answered. Two questions that
miss the same span share one vendor call. What the series cannot answer goes to the vendor as it stands; and where the
vendor was asked for exactly the question's span and its one page says it all, the answer is that page as it came.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import replace
from hashlib import blake2b

from stock_service.base.clock import Clock
from stock_service.base.errors import ServiceError, VendorFailed
from stock_service.base.record import record
from stock_service.base.reply import Reply
from stock_service.cache.bar_lifetimes import judge_parts
from stock_service.cache.bar_questions import BarsQuestion, SeriesKey, ask_for, envelope, question_of
from stock_service.cache.chunks import BarsText, split_page
from stock_service.cache.entry import GZIP_INLINE_BYTES
from stock_service.cache.flight import Flights
from stock_service.cache.freshness import Lifetime
from stock_service.cache.marks import Mark, choose_marks
from stock_service.cache.outdated import Outdated
from stock_service.cache.policy import BEFORE_END_OF_DAY_FOR, Policy, before_end_of_day
from stock_service.cache.ranges import Span
from stock_service.cache.series import Gaps, Merged, Ready, answered_span
from stock_service.cache.series_store import SeriesStore
from stock_service.market.calendar import Calendar
from stock_service.reads.decide import may_fall_back, stale_reason
from stock_service.reads.fleet import Fleet
from stock_service.reads.sources import Brought, Errand, Source, Upstream
from stock_service.upstream.call import Priority
from stock_service.vendor.payloads import Bar, decode_bars
from stock_service.vendor.request import VendorRequest

PAGE_BARS = 50_000  # base bars: the vendor's largest page
_HOLES_MAX = 2
_PACKED_AT_ONCE = 6  # chunks, half a millisecond each
_ROUNDS_MAX = 64  # fetches for one answer; a page of bars needs one, a range full of holes a few
_SAME_MAX = 2  # a page whose fetch began before the ticker was given up is not taken: ask once more
_JSON = "application/json"
_ALL = 10**12  # bars: a span, not a page
_NOTHING, _AT_ONCE = Span(0, 0), Lifetime(0.0)


@record
class Filled:
    """What the vendor said about `span`.

    `whole`: the reply holds all its bars and no other, and all were taken over; they are in the order `descending`
    says, since a page of the fleet may have been asked for in the other one. `refused`: nothing was taken over. It
    speaks for `told`, and its longest part holds for `lifetime`: so long the fleet keeps it, and whoever reads it
    judges the parts anew.
    """

    span: Span
    reply: Reply
    whole: bool = False
    refused: bool = False
    descending: bool = False
    told: Span = _NOTHING
    lifetime: Lifetime = _AT_ONCE

    def answers(self, question: BarsQuestion) -> bool:
        """Return whether the reply, as it came, holds what `question` asks for, if that fits on one page."""
        return self.whole and (self.span, self.descending) == (question.span, question.descending)


class BarsSource:
    """Answers questions for bars from `store`, everything else from `beyond`."""

    def __init__(
        self,
        *,
        store: SeriesStore,
        beyond: Source,
        upstream: Upstream,
        gaps: Flights[Filled],
        policy: Policy,
        calendar: Calendar,
        clock: Clock,
        link_origin: str,
        fleet: Fleet,
        outdated: Outdated,
    ) -> None:
        self._store = store
        self._beyond = beyond
        self._upstream = upstream
        self._gaps = gaps
        self._policy = policy
        self._calendar = calendar
        self._clock = clock
        self._link_origin = link_origin
        self._fleet = fleet
        self._outdated = outdated

    async def fetch(self, errand: Errand) -> Brought:
        """Return the answer, asking the vendor for what is missing.

        Raises:
            ServiceError: something is missing, the vendor cannot be asked, and nothing stale may stand in.
        """
        question = question_of(errand.request)
        if question is None:
            return await self._beyond.fetch(errand)
        latest: Filled | None = None
        asked = errand.force
        read: set[str] = set()
        if errand.force:
            latest = await self._fill(question, question.span, errand)
        tried: list[tuple[Span, float]] = []
        while len(tried) < _ROUNDS_MAX:
            if latest is not None and latest.refused:
                return self._refusal(errand, latest.reply)
            planned = self._store.plan(question, self._clock.monotonic())
            wanted = planned.spans if isinstance(planned, Gaps) else self._renewals(planned, errand, asked=asked)
            if not wanted:
                assert isinstance(planned, Ready)  # a gap always names a span
                return await self._compose(errand, question, planned, latest, asked=asked)
            known = await self._recall(errand, question, wanted, read)
            if known:
                latest = next((each for each in known if each.span == question.span), latest)
                continue
            span = next_span(question, wanted)
            attempt = (span, self._outdated.counts_from(errand.request))
            if tried.count(attempt) >= _SAME_MAX:
                break  # its answer changes nothing: another call would not either
            tried.append(attempt)
            try:
                latest = await self._fill(question, span, errand)
                asked = True
            except ServiceError as error:
                planned = self._store.plan(question, self._clock.monotonic())  # it may be purged by now
                fallback = planned.fallback if isinstance(planned, Gaps) else planned
                if fallback is None or not may_fall_back(error):
                    raise
                return replace(
                    await self._compose(errand, question, fallback, latest, asked=asked), stale=stale_reason(error)
                )
        raise VendorFailed("endless-pages")

    async def cover(self, question: BarsQuestion, read: set[str], errand: Errand) -> Filled | None:
        """Get the first part of `question` that is missing or no longer fresh; None: there is none.

        Args:
            read: what the fleet has and was taken over already; grows.

        Raises:
            ServiceError: the vendor cannot be asked now.
        """
        wanted = self.missing(question)
        if not wanted:
            return None
        known = await self._recall(errand, question, wanted, read)
        return known[-1] if known else await self._fill(question, next_span(question, wanted), errand)

    async def held(self, request: VendorRequest) -> tuple[list[Bar], tuple[Span, ...]]:
        """Return the bars kept of a question for bars, and the spans that would be asked for before it is answered."""
        question = question_of(request)
        if question is None:
            return [], ()
        every = replace(question, limit=_ALL)
        unheld, text = self.missing(every), b",".join(self._store.slice(every).pieces)
        page = await asyncio.to_thread(decode_bars, b'{"results":[' + text + b"]}")
        return page.results, unheld

    def missing(self, question: BarsQuestion) -> tuple[Span, ...]:
        """Return what of `question` is not kept, or kept and no longer fresh."""
        planned = self._store.plan(question, self._clock.monotonic())
        return planned.spans if isinstance(planned, Gaps) else planned.refresh

    def _renewals(self, ready: Ready, errand: Errand, *, asked: bool) -> tuple[Span, ...]:
        """Return what to renew first: only the errand of a renewal waits for it."""
        return ready.refresh if errand.background and not asked else ()

    async def _recall(
        self, errand: Errand, question: BarsQuestion, wanted: tuple[Span, ...], read: set[str]
    ) -> list[Filled]:
        """Take over what the fleet has of `wanted` and had not been `read`; return what there was."""
        key = question.key
        counts_from = self._outdated.counts_from(errand.request)
        marks = [mark for mark in await self._fleet.marks(key.text) if mark.fetched_at >= counts_from]
        if not marks:
            return []
        chosen = choose_marks(marks, wanted, lambda span: self._store.known_at(key, span), read)
        read.update(mark.key for mark in chosen)
        found = await asyncio.gather(*(self._fleet.recall(mark.key, counts_from) for mark in chosen))
        known = []
        for mark, recalled in zip(chosen, found, strict=True):
            if recalled is None:
                continue
            with suppress(VendorFailed):  # what another release took for a page is worth a question of our own
                known.append(
                    await self._merge(key, mark.span, recalled.reply, recalled.kept_at, descending=mark.descending)
                )
        return known

    async def _fill(self, question: BarsQuestion, span: Span, errand: Errand) -> Filled:
        """Fetch bars of `span` into the store, unless the vendor refuses."""
        request = ask_for(question.key, span, descending=question.descending)

        async def ask() -> Filled:
            counts_from = self._outdated.counts_from(request)
            async with self._fleet.seat(request, errand.deadline, force=errand.force, counts_from=counts_from) as seat:
                if seat.recalled is not None:
                    recalled, kept_at = seat.recalled.reply, seat.recalled.kept_at
                    return await self._merge(question.key, span, recalled, kept_at, descending=question.descending)
                reply = await self._upstream.fetch(
                    request,
                    deadline=errand.deadline,
                    priority=errand.priority,
                    edge=errand.edge,
                    spend=errand.spend,
                )
                if reply.status != 200:
                    return Filled(span, reply, refused=not self._took_withheld(question, span, reply))
                now = self._clock.monotonic()
                filled = await self._merge(question.key, span, reply, now, descending=question.descending)
                mark = Mark(question.key.text, request.key, filled.told, question.descending, reply.fetched_at)
                seat.publish(reply, filled.lifetime, mark)
                return filled

        # A backfill is refused long before others are: nobody else's question may share its fate.
        flight = f"{request.key} {errand.priority.value}" if errand.priority is Priority.BACKFILL else request.key
        return (await self._gaps.join(flight, ask, errand.deadline)).value

    async def _merge(self, key: SeriesKey, span: Span, reply: Reply, kept_at: float, *, descending: bool) -> Filled:
        """Take a page of bars into the store; its promises count from `kept_at` (monotonic)."""
        if len(reply.body) > GZIP_INLINE_BYTES:
            page = await asyncio.to_thread(split_page, reply.body, key.size, descending=descending)
        else:
            page = split_page(reply.body, key.size, descending=descending)
        answered = answered_span(span, page, descending)
        if page.next_url and answered.start >= answered.stop:
            raise VendorFailed("endless-pages")  # a page that speaks for nothing would be asked for again for ever
        await self.make_room()
        wall, nothing = self._clock.wall() - (self._clock.monotonic() - kept_at), page.count == 0
        parts = judge_parts(self._policy, self._calendar, key.market, key.size, answered, wall, nothing=nothing)
        merged = self._store.merge(key, answered, page, parts, reply.fetched_at, kept_at)
        longest = max((lifetime for _, lifetime in parts), key=lambda each: each.fresh_for)
        whole = not page.next_url and page.within(span) and merged is Merged.TAKEN
        return Filled(span, reply, whole=whole, descending=descending, told=answered, lifetime=longest)

    def _took_withheld(self, question: BarsQuestion, span: Span, reply: Reply) -> bool:
        """Take over that the plan withholds the end of the question, the day that is not over; False for anything else.

        Asked for all of it, the vendor leaves that day out; asked for the missing day alone, it refuses.
        """
        if span.start <= question.span.start or not before_end_of_day(reply):
            return False
        now, lifetime = self._clock.monotonic(), Lifetime(BEFORE_END_OF_DAY_FOR)
        self._store.merge(question.key, span, BarsText({}, 0), [(span, lifetime)], reply.fetched_at, now)
        return True

    async def make_room(self) -> None:
        """Pack what is at rest, a few milliseconds at a time, so that the event loop keeps turning."""
        while self._store.crowded and self._store.pack_oldest(_PACKED_AT_ONCE):
            await self._clock.sleep(0)

    async def _compose(
        self, errand: Errand, question: BarsQuestion, ready: Ready, latest: Filled | None, *, asked: bool
    ) -> Brought:
        found, now = self._store.slice(question), self._clock.monotonic()
        if latest is not None and latest.answers(question) and found.next_at is None:
            reply = latest.reply
        else:
            body = b"".join(envelope(question, found, _request_id(errand), self._link_origin))
            reply = Reply(200, _JSON, body, min(ready.fetched_at, now), _request_id(errand))
        lifetime = self._lifetime(errand, reply, ready, now)
        return Brought(reply, lifetime, asked=asked, aged_from=ready.moving_at)

    def _lifetime(self, errand: Errand, reply: Reply, ready: Ready, now: float) -> Lifetime:
        """Return the promise of the whole: it holds as long as the part that expires first."""
        row = self._policy.judge_lifetime(errand.request, reply, self._clock.wall()) or Lifetime(0.0)
        return Lifetime(min(row.fresh_for, ready.fresh_until - now), row.stale_while_for, row.stale_error_for)

    def _refusal(self, errand: Errand, refused: Reply) -> Brought:
        return Brought(refused, self._policy.judge_lifetime(errand.request, refused, self._clock.wall()))


def next_span(question: BarsQuestion, wanted: tuple[Span, ...]) -> Span:
    """Return what to ask for first of the spans that are missing.

    Several holes are asked for as one where one page of the vendor holds them all, and when they are many: calls are
    dearer than bytes, and a range full of holes must never cost more calls than asking for it directly.
    """
    whole = Span(wanted[0].start, wanted[-1].stop)
    page_ms = PAGE_BARS * question.key.size.length_ms // question.key.size.base_bars
    if len(wanted) > _HOLES_MAX or whole.stop - whole.start <= page_ms:
        return whole
    return wanted[-1] if question.descending else wanted[0]


def _request_id(errand: Errand) -> str:
    """Return an id that stays the same while the bars do, so that the answer's ETag does too."""
    return blake2b(errand.request.key.encode(), digest_size=16).hexdigest()
