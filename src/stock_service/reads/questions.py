"""Our own API's questions to the read path: one answer, or all pages of one, as decoded bodies.

A client error of the vendor becomes an error of the family here, because our API does not speak the vendor's bodies.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from stock_service.base.clock import Clock
from stock_service.base.errors import NotFound, QuotaSpent, VendorFailed, VendorRefused
from stock_service.cache.entry import GZIP_INLINE_BYTES, Entry
from stock_service.reads.read_path import Answer, Meter, ReadPath, Via
from stock_service.vendor.links import follow_target
from stock_service.vendor.payloads import Bar, BarsPage, decode_bars, inspect_body
from stock_service.vendor.request import VendorRequest, parse_request

_PAGES_MAX = 200  # ten million base bars: more than the vendor keeps of any ticker at any size we offer


@dataclass(frozen=True, slots=True)
class Whole:
    """All bars of a question. `age` is the oldest page's, in seconds; `stale` if any page was past its fresh time."""

    bars: list[Bar]
    age: int
    stale: bool


class Questions:
    """Asks the read path on behalf of our own API."""

    def __init__(self, reads: ReadPath, clock: Clock, origins: frozenset[bytes]) -> None:
        self._reads = reads
        self._clock = clock
        self._origins = origins

    async def ask(self, request: VendorRequest, meter: Meter, deadline: float, what: str, name: str) -> Answer:
        """Return the vendor's successful answer.

        Raises:
            NotFound: the vendor knows no such thing (`what`, `name`).
            VendorRefused: the vendor answered with another client error.
            ServiceError: whatever the read path raises.
        """
        answer = await self._reads.read(request, meter, deadline=deadline)
        entry = answer.entry
        if entry.status == 200:
            return answer
        if entry.status == 404:
            raise NotFound(what, name)
        facts = inspect_body(entry.status, entry.content_type.decode("ascii"), entry.body)
        raise VendorRefused(entry.status, facts.error)

    async def all_bars(self, request: VendorRequest, meter: Meter, deadline: float, symbol: str) -> Whole:
        """Return every page of a bars question, waiting for the vendor's quota between pages if it must.

        Raises:
            QuotaSpent: the quota frees no slot before `deadline`.
            VendorFailed: the vendor's pages never end, or a page is malformed.
        """
        bars: list[Bar] = []
        age, stale = 0, False
        following: VendorRequest | None = request
        for _ in range(_PAGES_MAX):
            if following is None:
                return Whole(bars, age, stale)
            answer = await self._patient(following, meter, deadline, symbol)
            page = await _decode(answer.entry)
            bars += page.results
            now = self._clock.monotonic()
            age = max(age, answer.entry.age(now))
            stale = stale or answer.via is Via.STALE or answer.entry.ttl(now) < 0
            following = self._next(page)
        raise VendorFailed("endless-pages")

    async def _patient(self, request: VendorRequest, meter: Meter, deadline: float, symbol: str) -> Answer:
        """Ask, and when the quota is spent wait for its next slot as long as `deadline` allows."""
        while True:
            try:
                return await self.ask(request, meter, deadline, "symbol", symbol)
            except QuotaSpent as error:
                if self._clock.monotonic() + error.retry_after >= deadline:
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
