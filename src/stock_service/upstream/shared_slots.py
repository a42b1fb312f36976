"""The vendor's budget kept in one book for all pods, and by turns for a pod that cannot see it.

The book is a script in the shared store; this waits, converts instants, and knows which of the two is in force.
Always holds: no call leaves without an entry in the book or a turn of our own; after losing the store a pod stays
with its turns for `local_for` at least, and reports every call it made before it uses the book again; never
unlimited, never nothing.
"""

from __future__ import annotations

import asyncio
import math
import secrets
from collections import deque
from collections.abc import Coroutine, Hashable, Sequence
from enum import Enum
from typing import Any, Protocol

from stock_service.base.clock import Clock
from stock_service.base.events import BudgetMoved, Observer
from stock_service.base.record import record
from stock_service.upstream.learning import Level
from stock_service.upstream.pacer import NoRoom, PacerView, Spent
from stock_service.upstream.shared_book import News, Said, Told, read_news, read_said
from stock_service.upstream.shared_settings import SharedSlotsSettings
from stock_service.upstream.shared_slots_scripts import JOIN, LEAVE, PAUSE, REFUND, TAKE
from stock_service.upstream.shared_turns import OwnTurns

_MICRO = 1_000_000
_LOOK_EVERY = 0.25  # seconds between looks whether the store is back, for those who wait for a turn
_LOOK_SOON = 0.05
_SLOW_MAX = 3  # answers too slow to be of use; then the store cannot keep our book
# Seconds a call may leave after its instant, beyond the plan's own guard: a busy pod books each call for so much
# later, which costs it some of the plan and never the vendor's limit.
_MARGIN_MAX, _MARGIN_GROWS, _MARGIN_SHRINKS = 0.5, 1.5, 0.9
_VAIN_MAX = 5  # questions of one caller to a book that is there and does not answer; two may be honest
_BACKGROUND_WAITS_FOR = 1.0  # by turns there is hardly ever a free slot this very moment
_PARTS = ("log", "state", "seen", "joined", "seats")
_PAUSE_MAX = 300.0  # seconds; a longer one heard from the book is an error of somebody's clock


class Store(Protocol):
    """What is asked of the shared store; `None` is any fault."""

    @property
    def up(self) -> bool: ...
    @property
    def writable(self) -> bool: ...
    @property
    def ready(self) -> bool: ...
    def key(self, *parts: str) -> str: ...
    def store_ms(self, instant: float) -> int | None: ...
    async def run(self, script: str, keys: Sequence[str], args: Sequence[str | bytes | int]) -> Any | None: ...


class Mode(Enum):
    """Who plans the calls."""

    SHARED = "shared"
    LOCAL = "local"


@record
class SharedSpent(Spent):
    """A call by its entry in the book; `token` is empty for one by turn."""

    token: str = ""


class SharedSlots:
    """The budget of a fleet, as one pod sees it. `keep` must run beside it."""

    def __init__(
        self, settings: SharedSlotsSettings, store: Store, clock: Clock, observer: Observer, pod: str = ""
    ) -> None:
        plan = settings.plan
        self._settings = settings
        self._guard_for = plan.guard_for
        self._store = store
        self._clock = clock
        self._observer = observer
        self._pod = pod or secrets.token_hex(8)
        self._keys = [store.key("budget", f"{{{settings.name}}}", part) for part in _PARTS]
        learned = [window for window in plan.windows if window.learned]
        spacing = max((window.per / window.calls for window in learned), default=1.0)
        self._level = Level(plan.learning, min((each.calls for each in learned), default=1), max(1.0, spacing))
        self._turns = OwnTurns(plan, settings.pods, settings.local_for, clock.monotonic())
        self._turns.seat = hash(self._pod) % settings.pods
        self._most = max(window.calls for window in plan.windows)
        self._sent: deque[tuple[str, float]] = deque(maxlen=self._most)
        self._told = Told()
        self._mode = Mode.LOCAL
        self._apart_until = -math.inf
        self._lost_at = math.inf
        self._held_until = -math.inf
        self._waiting = 0
        self._margin = 0.0
        self._reporting = asyncio.Lock()
        self._tasks: set[asyncio.Task[Any]] = set()

    @property
    def mode(self) -> Mode:
        """Who plans the calls now."""
        return self._mode

    async def take(self, keep: float, latest: float, asker: Hashable = None) -> Spent | NoRoom:
        """Return once the call may leave, or at once when it could not by `latest` (monotonic seconds).

        Nobody is promised a slot: who is sent away by one pod may come back to another.
        """
        self._waiting += 1
        vain = 0
        try:
            while True:
                if self._mode is Mode.SHARED and (not self._store.up or vain >= _VAIN_MAX):
                    self._lose()
                shared = self._uses_book()
                vain += shared
                answer = await (self._take_shared(keep, latest) if shared else self._take_turn(keep, latest))
                if answer is not None:
                    return answer
        finally:
            self._waiting -= 1

    def refund(self, spent: Spent) -> None:
        """Give back a slot whose call did not leave; a turn is lost."""
        if isinstance(spent, SharedSpent) and spent.token:
            self._sent = deque((each for each in self._sent if each[0] != spent.token), self._most)
            self._leave(self._store.run(REFUND, self._keys, [*self._common(0.0), spent.token]))

    def hold(self, seconds: float) -> None:
        """Let nothing leave for so long, in any pod that sees the store."""
        self._pause(seconds, -1)

    def limited(self, spent: Spent, retry_after: float | None) -> float:
        """Give way to a 429; return the seconds until the next call can leave."""
        now = self._clock.monotonic()
        pause = self._level.lower(now, spent.at)
        if retry_after is not None:
            pause = retry_after
        self._pause(pause + self._guard_for, _us(max(0.0, now - spent.at)))
        return self.peek().next_at - now

    def answered(self, spent: Spent) -> None:
        """The vendor accepted the call."""
        self._level.answered(spent.at)

    def peek(self) -> PacerView:
        """Look without changing anything; the book's numbers are as old as the last beat or slot."""
        now = self._clock.monotonic()
        held = self._held_until if self._held_until > now else None
        shared = self._mode is Mode.SHARED
        next_at = max(now, self._held_until, self._told.next_at if shared else self._next_turn(now))
        remaining = self._told.remaining if shared else int(next_at <= now)
        return PacerView(0 if held else remaining, self._waiting, next_at, held, self._level.at(now))

    async def keep(self) -> None:
        """Beat for ever: tell the book we are there, hear what it heard, come back when it is."""
        while True:
            if self._mode is Mode.SHARED and not self._store.writable:
                self._lose()
            elif self._store.ready and self._clock.monotonic() >= self._apart_until:
                await self._join()
            started = self._told.created != "0"
            await self._clock.sleep(self._settings.beat_every if started else self._settings.beat_every / 10)

    async def aclose(self) -> None:
        """Say goodbye, so that nobody keeps our share."""
        await self._store.run(LEAVE, self._keys, self._common(0.0))
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _take_shared(self, keep: float, latest: float) -> Spent | NoRoom | None:
        """Ask the book for a slot and wait for it; None when it must be asked anew, or cannot be."""
        token = ""  # of a slot in the book that is not used yet
        slow = 0
        margin = self._margin
        try:
            while slow < _SLOW_MAX:
                asked_at = self._clock.monotonic()
                if self._held_until > (asked_at if keep > 0 else latest):
                    return NoRoom(self._held_until)
                if self._held_until > asked_at:
                    await self._clock.sleep(self._held_until - asked_at)
                    asked_at = self._clock.monotonic()
                given_up, token = token, secrets.token_hex(6)
                patience = 0.0 if keep > 0 else max(0.0, latest - asked_at)
                args = [*self._common(keep), token, given_up, _us(patience), _us(margin)]
                said = read_said(await self._store.run(TAKE, self._keys, args))
                now = self._clock.monotonic()
                if said is None or (said.word == "go" and said.after > patience + 1.0):
                    return None  # while that is looked into there are turns, of the part the book never gives out
                if said.word != "go":
                    token = "" if said.word == "wait" else given_up
                    return await self._turned_away(said, now)
                self._hear(said, now)
                await self._clock.sleep(said.after)
                woke_at = self._clock.monotonic()
                # The book has the call where the store's clock was when it answered: between asking and hearing.
                late = woke_at - (asked_at + said.after) - self._guard_for
                if late <= margin and woke_at >= self._held_until:
                    self._margin = margin * _MARGIN_SHRINKS
                    self._sent.append((token, woke_at))
                    spent, token = SharedSpent(woke_at, token), ""
                    return spent
                # We are too busy, or the store is: book the next one for as long as this took, and then some.
                self._margin = margin = min(_MARGIN_MAX, max(margin, _MARGIN_GROWS * late))
                slow += late > _MARGIN_MAX
        finally:
            if token:
                self._leave(self._store.run(REFUND, self._keys, [*self._common(0.0), token]))
        self._lose()
        return None

    async def _turned_away(self, said: Said, now: float) -> NoRoom | None:
        if said.word == "join":
            await self._join()
            return None
        if said.word == "learn":
            self._hear_news(said.news, now)
            return None
        self._hear(said, now)
        return NoRoom(max(now, self._told.next_at))

    async def _take_turn(self, keep: float, latest: float) -> Spent | NoRoom | None:
        """Wait for a turn of our own; None when the store may be asked again."""
        now = self._clock.monotonic()
        turn_at = self._next_turn(now)
        if turn_at > (latest if keep <= 0 else min(latest, now + _BACKGROUND_WAITS_FOR)):
            back_at = self._back_at(now)
            if keep <= 0 and now < back_at <= latest:
                await self._clock.sleep(min(_LOOK_EVERY, back_at - now))
                return None
            return NoRoom(turn_at)
        before = self._turns.reserve(turn_at)
        try:
            while (now := self._clock.monotonic()) < turn_at:
                await self._clock.sleep(min(_LOOK_EVERY, turn_at - now))
                if self._uses_book():
                    return None
        except BaseException:
            self._turns.refund(turn_at, before)
            raise
        async with self._reporting:  # a call between the report and its receipt would be in no book
            now = self._clock.monotonic()
            if self._uses_book() or now < self._held_until:
                return None
            if now - turn_at > self._guard_for / 2:
                return None  # too close to the next pod's turn
            self._turns.spend(now)
            self._sent.append((secrets.token_hex(6), now))
            return SharedSpent(now)

    def _back_at(self, now: float) -> float:
        """Return when the book may be in use again: soon after a failure that is still being looked into."""
        if self._mode is Mode.SHARED:
            return now + _LOOK_SOON
        return max(self._apart_until, self._told.warm_until) + self._settings.beat_every

    def _uses_book(self) -> bool:
        return self._mode is Mode.SHARED and self._store.ready

    def _next_turn(self, now: float) -> float:
        store_ms = self._store.store_ms(now)
        return self._turns.next_at(max(now, self._held_until), 0.0 if store_ms is None else store_ms / 1000 - now)

    async def _join(self) -> None:
        """Beat; reporting what we did on our own, if we were."""
        async with self._reporting:
            await self._report()

    async def _report(self) -> None:
        now = self._clock.monotonic()
        longest = self._turns.division.longest_learned
        since = min(now - 2 * longest, self._lost_at - longest)
        local = self._mode is Mode.LOCAL
        reports = [each for token, at in self._sent if local and at > since for each in (token, _us(now - at))]
        warm_for = max(longest, self._settings.local_for)
        args = [*self._common(0.0), self._told.created, _us(warm_for), self._settings.pods, *reports]
        said = read_said(await self._store.run(JOIN, self._keys, args))
        if said is None:
            return
        now = self._clock.monotonic()
        self._turns.seat = said.seat
        self._hear(said, now)
        if said.word == "joined":
            self._told.created = said.created
            self._move(Mode.SHARED)
            return
        # The book we remember is gone; until the new one is ready we are on our own.
        self._told.warm_until = now + said.after
        self._move(Mode.LOCAL)

    def _hear(self, said: Said, now: float) -> None:
        """Take over what the book says: the next call, what is left, pauses and refusals others met."""
        self._told.next_at, self._told.remaining = now + said.after, said.left
        self._hear_news(said.news, now)

    def _hear_news(self, news: News, now: float) -> None:
        self._held_until = max(self._held_until, now + min(news.pause, _PAUSE_MAX))
        if news.refusals != self._told.refusals:
            self._told.refusals = news.refusals
            if news.lowered_ago < self._settings.plan.learning.probe_every:
                self._level.lower(now - news.lowered_ago, now - news.lowered_ago)

    def _pause(self, seconds: float, sent_ago_us: int) -> None:
        self._held_until = max(self._held_until, self._clock.monotonic() + seconds)
        self._leave(self._tell_pause(seconds, sent_ago_us))

    async def _tell_pause(self, seconds: float, sent_ago_us: int) -> None:
        news = read_news(await self._store.run(PAUSE, self._keys, [*self._common(0.0), _us(seconds), sent_ago_us]))
        if news is not None:
            self._told.refusals = news.refusals  # our own level has been lowered already

    def _lose(self) -> None:
        self._apart_until = self._clock.monotonic() + self._settings.local_for
        self._move(Mode.LOCAL)

    def _move(self, mode: Mode) -> None:
        if mode is self._mode:
            return
        self._mode = mode
        if mode is Mode.LOCAL:
            self._lost_at = self._clock.monotonic()
            self._turns.lose(self._lost_at)
        else:
            self._turns.find()
        self._observer.notify(BudgetMoved(mode.value))

    def _common(self, keep: float) -> list[str | bytes | int]:
        """Return what every script is told."""
        level = self._level.at(self._clock.monotonic())
        division = self._turns.division
        windows: list[str | bytes | int] = []
        for window in division.shared:
            span = _us(window.per + self._guard_for)
            windows += [window.room(level, keep), span, f"{division.share_of(window):.6f}"]
        head: list[str | bytes | int] = [self._pod, _us(self._settings.missing_after), self._most, self._told.refusals]
        return [*head, len(division.shared), *windows]

    def _leave(self, work: Coroutine[Any, Any, Any]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _us(seconds: float) -> int:
    return round(seconds * _MICRO)
