"""How many requests one client may make: a steady rate with a burst, kept as one float (GCRA).

Pure: `now` is monotonic seconds. A refusal changes nothing, so asking again is free and both HTTP paths may ask.
What always holds: within any span of s seconds at most `burst + rate * s` requests are let through, and the
count shown to the client is above zero exactly when the next `take` at that instant would succeed.
"""

from __future__ import annotations

import math
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import ClassVar, Protocol

Headers = list[tuple[bytes, bytes]]

_PARTS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_LIMIT = re.compile(r"(\d{1,9})/(\d{0,5})([smhd])", re.ASCII)
_RATE_MAX = 100_000.0  # requests a second; above it one unit of time drowns in the rounding of the clock
_BURST_MAX = 1_000_000
_READY_MAX = 1_000  # bursts up to this have their lines rendered beforehand
SLACK = 0.001  # of one request: what rounding of large clock values may cost, far below what could be noticed


@dataclass(frozen=True, slots=True)
class Limit:
    """`rate` requests a second in the long run, `burst` at once."""

    rate: float
    burst: int

    def __post_init__(self) -> None:
        if not 0.0 < self.rate <= _RATE_MAX:
            raise ValueError(f"a rate is more than 0 and at most {_RATE_MAX:.0f} requests a second")
        if not 1 <= self.burst <= _BURST_MAX:
            raise ValueError(f"a burst is 1 to {_BURST_MAX} requests")


def parse_limit(text: str, burst: int | None = None) -> Limit:
    """Return the limit written as `100/s`, `5/m`, `1000/h` or `1/30s`; ValueError says what is wrong.

    Without `burst`, the whole count of the text may come at once.
    """
    found = _LIMIT.fullmatch(text.strip())
    if found is None:
        raise ValueError(f"{text[:40]!r} is not a limit such as 100/s, 5/m or 1000/h")
    count, seconds = int(found[1]), int(found[2] or 1) * _PARTS[found[3]]
    if count == 0 or seconds == 0:
        raise ValueError(f"{text[:40]!r} would let nothing through; revoke the key instead")
    return Limit(count / seconds, count if burst is None else burst)


class Allowance(Protocol):
    """What one client may still ask: all of it here (`Quota`, `Unlimited`), or lent by others (`lender.py`)."""

    @property
    def borrow(self) -> Callable[[], Awaitable[bool]] | None:
        """Ask whoever lends, if nothing is here; True: one request is taken. None where nobody lends."""
        ...

    @property
    def take(self) -> Callable[[float], bool]:
        """Take one request at `now`; False, and nothing taken, when none is left."""
        ...

    @property
    def retry_after(self) -> Callable[[float], float]:
        """Return seconds from `now` until one request may be free; 0 when one is."""
        ...

    @property
    def limit_headers(self) -> Callable[[float], Headers]:
        """Return the `RateLimit` fields at `now` (IETF httpapi draft)."""
        ...

    @property
    def limit_lines(self) -> Callable[[float], bytes]:
        """Return the same as finished head lines."""
        ...

    @property
    def take_lines(self) -> Callable[[float], bytes | None]:
        """Do what `take` does; return `limit_lines`, or None when nothing was left. A hit pays for this one call."""
        ...


class Quota:
    """One client's allowance, all of it here."""

    borrow: ClassVar[None] = None

    __slots__ = (
        "_burst",
        "_busy_above",
        "_busy_upto",
        "_first",
        "_lines",
        "_policy",
        "_rate",
        "_ready",
        "_room",
        "_shown",
        "_spare_for",
        "_step_for",
        "_taken_until",
    )

    def __init__(self, limit: Limit) -> None:
        self._rate = limit.rate
        self._burst = limit.burst
        self._step_for = 1.0 / limit.rate
        self._spare_for = (limit.burst - 1 + SLACK) / limit.rate
        self._taken_until = -math.inf
        self._policy = policy_of(limit)
        self._room = limit.burst + SLACK
        steady = limit.rate >= 1.0  # the next request is never more than a second away
        self._lines = b'ratelimit-policy: %b\r\nratelimit: "client";r=%%d;t=1\r\n' % self._policy if steady else b""
        self._ready = ready_lines(limit)
        first = limit.burst - 1  # left when a client that had rested has taken one
        self._first = self._ready[first] if self._ready else self._lines % first if steady else b""
        # The lines made last, and how far `taken_until` may be from `now`, one more being taken, for them to be true.
        self._shown = b""
        self._busy_above = self._busy_upto = 0.0

    def take(self, now: float) -> bool:
        """Take one request; False, and nothing taken, when none is left."""
        taken_until = self._taken_until
        if taken_until < now:
            self._taken_until = now + self._step_for
            return True
        if taken_until - now > self._spare_for:
            return False
        self._taken_until = taken_until + self._step_for
        return True

    def drain(self, until: float) -> None:
        """Leave only what would be left if everything were free again at `until`, not sooner."""
        self._taken_until = max(self._taken_until, until)

    def peek(self, now: float) -> int:
        """Return how many requests could be taken at `now`."""
        return self._state(now)[0]

    def retry_after(self, now: float) -> float:
        """Return seconds until one request is free; 0 when one is."""
        return max(0.0, self._taken_until - now - self._spare_for)

    def limit_headers(self, now: float) -> Headers:
        """Return the `RateLimit` fields (IETF httpapi draft); `t` is when at least one more request will be free."""
        return [(b"ratelimit-policy", self._policy), (b"ratelimit", b'"client";r=%d;t=%d' % self._state(now))]

    def limit_lines(self, now: float) -> bytes:
        """Return the same fields as finished head lines."""
        left, more_after = self._state(now)
        return self._ready[left] if self._ready else lines_of(self._policy, left, more_after)

    def take_lines(self, now: float) -> bytes | None:
        """Do what `take` does; return `limit_lines`, or None when nothing was left to take."""
        until = self._taken_until + self._step_for
        busy_for = until - now
        if self._busy_above < busy_for <= self._busy_upto:  # nearly always, for a busy client far from its limit
            self._taken_until = until
            return self._shown
        step_for = self._step_for
        if busy_for < step_for:  # the client had rested: nothing of its burst was in use
            self._taken_until = now + step_for
            return self._first or self.limit_lines(now)
        if self._taken_until - now > self._spare_for:
            return None
        self._taken_until = until
        lines = self._lines
        if not lines:
            return self.limit_lines(now)
        left = int(self._room - busy_for * self._rate)
        ready = self._ready
        shown = ready[left] if ready else lines % left
        if left > 0:  # the last one is for the comparison above alone: these instants are rounded otherwise
            self._shown = shown
            self._busy_upto = upto = (self._room - left) * step_for
            above = upto - step_for
            self._busy_above = above if above > step_for else step_for
        return shown

    def _state(self, now: float) -> tuple[int, int]:
        busy_for = self._taken_until - now
        if busy_for <= 0.0:
            return self._burst, 1
        # Below zero for an asker whose `now` is a little older than the last taker's.
        left = max(0.0, self._room - busy_for * self._rate)
        if self._step_for <= 1.0:
            return int(left), 1
        # To the instant the next whole request becomes free, never earlier than `retry_after` rounded up.
        return int(left), max(1, math.ceil((math.floor(left) + 1 - left) * self._step_for))


def policy_of(limit: Limit) -> bytes:
    """Return the value of `RateLimit-Policy`."""
    return b'"client";q=%d;w=%d' % (limit.burst, max(1, math.ceil(limit.burst / limit.rate - SLACK)))


def lines_of(policy: bytes, left: int, more_after: int) -> bytes:
    """Return both fields as finished head lines."""
    return b'ratelimit-policy: %b\r\nratelimit: "client";r=%d;t=%d\r\n' % (policy, left, more_after)


@lru_cache(maxsize=64)
def ready_lines(limit: Limit) -> tuple[bytes, ...]:
    """Return the lines for every count that can be left; none where that depends on more than the count."""
    if limit.rate < 1.0 or limit.burst > _READY_MAX:
        return ()
    policy = policy_of(limit)
    return tuple(lines_of(policy, left, 1) for left in range(limit.burst + 1))


class Unlimited:
    """The allowance of a client without a limit; shows no fields."""

    borrow: ClassVar[None] = None

    __slots__ = ()

    def take(self, _now: float) -> bool:
        """Let every request through."""
        return True

    def retry_after(self, _now: float) -> float:
        """Return 0: there is never a wait."""
        return 0.0

    def limit_headers(self, _now: float) -> Headers:
        """Return no fields."""
        return []

    def limit_lines(self, _now: float) -> bytes:
        """Return no lines."""
        return b""

    def take_lines(self, _now: float) -> bytes | None:
        """Let every request through, with no lines."""
        return b""


UNLIMITED = Unlimited()


def own_allowance(_client_id: str, limit: Limit | None) -> Allowance:
    """Return a full allowance for `limit`, all of it here; None is no limit."""
    return UNLIMITED if limit is None else Quota(limit)
