"""Whether the vendor may be asked: closed, open, half-open with one leased probe.

Pure: `now` is monotonic seconds, nothing waits, sleeps or logs. What always holds: only a recorded result opens
it; at most one probe runs; a probe nobody reports lapses; a result of an older generation changes nothing; its
own refusals are never counted. Numbers and rules: docs/resilience.md.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import Enum, IntEnum, StrEnum

from stock_service.base.record import record
from stock_service.upstream.window import RollingCounts

_FORCED = -1  # the generation of permits given out by force_closed: their results count nowhere
_RATE_OFF = 101  # no share of failures reaches it


class State(IntEnum):
    """The gauge's values; the order is the runbook's (resilience4j swaps 1 and 2)."""

    CLOSED = 0
    HALF_OPEN = 1
    OPEN = 2


class Verdict(Enum):
    """What a result says about the vendor's health."""

    SUCCESS = "success"
    FAILURE = "failure"
    IGNORED = "ignored"


class Override(StrEnum):
    """An operator's word over the machine's own judgement."""

    NONE = "none"
    FORCE_OPEN = "force_open"
    FORCE_CLOSED = "force_closed"


class Settlement(Enum):
    """What became of a reported result."""

    COUNTED = "counted"
    IGNORED = "ignored"
    LATE = "late"


@dataclass(frozen=True, slots=True)
class BreakerSettings:
    """When to stop asking and for how long. Lengths in seconds.

    `error_percent` above 100 switches the share rule off; `consecutive_failures` 0 switches the run rule off.
    `lease_for` must exceed the longest attempt, or slow probes would count as lost; `call.py` sees to that.
    """

    window_for: float = 10.0
    min_volume: int = 20
    error_percent: int = 50
    consecutive_failures: int = 5
    sleep_for: float = 5.0
    sleep_max: float = 60.0
    jitter: float = 0.1
    lease_for: float = 6.0

    def for_volume(self, most_calls: float) -> BreakerSettings:
        """Return the settings for a plan that allows `most_calls` in a window.

        The run rule stays only where the window can hardly reach its volume: at a high rate five failures in a row
        are ordinary luck, and at 40 % failing they come every hundred calls.
        """
        if most_calls < 2 * self.min_volume:
            return self
        return replace(self, consecutive_failures=0)


# A vendor that refuses our key: three in a row, then one try a minute. Same machine, other numbers.
LATCH_SETTINGS = BreakerSettings(
    error_percent=_RATE_OFF, consecutive_failures=3, sleep_for=60.0, sleep_max=60.0, jitter=0.0
)


@record
class Permit:
    """Yes: the right to make one call, which must be settled exactly once."""

    generation: int
    probe: bool


@record
class Wait:
    """No; asking again before `until` is pointless."""

    until: float


@record
class Move:
    """One change of state; `open_for` is 0 unless it opened."""

    before: State
    after: State
    open_for: float = 0.0


@dataclass(frozen=True, slots=True)
class BreakerView:
    """What `peek` saw. `wait_until` is None when a call would be let through now.

    `due_for` is for how long an open one has waited for somebody to ask, which alone would close it.
    """

    state: State
    wait_until: float | None
    due_for: float
    total: int
    failures: int
    run: int
    late: int


class Breaker:
    """The machine. `draw` gives numbers from 0 to 1 for the jitter."""

    __slots__ = (
        "_draw",
        "_failed_probes",
        "_generation",
        "_lapse_for",
        "_late",
        "_ordinary",
        "_override",
        "_permit",
        "_settings",
        "_state",
        "_until",
        "_window",
        "moves",
        "run",
    )

    def __init__(self, settings: BreakerSettings, draw: Callable[[], float]) -> None:
        self._override = Override.NONE
        self._settings = settings
        self._draw = draw
        self._window = RollingCounts(settings.window_for)
        self._state = State.CLOSED
        self._ordinary = True  # closed, and nobody's word over it: most of the time, and asked at every call
        self._generation = 0
        self._permit = Permit(0, probe=False)  # what every call of this generation gets while it is closed
        self._until = 0.0  # OPEN: when a probe may go; HALF_OPEN: when its lease ends
        self._lapse_for = 0.0  # HALF_OPEN: how long to stay open should the lease lapse
        self._failed_probes = 0
        self.run = 0  # failures in a row
        self._late = 0
        self.moves: list[Move] = []  # that nobody has taken yet, in order

    @property
    def override(self) -> Override:
        """The operator's word over the machine's own judgement."""
        return self._override

    @override.setter
    def override(self, mode: Override) -> None:
        self._override = mode
        self._note_ordinary()

    def ask(self, now: float) -> Permit | Wait:
        """Ask to make one call. The only reading that may move the machine: from open to half-open."""
        if self._ordinary:
            return self._permit
        if self._override is Override.FORCE_OPEN:
            return Wait(now + self._settings.sleep_for)
        if self._override is Override.FORCE_CLOSED:
            return Permit(_FORCED, probe=False)
        self._lapse(now)
        if self._state is State.HALF_OPEN or now < self._until:
            return Wait(self._until)
        self._move(State.HALF_OPEN, now + self._settings.lease_for)
        self._lapse_for = self._sleep_after(self._failed_probes + 1)
        return Permit(self._generation, probe=True)

    def settle(self, permit: Permit, verdict: Verdict, now: float, retry_after: float | None = None) -> Settlement:
        """Report the result of a permitted call.

        A failure that names its own `retry_after` (seconds from now) opens at once: the vendor has said when asking
        makes sense. With other verdicts it means nothing.
        """
        wish = retry_after if retry_after and verdict is Verdict.FAILURE else 0.0
        if permit.generation == _FORCED:
            return Settlement.IGNORED
        if not self._ordinary:
            self._lapse(now)
        if permit.generation != self._generation:
            self._late += 1
            return Settlement.LATE
        ignored = verdict is Verdict.IGNORED
        if not self._ordinary and self._state is State.HALF_OPEN:
            self._settle_probe(verdict, now, wish)
        elif not ignored:
            self._record(verdict, now, wish)
        return Settlement.IGNORED if ignored else Settlement.COUNTED

    def peek(self, now: float) -> BreakerView:
        """Look without changing anything."""
        state, until = self._state, self._until
        if state is State.HALF_OPEN and now >= until:
            state, until = State.OPEN, until + self._lapse_for
        wait_until = None if state is State.CLOSED or (state is State.OPEN and now >= until) else until
        if self._override is Override.FORCE_OPEN:
            state, wait_until = State.OPEN, now + self._settings.sleep_for
        elif self._override is Override.FORCE_CLOSED:
            state, wait_until = State.CLOSED, None
        due_for = now - until if state is State.OPEN and wait_until is None else 0.0
        total, failures = self._window.sums(now)
        return BreakerView(state, wait_until, due_for, total, failures, self.run, self._late)

    def wait_until(self, now: float) -> float | None:
        """Return `wait_until` of what `peek` would see; in the ordinary state for the price of a look."""
        return None if self._ordinary else self.peek(now).wait_until

    def reset(self) -> None:
        """Close and forget; results under way will be late."""
        self._close()

    def take_moves(self) -> list[Move]:
        """Return the changes of state since the last call, in order."""
        moves, self.moves = self.moves, []
        return moves

    def _record(self, verdict: Verdict, now: float, wish: float) -> None:
        failed = verdict is Verdict.FAILURE
        self.run = self.run + 1 if failed else 0
        total, failures = self._window.add(now, marked=int(failed))
        if failures and self._tripped(total, failures):
            self._open(now, max(self._sleep_after(0), self._spread(wish)))
        elif wish > 0:
            self._open(now, self._spread(wish))

    def _tripped(self, total: int, failures: int) -> bool:
        by_share = total >= self._settings.min_volume and failures * 100 >= self._settings.error_percent * total
        return by_share or 0 < self._settings.consecutive_failures <= self.run

    def _settle_probe(self, verdict: Verdict, now: float, wish: float) -> None:
        if verdict is Verdict.SUCCESS:
            self._close()
            return
        if verdict is Verdict.FAILURE:
            self._failed_probes += 1
        self._open(now, max(self._sleep_after(self._failed_probes), self._spread(wish)))

    def _lapse(self, now: float) -> None:
        """Count a probe that was not reported within its lease as failed, from the moment the lease ended."""
        if self._state is State.HALF_OPEN and now >= self._until:
            self._failed_probes += 1
            self._open(self._until, self._lapse_for)

    def _open(self, now: float, open_for: float) -> None:
        self._move(State.OPEN, now + open_for, open_for)

    def _close(self) -> None:
        self._window.clear()
        self.run = self._failed_probes = 0
        self._move(State.CLOSED, 0.0)

    def _move(self, state: State, until: float, open_for: float = 0.0) -> None:
        if state is not self._state:
            self.moves.append(Move(self._state, state, open_for))
        self._state = state
        self._until = until
        self._generation += 1
        self._permit = Permit(self._generation, probe=False)
        self._note_ordinary()

    def _note_ordinary(self) -> None:
        self._ordinary = self._state is State.CLOSED and self._override is Override.NONE

    def _sleep_after(self, failed_probes: int) -> float:
        """Return how long to stay open: doubling, jittered both ways, never above the maximum."""
        settings = self._settings
        base = min(settings.sleep_for * 2.0 ** min(failed_probes, 32), settings.sleep_max)
        return min(base * (1.0 + settings.jitter * (2.0 * self._draw() - 1.0)), settings.sleep_max)

    def _spread(self, wish: float) -> float:
        """Return a floor the vendor set with jitter on top, never taken off."""
        return wish * (1.0 + self._settings.jitter * self._draw())
