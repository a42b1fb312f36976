"""The caches that are compared: ours, whole, on a clock that is moved; and those that know only a lifetime."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache

from bench.calls_vendor import CALENDAR, ORIGIN, answer
from stock_service.base.events import Silent
from stock_service.cache.lifetimes import TABLE
from stock_service.config.load import load_settings
from stock_service.market.hours import NEW_YORK
from stock_service.market.markets import Market
from stock_service.upstream.client import Exchange
from stock_service.vendor.request import parse_request
from stock_service.wiring.build import build_service
from tests.support.asgi import Browser
from tests.support.clock import ManualClock, settle

_ASOF = re.compile(rb'"asof":(\d+)')
_NEXT = re.compile(rb'"next_url":"([^"]+)"')
_HOST = "http://gw.example:8080"
_NIGHT_FROM, _NIGHT_UNTIL = 20, 4.5  # hours in New York between which `prev` may move on


@dataclass(slots=True)
class Cost:
    """What a cache cost, and the oldest it served of what may still change."""

    calls: int = 0
    bytes: int = 0
    answers: int = 0
    oldest: float = 0.0
    too_old: int = 0

    def serve(self, kind: str, asof: float | None, now: float) -> None:
        """Take note of an answer."""
        self.answers += 1
        if asof is None:
            return
        self.oldest = max(self.oldest, now - asof)
        self.too_old += now > promised_until(kind, asof)


def promised_until(kind: str, asof: float) -> float:
    """Return until when an answer made at `asof` may be served: the rules of docs/freshness.md."""
    if kind == "prev":
        local = datetime.fromtimestamp(asof, NEW_YORK)
        hour = local.hour + local.minute / 60
        evening = local.date() if hour >= _NIGHT_FROM else local.date() - timedelta(days=1)
        night = not _NIGHT_UNTIL <= hour < _NIGHT_FROM
        kind = "prev/rolling" if night and CALENDAR.session_of(Market.STOCKS, evening) else "prev"
    row = TABLE[kind]
    trading = CALENDAR.phase(Market.STOCKS, asof).trading
    fresh_until = asof + (row.open_for[0] if trading else row.closed_for)
    if not trading and kind.startswith(("bars", "snap")):
        fresh_until = min(fresh_until, CALENDAR.next_trading(Market.STOCKS, asof))
    return fresh_until + row.stale_while_for + 1.0  # stamps are whole seconds


class Lifetimes:
    """A cache that keeps each URL for one lifetime: nginx's `proxy_cache`, or a script's."""

    def __init__(self, keeps_for: float) -> None:
        self.keeps_for = keeps_for
        self.cost = Cost()
        self._kept: dict[str, tuple[float, float | None, str]] = {}

    def kept_until(self, fetched_at: float) -> float:
        """Return until when an answer is given: nginx counts whole seconds and takes the last one too."""
        return int(fetched_at) + self.keeps_for + 1.0

    def ask(self, target: str, kind: str, now: float) -> str:
        """Answer one URL; return the next page's, if there is one."""
        kept = self._kept.get(target)
        if kept is None or now >= self.kept_until(kept[0]):
            page = answer(target, now)
            self.cost.calls += 1
            self.cost.bytes += len(page.body)
            kept = self._kept[target] = (now, page.asof, page.next_target)
        self.cost.serve(kind, kept[1], now)
        return kept[2]


class Ours:
    """The whole service, its clock moved by the workload."""

    def __init__(self, start: float, cache: str = "64MiB") -> None:
        self.clock = ManualClock(1_000_000.0, start)
        self.cost = Cost()
        flags = {
            "upstream.url": ORIGIN,
            "upstream.api_key": "k",
            "quota.calls": 1_000_000,
            "quota.per": "1s",
            "cache.max_bytes": cache,
        }
        self._service = build_service(load_settings(env={}, flags=flags).settings, Silent(), lambda: 0, self.clock)
        self._service._upstream._client._client = self
        self._browser = Browser(self._service.app)
        self._memory = self._service._reads._memory
        self._looked_at = start

    async def exchange(
        self,
        target: str,
        *,
        accept: str,
        within: float,
        edge: Mapping[str, str] | None = None,
    ) -> Exchange:
        """Be the vendor, and count."""
        page = answer(target, self.clock.wall())
        self.cost.calls += 1
        self.cost.bytes += len(page.body)
        return Exchange(200, "application/json", page.body, "x")

    async def aclose(self) -> None:
        """There is no connection."""

    async def move(self, now: float) -> None:
        """Let time pass; the chores look at the market every minute."""
        self.clock.shift(now - self.clock.wall())
        if now - self._looked_at >= 60.0:
            self._looked_at = now
            await self._service.look_at_market()

    async def ask(self, target: str, kind: str) -> str:
        """Answer one URL; return the next page's."""
        got = await self._browser.get(target)
        assert got.status == 200, got.body
        self.cost.serve(kind, asof_of(got.body), self.clock.wall())
        if "; hit" in got.headers["cache-status"]:
            await settle(3)  # a renewal behind the answer
        found = _NEXT.search(got.body[-400:])
        return "" if found is None else found[1].decode().removeprefix(_HOST)

    def hit_until(self, target: str) -> tuple[float, float | None]:
        """Return until when `target` is answered from memory and no call is due, and what that answer is as of."""
        entry = self._memory.peek(_key_of(target))
        if entry is None:
            return 0.0, None
        return entry.fresh_until - self.clock.monotonic() + self.clock.wall(), asof_of(entry.body)

    @property
    def evictions(self) -> int:
        """How many answers had to make way."""
        return self._memory.evictions


@lru_cache(maxsize=4_096)
def _key_of(target: str) -> str:
    path, _, query = target.partition("?")
    return parse_request(path, query).key


def asof_of(body: bytes) -> float | None:
    """Return the oldest stamp at the end of an answer: bars of the running day come last."""
    found = [int(each) for each in _ASOF.findall(body[-120_000:])]
    return float(min(found)) if found else None
