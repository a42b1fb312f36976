"""How old is too old: lengths a policy promises, and the state of an entry at an instant.

Lengths are seconds counted from the end of the fresh time, after RFC 5861's stale-while-revalidate and
stale-if-error. Knows time, not storage.
"""

from __future__ import annotations

from enum import Enum

from stock_service.base.record import record


class Freshness(Enum):
    """What may be done with a kept answer; named by what happens next."""

    FRESH = "fresh"  # serve
    SOFT = "soft"  # serve at once, refresh in the background
    HARD = "hard"  # try the vendor first, serve this if that fails
    DEAD = "dead"  # never serve


@record
class Lifetime:
    """How long an answer is fresh, and how long after that it may still be served.

    `fresh_for` 0 means: stored only to join concurrent askers and to survive errors.
    `stale_while_for` and `stale_error_for` count from the end of the fresh time.
    """

    fresh_for: float
    stale_while_for: float = 0.0
    stale_error_for: float = 0.0

    def spread(self, fraction: float) -> Lifetime:
        """Return the same promise with the fresh time scaled by `1 + fraction`: equals must not expire at once.

        A fresh time that is over already (below 0) stays as it is.
        """
        fresh_for = self.fresh_for * (1.0 + fraction) if self.fresh_for > 0 else self.fresh_for
        return Lifetime(fresh_for, self.stale_while_for, self.stale_error_for)
