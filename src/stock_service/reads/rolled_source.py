"""Longer bars out of kept shorter ones, where that saves a vendor call: an option, and marked in the answer.

Only when the series of the asked size cannot answer and that of the shorter bars can, all of it and freshly. Whatever
else is asked goes on to the source behind.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from hashlib import blake2b

import msgspec

from stock_service.base.clock import Clock
from stock_service.base.reply import Reply
from stock_service.cache.bar_questions import BarsQuestion, SeriesKey, envelope, question_of
from stock_service.cache.freshness import Lifetime
from stock_service.cache.policy import Policy
from stock_service.cache.rollup import finer_size, roll_up, whole_span
from stock_service.cache.series import Ready, Slice
from stock_service.cache.series_store import SeriesStore
from stock_service.reads.sources import Brought, Errand, Source

_BARS_MAX = 50_000  # shorter bars behind one answer: more take longer than a vendor call


class RolledSource:
    """Answers what it can from `store`, everything else from `beyond`."""

    def __init__(self, *, store: SeriesStore, beyond: Source, policy: Policy, clock: Clock, link_origin: str) -> None:
        self._store = store
        self._beyond = beyond
        self._policy = policy
        self._clock = clock
        self._link_origin = link_origin

    async def fetch(self, errand: Errand) -> Brought:
        """Return an answer made of shorter bars, or what the source behind brings.

        Raises:
            ServiceError: as the source behind.
        """
        question = None if errand.force else question_of(errand.request)
        if question is not None and not isinstance(self._store.plan(question, self._clock.monotonic()), Ready):
            rolled = await self._roll(errand, question)
            if rolled is not None:
                return rolled
        return await self._beyond.fetch(errand)

    async def _roll(self, errand: Errand, question: BarsQuestion) -> Brought | None:
        key, now = question.key, self._clock.monotonic()
        size = finer_size(key.size)
        if size is None:
            return None
        span = whole_span(key.size, key.market, question.span)
        finer = BarsQuestion(
            SeriesKey(key.ticker, size, key.adjusted), span, question.first, question.last, limit=_BARS_MAX
        )
        ready = self._store.plan(finer, now)
        if not isinstance(ready, Ready) or ready.refresh:
            return None
        found = self._store.slice(finer)
        if found.next_at is not None or not found.count:
            return None
        try:
            bars = await asyncio.to_thread(roll_up, b",".join(found.pieces), key.size, key.market)
        except msgspec.DecodeError:
            return None
        if len(bars) > question.bars_max:
            return None
        pieces = bars[::-1] if question.descending else bars
        name = blake2b(errand.request.key.encode(), digest_size=16).hexdigest()
        body = b"".join(envelope(question, Slice(pieces, len(pieces), None), name, self._link_origin))
        reply = Reply(200, "application/json", body, ready.fetched_at, name)
        row = self._policy.judge_lifetime(errand.request, reply, self._clock.wall()) or Lifetime(0.0)
        lifetime = replace(row, fresh_for=min(row.fresh_for, ready.fresh_until - now))
        return Brought(reply, lifetime, asked=False, aged_from=ready.moving_at, derived=True)
