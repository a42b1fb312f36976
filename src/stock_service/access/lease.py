"""What one instance of a fleet holds of a client's allowance: a few requests lent to it for a moment, and when to ask
for more.

Pure: `now` is monotonic seconds; who lends is `lender.py`. Spends only what was lent and not longer than `LEASE_FOR`
after it was asked for. Asks for as many requests as this instance had in `SLICE_FOR`, so a quiet one holds nothing
that a busy one could use, and a slow client's requests are lent one by one. While nobody can lend, `take` falls back
to this instance's own share, which it never exceeds however often that happens.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

from stock_service.access.quota import SLACK, Headers, Limit, Quota, lines_of, policy_of, ready_lines

LEASE_FOR = 0.25  # seconds
SLICE_FOR = 0.1  # seconds of the client's rate: what an instance holds at most
_ASK_EVERY = 0.025  # seconds between questions that bring nothing
_ALONE_ASK_EVERY = 0.1  # seconds between looks whether somebody lends again
_DEMAND_OVER = 0.01  # seconds; a shorter time says nothing about a rate


class Ask(NamedTuple):
    """A question for more. `needed` are waited for; `wanted` includes them; `spent` were taken of our own share.

    `taken_for`: seconds until the whole allowance is free again, as last heard, should the lender have forgotten.
    """

    needed: int
    wanted: int
    spent: int
    taken_for: float


class Lent(NamedTuple):
    """An answer: requests lent, and the seconds until the whole allowance of the fleet is free again."""

    given: int
    taken_for: float


class Lease:
    """One client's allowance, as one instance sees it.

    Args:
        limit: of the client, for the fleet.
        pods: how many instances there may be; without a lender each has this share.
        wake: called when it would be good to `ask` soon; must return at once.
    """

    __slots__ = (
        "_alone",
        "_ask_at",
        "_burst",
        "_free_at",
        "_had",
        "_heard_at",
        "_left",
        "_low",
        "_misses",
        "_own",
        "_policy",
        "_rate",
        "_ready",
        "_room",
        "_slice",
        "_spent",
        "_until",
        "_wake",
        "_wish_at",
        "limit",
    )

    def __init__(self, limit: Limit, pods: int, wake: Callable[[], object]) -> None:
        self.limit = limit
        self._rate = limit.rate
        self._burst = limit.burst
        self._room = fleet_burst(limit) + SLACK
        self._policy = policy_of(limit)
        self._ready = ready_lines(limit)
        self._wake = wake
        self._own = Quota(own_share(limit, pods))
        # What is lent: so many, usable until then; at `_low` more are asked for.
        self._left = 0
        self._until = -math.inf
        self._low = 0
        # What was heard: when the whole allowance is free again; not to ask before for those who wait, nor for stock.
        self._free_at = -math.inf
        self._ask_at = -math.inf
        self._wish_at = -math.inf
        self._alone = False
        # What this instance needs: requests had and missed since it heard last.
        self._heard_at = -math.inf
        self._had = 0
        self._misses = 0
        self._slice = 0
        self._spent = 0

    @property
    def alone(self) -> bool:
        """Whether nobody lends, and our own share is in force."""
        return self._alone

    def take(self, now: float) -> bool:
        """Take one request of what is here; False, and nothing taken, when there is none."""
        left = self._left
        if left > self._low and now < self._until:
            self._left = left - 1
            return True
        return self._take_last(now)

    def short(self, now: float) -> bool:
        """Return whether nothing is here, and asking could bring something."""
        return (self._left == 0 or now >= self._until) and now >= self._ask_at

    def hopeless(self, now: float) -> bool:
        """Return whether it was heard a moment ago that nothing is left."""
        return now < self._ask_at

    def ask(self, now: float, needed: int) -> Ask | None:
        """Return the question to ask; None when there is none.

        Args:
            needed: requests that wait for the answer.
        """
        left = self._left if now < self._until else 0
        used = self._had - self._left + self._misses
        demand = used / max(_DEMAND_OVER, now - self._heard_at)
        self._slice = int(min(demand, self._rate) * SLICE_FOR)
        wanted = needed + max(0, self._slice - left)
        if not wanted and not self._alone:
            return None
        spent, self._spent = self._spent, 0
        return Ask(needed, wanted, spent, max(0.0, self._free_at - now))

    def hear(self, ask: Ask, lent: Lent, asked_at: float, now: float) -> int:
        """Take over the answer to `ask`; return how many of those who waited got their request."""
        self._alone = False
        self._free_at = now + lent.taken_for
        served = min(lent.given, ask.needed)
        self._left = (self._left if now < self._until else 0) + lent.given - served
        self._until = asked_at + LEASE_FOR
        self._low = self._slice // 2
        self._heard_at, self._had, self._misses = now, self._left, 0
        next_for = lent.taken_for - (fleet_burst(self.limit) - 1) / self._rate
        self._wish_at = self._ask_at = now
        if next_for > 0.0:  # nothing is left: what comes next is for hits, and only then for those who would wait
            self._wish_at = now + max(_ASK_EVERY, next_for)
            self._ask_at = self._wish_at + (_ASK_EVERY if self._slice else 0.0)
        return served

    def miss(self, now: float, ask: Ask | None = None) -> None:
        """Take note that nobody lends; what is lent already may be used up.

        Args:
            ask: the question that nobody answered. What it told may count twice then, which a moment mends.
        """
        if not self._alone:
            self._own.drain(self._free_at)  # our share of what is left, not of the whole
        self._alone = True
        self._spent += ask.spent if ask is not None else 0
        self._ask_at = self._wish_at = now + _ALONE_ASK_EVERY

    def give_back(self) -> None:
        """Put back one request that nobody waits for any more."""
        self._left += 1
        self._had += 1

    def retry_after(self, now: float) -> float:
        """Return seconds until one request may be free; 0 when one is."""
        if self._alone:
            return self._own.retry_after(now)
        return 0.0 if now < self._until and self._left else max(0.0, self._ask_at - now)

    def limit_headers(self, now: float) -> Headers:
        """Return the `RateLimit` fields: of the fleet as last heard, or of our own share while that is in force."""
        if self._alone:
            return self._own.limit_headers(now)
        return [(b"ratelimit-policy", self._policy), (b"ratelimit", b'"client";r=%d;t=%d' % self._state(now))]

    def limit_lines(self, now: float) -> bytes:
        """Return the same fields as finished head lines, for the path below the framework."""
        if self._alone:
            return self._own.limit_lines(now)
        left, more_after = self._state(now)
        return self._ready[left] if self._ready else lines_of(self._policy, left, more_after)

    def take_lines(self, now: float) -> bytes | None:
        """Do what `take` does; return `limit_lines`, or None when there was none here."""
        left = self._left
        if left <= self._low or now >= self._until:
            return self.limit_lines(now) if self._take_last(now) else None
        self._left = left = left - 1
        ready = self._ready
        if not left or not ready or self._alone:
            return self.limit_lines(now)
        level = self._room - (self._free_at - now) * self._rate
        if level > 0.0:
            left += int(level)
        return ready[left if left < self._burst else self._burst]

    def _take_last(self, now: float) -> bool:
        if now >= self._wish_at:
            self._wake()
        if self._left and now < self._until:
            self._left -= 1
            return True
        if self._alone and self._own.take(now):
            self._spent += 1
            return True
        self._misses += 1
        return False

    def _state(self, now: float) -> tuple[int, int]:
        """Return what is left to the client, and the seconds until there is more."""
        here = self._left if now < self._until else 0
        if not here and now < self._ask_at:
            return 0, max(1, math.ceil(self._ask_at - now))
        busy_for = self._free_at - now
        if busy_for <= 0.0:
            return self._burst, 1
        level = max(0.0, self._room - busy_for * self._rate)
        left = min(self._burst, here + int(level))
        if self._rate >= 1.0:
            return left, 1
        return left, max(1, math.ceil((math.floor(level) + 1 - level) / self._rate))


def own_share(limit: Limit, pods: int) -> Limit:
    """Return what one instance of `pods` may let through on its own: never nothing."""
    return Limit(limit.rate / pods, max(1, limit.burst // pods))


def fleet_burst(limit: Limit) -> float:
    """Return how many requests a fleet may let through at once.

    One and a slice at least: questions come a little later than the instant from which they could be answered, and
    what a smaller allowance gains meanwhile would be lost.
    """
    return max(float(limit.burst), 1.0 + limit.rate * SLICE_FOR)
