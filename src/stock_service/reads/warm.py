"""Keeps bars ready before anybody asks, out of calls nobody else wants.

Every day that ends, and every day that settles, begins a round: what is kept already costs nothing, what is missing
is asked for one call at a time as a backfill, which the pacer lets leave only while most of every window is free.
There is no list of what was done: progress is what is kept, so a restart goes on where the kept bars end. A round
that finds its own first bars given up again stops, because the cache is too small; later ones ask for new days only.
"""

from __future__ import annotations

import asyncio
from bisect import bisect_left
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from enum import StrEnum
from functools import partial
from typing import Any, TypeVar

from stock_service.base.clock import Clock
from stock_service.base.errors import QuotaSpent, ServiceError, VendorFailed, VendorSlow
from stock_service.base.events import Faulted, Observer, Warmed
from stock_service.cache.bar_questions import BarsQuestion, ask_for
from stock_service.cache.policy import Entitlement
from stock_service.cache.ranges import Span
from stock_service.cache.wishes import Wish
from stock_service.market.calendar import Calendar
from stock_service.market.markets import Market, market_of
from stock_service.reads.bars_source import BarsSource
from stock_service.reads.market_days import DAILY, Began, MarketDays, Taken, day_request, midnight_ms
from stock_service.reads.sources import Errand
from stock_service.reads.warm_plan import Target, choose_days, last_ended, question_about, targets_of
from stock_service.upstream.call import Priority
from stock_service.vendor.request import VendorRequest

LOOK_EVERY = 15.0
_BEGINS_AFTER = 3.0  # clients come first, and the shared store takes a moment to be reached
_CALL_FOR = 30.0
_PAUSE_LEAST, _PAUSE_MOST, _PAUSE_AWAY = 1.0, 300.0, 30.0
_TRIES_MAX = 3  # of one question whose answers change nothing
_LOOKED_AT_ONCE = 5  # targets: a millisecond
_WITNESSES = 3

T = TypeVar("T")


class State(StrEnum):
    """What warming does at the moment."""

    READY = "ready"
    WORKING = "working"
    WAITING = "waiting for spare calls"
    AWAY = "waiting for the vendor"
    FULL = "stopped: the cache is too small"


class Fate(StrEnum):
    """How asking for a target ended."""

    FILLED = "filled"
    REFUSED = "refused"  # by the vendor: not in the plan, no such ticker
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class WarmSettings:
    """What is to be ready: every wish for every ticker, as far as the plan has it."""

    tickers: tuple[str, ...]
    wishes: tuple[Wish, ...]
    entitlement: Entitlement


@dataclass(frozen=True, slots=True)
class Marks:
    """What begins a round when it changes: each market's last day that has ended, and the last that is settled."""

    ended: Mapping[Market, date]
    settled: Mapping[Market, date]


class _RoundOver(Exception):
    """There is a reason to stop before the end."""


class Warmer:
    """The chore. `evictions` counts the chunks of bars given up so far."""

    def __init__(
        self,
        settings: WarmSettings,
        *,
        bars: BarsSource,
        days: MarketDays,
        evictions: Callable[[], int],
        calendar: Calendar,
        clock: Clock,
        observer: Observer,
    ) -> None:
        self._settings = settings
        self._bars = bars
        self._days = days
        self._evictions = evictions
        self._calendar = calendar
        self._clock = clock
        self._observer = observer
        self._quiet = False
        self._markets = tuple(dict.fromkeys(map(market_of, settings.tickers)))
        self.state = State.WORKING
        self.targets = self.left = len(settings.tickers) * len(settings.wishes)
        self.calls = 0
        self._market_days = 0
        self._fates = dict.fromkeys(Fate, 0)
        self._last_refusal: int | None = None
        # of the round
        self._marks = self._look()
        self._first: BarsQuestion | None = None
        self._given_up = evictions()
        self._since: Mapping[Market, date] = {}

    async def run(self) -> None:
        """Warm for ever."""
        done: Marks | None = None
        await self._clock.sleep(_BEGINS_AFTER)
        while not self._quiet:
            marks = self._look()
            if marks != done:
                self._marks = marks
                done = marks if await self._round() else done
            await self._clock.sleep(LOOK_EVERY)

    def quiet(self) -> None:
        """Make no more calls (shutdown)."""
        self._quiet = True

    def snapshot(self) -> dict[str, Any]:
        """Return what `/status` shows, as plain data."""
        return {
            "state": self.state.value,
            "tickers": len(self._settings.tickers),
            "bars": [wish.text for wish in self._settings.wishes],
            "through": {market.value: ended.isoformat() for market, ended in self._marks.ended.items()},
            "targets": self.targets,
            "left": self.left,
            "refused": self._fates[Fate.REFUSED],
            "last_refusal": self._last_refusal,
            "failed": self._fates[Fate.FAILED],
            "vendor_calls": self.calls,
            "market_days": self._market_days,
        }

    def _look(self) -> Marks:
        wall, calendar = self._clock.wall(), self._calendar
        entitlement = self._settings.entitlement
        return Marks(
            {market: last_ended(calendar, market, wall, entitlement) for market in self._markets},
            {market: calendar.settled_day(market, wall) for market in self._markets},
        )

    # --- one round ----------------------------------------------------------------------------------------

    async def _round(self) -> bool:
        """Fill what is missing; return whether there is nothing left to do until the marks change."""
        began, calls = Began(self._clock.monotonic(), self._clock.wall()), self.calls
        self.state, self._first, self._given_up = State.WORKING, None, self._evictions()
        self._fates = dict.fromkeys(Fate, 0)
        try:
            missing = await self._find_missing()
            await self._take_market_days(missing, began)
            for target in missing:
                self._fates[await self._fill(target)] += 1
                self.left -= 1
            unfilled = self._fates[Fate.REFUSED] + self._fates[Fate.FAILED]
            self.left = max(0, len(await self._find_missing()) - unfilled)
        except _RoundOver:
            return self.state is State.FULL
        except Exception as error:  # noqa: BLE001 - a fault in one round must not end all later ones
            self._observer.notify(Faulted("warm", error))
            return True
        self._settle(full=self.left > 0 and self._evictions() > self._given_up)
        took = self._clock.monotonic() - began.at
        self._observer.notify(Warmed(self.targets, self.calls - calls, unfilled, took))
        return True

    def _settle(self, *, full: bool) -> None:
        """Note whether all fits; what does not is not asked for again and again."""
        self.state = State.FULL if full else State.READY
        self._since = self._marks.ended if full else {}

    async def _find_missing(self) -> list[Target]:
        every = targets_of(self._settings.wishes, self._settings.tickers, self._marks.ended, self._since)
        missing = []
        for number, target in enumerate(every):
            if self._missing(target):
                missing.append(target)
            if number % _LOOKED_AT_ONCE == 0:
                await self._clock.sleep(0)
        self.targets, self.left = len(every), len(missing)
        return missing

    def _missing(self, target: Target) -> tuple[Span, ...]:
        return self._bars.missing(question_about(target))

    async def _fill(self, target: Target) -> Fate:
        question, tries = question_about(target), 0
        request, read = ask_for(question.key, question.span), set[str]()
        while missing := self._bars.missing(question):
            try:
                filled = await self._call(request, partial(self._bars.cover, question, read))
            except (VendorFailed, VendorSlow):
                filled = None
            if filled is not None and filled.refused:
                self._last_refusal = filled.reply.status
                return Fate.REFUSED
            if filled is not None and self._first is None:
                self._first = replace(question, span=filled.told)
            tries += self._bars.missing(question) == missing
            if tries == _TRIES_MAX:
                return Fate.FAILED
        return Fate.FILLED

    # --- whole-market days --------------------------------------------------------------------------------

    async def _take_market_days(self, missing: Sequence[Target], began: Began) -> None:
        """Take the days that most stocks lack out of whole-market answers, where that costs fewer calls."""
        stocks = [each for each in missing if each.size == DAILY and market_of(each.ticker) is Market.STOCKS]
        if len(stocks) <= _WITNESSES:
            return
        witnesses, others = stocks[:_WITNESSES], stocks[_WITNESSES:]
        days = self._days_of(others)
        chosen = await asyncio.to_thread(choose_days, await self._find_lacking(others, days))
        if not chosen:
            return
        for witness in witnesses:
            await self._fill(witness)
        names = [each.ticker for each in others]
        for number in reversed(range(len(days))):
            if chosen >> number & 1 and not await self._take_day(days[number], names, witnesses, began):
                return

    async def _take_day(self, day: date, tickers: Sequence[str], witnesses: Sequence[Target], began: Began) -> bool:
        """Return whether it makes sense to go on with other days."""
        names = [each.ticker for each in witnesses]
        try:
            taken = await self._call(
                day_request(day), lambda errand: self._days.take(day, tickers, names, began, errand)
            )
        except (VendorFailed, VendorSlow):
            return False
        self._market_days += taken is Taken.TAKEN
        return taken is Taken.TAKEN

    def _days_of(self, targets: Sequence[Target]) -> list[date]:
        first, last = min(each.first for each in targets), max(each.last for each in targets)
        return [session.day for session in self._calendar.sessions_between(Market.STOCKS, first, last)]

    async def _find_lacking(self, targets: Sequence[Target], days: Sequence[date]) -> list[int]:
        """Return the days each stock lacks: bit n for `days[n]`."""
        starts, found = [midnight_ms(self._calendar, day) for day in days], []
        for number, target in enumerate(targets):
            mask = 0
            for span in self._missing(target):
                mask |= (1 << bisect_left(starts, span.stop)) - (1 << bisect_left(starts, span.start))
            found.append(mask)
            if number % _LOOKED_AT_ONCE == 0:
                await self._clock.sleep(0)
        return found

    # --- one call -----------------------------------------------------------------------------------------

    async def _call(self, request: VendorRequest, work: Callable[[Errand], Awaitable[T]]) -> T:
        """Make a call as soon as one is to spare.

        Raises:
            _RoundOver: something made the round pointless meanwhile.
            VendorFailed, VendorSlow: the answer is of no use; raised after a pause.
        """
        while True:
            self._check()
            self.state = State.WORKING
            try:
                return await work(self._errand(request))
            except (VendorFailed, VendorSlow):
                await self._pause(State.AWAY, _PAUSE_AWAY)
                raise
            except QuotaSpent as error:
                await self._pause(State.WAITING, error.retry_after)
            except ServiceError as error:
                await self._pause(State.AWAY, getattr(error, "retry_after", None) or _PAUSE_AWAY)

    def _errand(self, request: VendorRequest) -> Errand:
        deadline = self._clock.monotonic() + _CALL_FOR
        return Errand(request, deadline, Priority.BACKFILL, force=False, spend=self._spend, edge={})

    def _check(self) -> None:
        if self._first is not None and self._evictions() > self._given_up and self._bars.missing(self._first):
            self._settle(full=True)
            raise _RoundOver
        if self._quiet or self._look() != self._marks:
            raise _RoundOver

    async def _pause(self, state: State, seconds: float) -> None:
        self.state = state
        await self._clock.sleep(min(_PAUSE_MOST, max(_PAUSE_LEAST, seconds)))

    def _spend(self) -> None:
        self.calls += 1
