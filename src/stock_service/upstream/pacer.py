"""When the next vendor call may leave, so that no window of any length of the plan ever holds too many.

Pure: plans and counts, waits for nothing. Two books: `sent` holds the instants calls really left and is the proof;
`queue` holds the planned instants and is the forecast that gives a true `next_at`. A planned call is checked
against the proof once more when it leaves, so a task that woke late cannot push two windows together. One that finds
room and nobody before it needs no plan.

What always holds: in every window of length `per` at most `calls` were spent; memory is bounded by the largest
window; a caller who must leave some of the window free (`keep`) never makes one who need not (keep 0) wait; a caller
sent away to an instant finds room then, whoever else has come (`promises`).
"""

from __future__ import annotations

import math
from bisect import bisect_right, insort
from collections import deque
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field

from stock_service.base.record import record
from stock_service.upstream.learning import LearningSettings, Level
from stock_service.upstream.promises import Promises

_LEARNED_MAX_FOR = 120.0  # longer windows are contracts: half a day's calls would forbid the rest of the day
_PROMISED_FROM = 40.0  # a slot is kept idle for two seconds at most, which is a twentieth of such a window; shorter
# windows free slots often enough for a client that asks four times
_PROMISED_WINDOWS = 4  # the official client asks four times: a longer list serves nobody
_PROMISED_MOST = 100  # each refusal reads the list


@dataclass(frozen=True, slots=True)
class Window:
    """At most `calls` in any `per` seconds."""

    calls: int
    per: float

    def __post_init__(self) -> None:
        if self.calls < 1 or not self.per > 0:
            raise ValueError(f"a window needs at least one call in a positive time: {self.calls} per {self.per}")

    @property
    def learned(self) -> bool:
        """Whether the vendor's refusals lower it."""
        return self.per <= _LEARNED_MAX_FOR

    def room(self, level: float, keep: float) -> int:
        """Return how many calls may be in the window at once, when `keep` of it must stay free; at least one."""
        if level >= 1.0 and keep <= 0:
            return self.calls
        calls = max(1, int(self.calls * level + 1e-9)) if self.learned else self.calls
        return max(1, math.ceil(calls * (1.0 - keep) - 1e-9))


@dataclass(frozen=True, slots=True)
class PacerSettings:
    """The plan. `guard_for` is added to every window: sends and arrivals at the vendor jitter against each other.

    The default is the vendor's free plan, 5 calls a minute, with a second to spare.
    """

    windows: tuple[Window, ...] = (Window(5, 61.0),)
    guard_for: float = 0.03
    learning: LearningSettings = field(default_factory=LearningSettings)

    def __post_init__(self) -> None:
        if not self.windows:
            raise ValueError("a plan needs at least one window")

    def most_within(self, seconds: float) -> float:
        """Return how many calls the plan allows in so many seconds."""
        return min(window.calls * max(1.0, seconds / window.per) for window in self.windows)

    @property
    def text(self) -> str:
        """The plan in words, for logs and `/status`."""
        return " and ".join(f"{window.calls} calls per {window.per:g} s" for window in self.windows)


@record
class Slot:
    """A planned call: may leave at `start_at`."""

    start_at: float
    token: int


@record
class NoRoom:
    """Nothing free before the asked instant; whoever comes back at `next_at` finds room."""

    next_at: float


@record
class Spent:
    """A call that leaves now, entered in the book at `at`."""

    at: float


@record
class Later:
    """The planned call may not leave yet; try again at `until`."""

    until: float


@dataclass(frozen=True, slots=True)
class PacerView:
    """What `peek` saw. `remaining` is for a caller who keeps nothing free; `next_at` is never before now."""

    remaining: int
    waiting: int
    next_at: float
    held_until: float | None
    level: float


class Pacer:
    """The machine. One per vendor key and process."""

    __slots__ = ("_held_until", "_level", "_promises", "_queue", "_sent", "_settings", "_tokens")

    def __init__(self, settings: PacerSettings) -> None:
        self._settings = settings
        self._sent: deque[float] = deque(maxlen=max(window.calls for window in settings.windows))
        self._queue: list[tuple[float, int]] = []
        self._tokens = 0
        self._held_until = -math.inf
        learned = [window for window in settings.windows if window.learned]
        fewest = min((window.calls for window in learned), default=1)
        # A refusal that names no time: wait as long as the plan takes to free one call, at least a second.
        spacing = max((window.per / window.calls for window in learned), default=1.0)
        self._level = Level(settings.learning, fewest, max(1.0, spacing))
        promised = any(window.per >= _PROMISED_FROM for window in learned)
        self._promises = Promises(min(_PROMISED_WINDOWS * fewest, _PROMISED_MOST) if promised else 0)

    def leave(self, keep: float, now: float) -> Spent | None:
        """Let a call leave now, unplanned, if no planned or promised one comes before it and there is room; else None.

        `keep` as for `reserve`.
        """
        if self._queue or self._promises or self._room_at(keep, now) > now:
            return None
        self._sent.append(now)
        return Spent(now)

    def reserve(self, keep: float, now: float, latest: float, asker: Hashable = None) -> Slot | NoRoom:
        """Plan a call behind those already planned.

        Args:
            keep: share of every window that must stay free afterwards; 0 for those who may take the last call.
            now: monotonic seconds.
            latest: the last instant at which starting still makes sense. Those who keep some free never queue,
                whatever they say here: a queued refresh would stand before the next interactive caller.
            asker: whom a refusal promises a slot; None: nobody who would come back.
        """
        latest = latest if keep <= 0 else now
        planned = self._planned()
        others = self._promised_others(asker, now)
        if others:
            planned = sorted([*planned, *(at for at in others if at <= latest)])
        start_at = self._earliest(keep, now, planned)
        if start_at > latest:
            return NoRoom(start_at if asker is None or keep > 0 else self._promise(asker, now))
        self._promises.end(asker)
        self._tokens += 1
        slot = Slot(start_at, self._tokens)
        insort(self._queue, (start_at, slot.token))
        return slot

    def spend(self, slot: Slot, now: float) -> Spent | Later:
        """Let the planned call leave now, or say when it may. The proof: only calls that really left count here."""
        until = self._room_at(0.0, now)
        self._unqueue(slot)
        if now < until:
            insort(self._queue, (until, slot.token))
            return Later(until)
        self._sent.append(now)
        return Spent(now)

    def refund(self, slot: Slot | Spent, now: float) -> None:
        """Give back a planned or spent call that never reached the wire."""
        if isinstance(slot, Spent):
            self._sent.remove(slot.at)
        else:
            self._unqueue(slot)
        self._replan(now)

    def hold_until(self, instant: float, now: float) -> None:
        """Let nothing leave before `instant`; a later hold stands."""
        if instant > self._held_until:
            self._held_until = instant
            self._replan(now)

    def limited(self, now: float, sent_at: float, retry_after: float | None) -> float:
        """Take note of the vendor's 429 to a call sent at `sent_at`; return the pause it causes, in seconds."""
        pause = self._level.lower(now, sent_at)
        if retry_after is not None:
            pause = retry_after
        self.hold_until(now + pause + self._settings.guard_for, now)
        self._replan(now)
        return pause

    def answered(self, sent_at: float) -> None:
        """Take note that the vendor accepted a call sent at `sent_at`."""
        self._level.answered(sent_at)

    def peek(self, now: float) -> PacerView:
        """Look without changing anything."""
        level = self._level.at(now)
        left = [window.room(level, 0.0) - self._used(window, now) for window in self._settings.windows]
        held = self._held_until if self._held_until > now else None
        remaining = 0 if held else max(0, min(left) - len(self._queue))
        return PacerView(remaining, len(self._queue), self._earliest(0.0, now, self._planned()), held, level)

    def _promised_others(self, asker: Hashable, now: float) -> Sequence[float]:
        """Return the instants to keep for others than `asker`, ascending; none for one who comes when it was told."""
        if not self._promises:
            return ()
        told = self._promises.told(asker)
        return () if told is not None and told <= now else self._promises.times(now, asker)

    def _promise(self, asker: Hashable, now: float) -> float:
        """Return, and keep for `asker`, the first instant that is free though everyone promised one comes back."""
        openings = self._planned()
        first = self._earliest(0.0, now, openings)
        told = self._promises.told(asker)
        if told is not None and told >= first:
            return told  # asked again too early, or another asks the same: no reason to lose one's place
        openings.append(first)
        for _ in self._promises.times(now, asker):
            openings.append(self._earliest(0.0, now, openings))
        self._promises.give(asker, openings[-1])
        return openings[-1]

    def _planned(self) -> list[float]:
        return [at for at, _ in self._queue]

    def _room_at(self, keep: float, now: float) -> float:
        """Return from when on there is room for one more call beside those that left."""
        room_at, level = self._held_until, self._level.at(now)
        for window in self._settings.windows:
            room = window.room(level, keep)
            if room <= len(self._sent):
                room_at = max(room_at, self._sent[-room] + window.per + self._settings.guard_for)
        return room_at

    def _earliest(self, keep: float, now: float, planned: Sequence[float]) -> float:
        """Return when one more call could leave, behind everything sent and `planned` (ascending)."""
        start_at = max(now, self._held_until, planned[-1] if planned else now)
        level = self._level.at(now)
        for window in self._settings.windows:
            past = self._nth_last(window.room(level, keep), now, planned)
            if past is not None:
                start_at = max(start_at, past + window.per + self._settings.guard_for)
        return start_at

    def _nth_last(self, count: int, now: float, planned: Sequence[float]) -> float | None:
        """Return the instant of the `count`-th last call, planned ones last; overdue ones will leave from now on."""
        if count <= len(planned):
            return max(now, planned[-count])
        count -= len(planned)
        return self._sent[-count] if count <= len(self._sent) else None

    def _used(self, window: Window, now: float) -> int:
        return len(self._sent) - bisect_right(self._sent, now - window.per - self._settings.guard_for)

    def _unqueue(self, slot: Slot) -> None:
        self._queue = [planned for planned in self._queue if planned[1] != slot.token]

    def _replan(self, now: float) -> None:
        """Make the forecast anew after a change it did not foresee; the order stays."""
        waiting, self._queue = self._queue, []
        for _, token in waiting:
            self._queue.append((self._earliest(0.0, now, self._planned()), token))
