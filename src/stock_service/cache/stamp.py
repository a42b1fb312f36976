"""What is known of a span of bars besides the bars: when it was fetched and how long it may be served. Pure."""

from __future__ import annotations

from stock_service.base.record import record
from stock_service.cache.freshness import Freshness, Lifetime


@record
class Stamp:
    """When a span was fetched and how long it may be served; `doubted` marks an unconfirmed "nothing there"."""

    fetched_at: float
    fresh_until: float
    soft_until: float
    hard_until: float
    doubted: bool = False

    @staticmethod
    def of(fetched_at: float, lifetime: Lifetime, now: float) -> Stamp:
        """Return the stamp of a span stored at `now`."""
        fresh_until = now + lifetime.fresh_for
        soft_until = fresh_until + lifetime.stale_while_for
        return Stamp(fetched_at, fresh_until, soft_until, max(soft_until, fresh_until + lifetime.stale_error_for))

    def freshness(self, now: float) -> Freshness:
        """Return what may be done with the span at `now`."""
        if now < self.fresh_until:
            return Freshness.FRESH
        if now < self.soft_until:
            return Freshness.SOFT
        return Freshness.HARD if now < self.hard_until else Freshness.DEAD
