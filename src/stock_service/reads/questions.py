"""Our own API's questions to the read path: one answer, or all pages of one, as decoded bodies.

A client error of the vendor becomes an error of the family here, because our API does not speak the vendor's bodies.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass

from stock_service.base.clock import Clock
from stock_service.base.errors import NotFound, QuotaSpent, VendorFailed, VendorRefused
from stock_service.cache.entry import GZIP_INLINE_BYTES, Entry
from stock_service.reads.decide import ANY_WAY, Wishes
from stock_service.reads.read_path import Answer, Meter, ReadPath, Via
from stock_service.vendor.links import follow_target
from stock_service.vendor.payloads import Bar, BarsPage, Refusal, decode_bars, inspect_body
from stock_service.vendor.request import VendorRequest, parse_request

_PAGES_MAX = 200  # ten million base bars: more than the vendor keeps of any ticker at any size we offer


@dataclass(frozen=True, slots=True)
class Standing:
    """How good an answer is: seconds of age and of freshness left, whether the vendor was asked for it, and, when it
    is stale, why.
    """

    age: int
    ttl: int
    asked: bool
    stale: str = ""

    @property
    def is_stale(self) -> bool:
        """Whether it is past its fresh time."""
        return bool(self.stale) or self.ttl < 0

    def and_also(self, other: Standing) -> Standing:
        """Return the standing of an answer made of both."""
        return Standing(
            max(self.age, other.age), min(self.ttl, other.ttl), self.asked or other.asked, self.stale or other.stale
        )


@dataclass(slots=True)
class Asking:
    """One asker's question: who, until when (monotonic), with which wishes; and how good its answer is so far."""

    meter: Meter
    deadline: float
    wishes: Wishes = ANY_WAY
    standing: Standing | None = None

    def note(self, standing: Standing | None) -> None:
        """Take note that part of the answer stands like this."""
        if standing is not None:
            self.standing = standing if self.standing is None else self.standing.and_also(standing)

    def own(self) -> Asking:
        """Return a question of the same asker whose answer stands by itself."""
        return Asking(self.meter, self.deadline, self.wishes)


class Questions:
    """Asks the read path on behalf of our own API."""

    def __init__(self, reads: ReadPath, clock: Clock, origins: frozenset[bytes]) -> None:
        self._reads = reads
        self._clock = clock
        self._origins = origins

    async def ask(self, request: VendorRequest, asking: Asking, what: str, name: str) -> Answer:
        """Return the vendor's successful answer.

        Raises:
            NotFound: the vendor knows no such thing (`what`, `name`).
            VendorRefused: the vendor answered with another client error.
            ServiceError: whatever the read path raises.
        """
        answer = await self._reads.read(request, asking.meter, deadline=asking.deadline, wishes=asking.wishes)
        entry = answer.entry
        if entry.status == 200:
            asking.note(self._standing(answer))
            return answer
        if entry.status == 404:
            raise NotFound(what, name)
        facts = inspect_body(entry.status, entry.content_type.decode("ascii"), entry.body)
        too_early = facts.refusal is Refusal.BEFORE_END_OF_DAY
        raise VendorRefused(entry.status, facts.error, too_early=too_early)

    async def pages(self, request: VendorRequest, asking: Asking, symbol: str) -> AsyncIterator[list[Bar]]:
        """Yield the bars of every page of a question, waiting for the vendor's quota between pages if it must.

        Raises:
            QuotaSpent: the quota frees no slot before the deadline.
            VendorFailed: the vendor's pages never end, or a page is malformed.
        """
        following: VendorRequest | None = request
        for _ in range(_PAGES_MAX):
            if following is None:
                return
            answer = await self._patient(following, asking, symbol)
            page = await _decode(answer.entry)
            yield page.results
            following = self._next(page)
        raise VendorFailed("endless-pages")

    async def all_bars(self, request: VendorRequest, asking: Asking, symbol: str) -> list[Bar]:
        """Return every bar of a question that is known to have few; raises as `pages` does."""
        return [bar async for page in self.pages(request, asking, symbol) for bar in page]

    def _standing(self, answer: Answer) -> Standing:
        now = self._clock.monotonic()
        asked = answer.via in (Via.MISS, Via.COLLAPSED)
        return Standing(answer.entry.age(now), answer.entry.ttl(now), asked, answer.reason)

    async def _patient(self, request: VendorRequest, asking: Asking, symbol: str) -> Answer:
        """Ask, and when the quota is spent wait for its next slot as long as the deadline allows."""
        while True:
            try:
                return await self.ask(request, asking, "symbol", symbol)
            except QuotaSpent as error:
                if self._clock.monotonic() + error.retry_after >= asking.deadline:
                    raise
                await self._clock.sleep(error.retry_after)

    def _next(self, page: BarsPage) -> VendorRequest | None:
        if not page.next_url:
            return None
        target = follow_target(page.next_url, self._origins)
        if target is None:
            raise VendorFailed("foreign-next-page")
        path, _, query = target.partition("?")
        return parse_request(path, query)


async def _decode(entry: Entry) -> BarsPage:
    if len(entry.body) > GZIP_INLINE_BYTES:
        return await asyncio.to_thread(decode_bars, entry.body)
    return decode_bars(entry.body)
