"""How long each part of a fetched range of bars may be served: settled history, the days since, the running day.

One answer of the vendor often reaches from last year to this minute. Cut where the rules change, its past is kept
for weeks while only the tail is asked for again.
"""

from __future__ import annotations

import math
from datetime import timedelta

from stock_service.cache.freshness import Lifetime
from stock_service.cache.policy import Policy
from stock_service.cache.ranges import Span
from stock_service.cache.sizes import DAY_MS, BarSize
from stock_service.cache.subject import Subject
from stock_service.market.calendar import Calendar
from stock_service.market.markets import Market


def judge_parts(
    policy: Policy, calendar: Calendar, market: Market, size: BarSize, span: Span, wall: float, *, nothing: bool
) -> list[tuple[Span, Lifetime]]:
    """Return `span` (milliseconds of bar beginnings) in up to three parts, each with its lifetime.

    `nothing` says that the vendor has no bar in all of `span`. `wall` is Unix seconds.
    """
    settled = calendar.settled_day(market, wall) + timedelta(days=1)
    edges = [
        size.first_start(market, int(calendar.day_start(market, day) * 1_000))
        for day in (settled, calendar.day_of(market, wall))
    ]
    widening_ms = max(0, size.length_ms - DAY_MS)  # a long bar may end days after the range it begins in
    parts = []
    start = span.start
    for edge in (*sorted(edges), math.inf):
        stop = int(min(edge, span.stop))
        if start < stop:
            subject = Subject(market, start / 1_000, min(stop + widening_ms, edge) / 1_000)
            lifetime = policy.judge_bars(subject, size.multiplier, size.timespan, wall, nothing=nothing)
            parts.append((Span(start, stop), lifetime))
            start = stop
    return parts
