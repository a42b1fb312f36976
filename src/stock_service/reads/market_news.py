"""What makes kept answers wrong before their time, asked once a day: splits and unscheduled closures.

Two small questions for the whole market, at 03:45 New York time, when the night's corrections are in and the first
session at a new scale has not begun; and at once, when something is kept for the first time. Between them the split
list is looked at every minute, because a split known for weeks comes into force at its own hour. A list that cannot be
had is asked for again in ten minutes; until then nothing changes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any

from stock_service.base.clock import Clock
from stock_service.base.errors import ServiceError, VendorFailed
from stock_service.base.events import Observer, RefreshFailed, Rescaled
from stock_service.cache.splits import LISTS, LOOK_BACK, Split, SplitTable, read_splits, recent_splits
from stock_service.market.calendar import Calendar
from stock_service.market.hours import NEW_YORK, instant
from stock_service.market.upcoming import read_closures
from stock_service.reads.purge import Purge, Swept
from stock_service.reads.sources import Errand, Source
from stock_service.upstream.call import Priority
from stock_service.vendor.links import follow_target
from stock_service.vendor.request import VendorRequest, ask, parse_request

LOOK_EVERY = 60.0
_ASK_AT = time(3, 45)
_AGAIN_AFTER = 600.0
_PAGES_MAX = 10
_LONG_AGO = float("-inf")


@dataclass(frozen=True, slots=True)
class NewsSettings:
    """`request_for`: seconds one question may take. `origins`: the vendor's own link origins."""

    request_for: float
    origins: frozenset[bytes]


class MarketNews:
    """Keeps the split table and the calendar up to date, and makes stale what they make wrong.

    Args:
        kept: says whether anything is kept that could be wrong; nobody is asked on behalf of an empty cache.
    """

    def __init__(
        self,
        *,
        source: Source,
        calendar: Calendar,
        purge: Purge,
        clock: Clock,
        observer: Observer,
        kept: Callable[[], bool],
        settings: NewsSettings,
    ) -> None:
        self._source = source
        self._calendar = calendar
        self._purge = purge
        self._clock = clock
        self._observer = observer
        self._kept = kept
        self._settings = settings
        self._splits = SplitTable()
        self._ask_at = _LONG_AGO  # both Unix seconds
        self._looked_at = _LONG_AGO
        self._asked_at: float | None = None

    async def keep(self) -> None:
        """Look at the turn of every minute, for ever."""
        while True:
            await self._clock.sleep(LOOK_EVERY - self._clock.wall() % LOOK_EVERY)
            await self.look()

    async def look(self) -> None:
        """Ask if it is time to, and make stale what has become wrong since the last look."""
        wall = self._clock.wall()
        if wall >= self._ask_at and self._kept():
            await self._ask(wall)
        moved = self._splits.moved(self._looked_at, wall)
        market_since = self._splits.market_since(wall)
        if moved:
            before = self._clock.monotonic() - wall
            since = {ticker: at + before for ticker, at in moved.items()}
            self._note(since, await self._purge.rescale(since, market_since + before))
        self._looked_at = wall

    def snapshot(self) -> dict[str, Any]:
        """Return what `/status` shows."""
        asked = None if self._asked_at is None else datetime.fromtimestamp(self._asked_at, NEW_YORK).isoformat()
        return {"tickers_with_splits": len(self._splits), "splits_asked_at": asked}

    def _note(self, since: Mapping[str, float], swept: Swept) -> None:
        if swept.entries or swept.series:
            self._observer.notify(Rescaled(len(since), swept.entries, swept.series))

    async def _ask(self, wall: float) -> None:
        today = datetime.fromtimestamp(wall, NEW_YORK).date()
        at = instant(today, _ASK_AT)
        self._ask_at = at if at > wall else instant(today + timedelta(days=1), _ASK_AT)
        try:
            splits = await self._all_splits(today)
            if splits is None:
                self._observer.notify(RefreshFailed("corp", "VendorRefused", self._ask_at - wall))
            else:
                self._splits.update(splits, today - LOOK_BACK, wall)
                self._asked_at = wall
            await self._closures()
        except ServiceError as error:
            self._ask_at = wall + _AGAIN_AFTER
            self._observer.notify(RefreshFailed("corp", type(error).__name__, _AGAIN_AFTER))

    async def _all_splits(self, today: date) -> list[Split] | None:
        """Return the splits of the market from the first of the vendor's two lists there is, None if there is none."""
        for path in LISTS:
            body = await self._body(recent_splits(today, path))
            if body is not None:
                return await self._pages(body)
        return None

    async def _pages(self, body: bytes | None) -> list[Split]:
        splits: list[Split] = []
        for _ in range(_PAGES_MAX):
            if body is None:
                break
            found, next_url = read_splits(body)
            splits += found
            if not next_url:
                return splits
            target = follow_target(next_url, self._settings.origins)
            if target is None:
                raise VendorFailed("foreign-next-page")
            path, _, query = target.partition("?")
            body = await self._body(parse_request(path, query))
        raise VendorFailed("endless-pages")

    async def _closures(self) -> None:
        body = await self._body(ask("/v1/marketstatus/upcoming"))
        if body is not None:
            closures = read_closures(body)
            self._calendar.learn(closures.closed, closures.early)

    async def _body(self, request: VendorRequest) -> bytes | None:
        """Return the answer's body, None when the vendor refuses the question itself."""
        deadline = self._clock.monotonic() + self._settings.request_for
        brought = await self._source.fetch(Errand(request, deadline, Priority.REFRESH, False, lambda: None, {}))
        if brought.stale:
            raise VendorFailed("stale")
        return brought.reply.body if brought.reply.status == 200 else None
