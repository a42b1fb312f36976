"""What is to be kept ready, and which questions to the vendor cost least. Pure.

A wish and a ticker make a target, from its first day to the last day that has ended. Daily bars of many stocks may
come out of whole-market answers: `choose_days` says which days are cheaper so.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta

from stock_service.cache.bar_questions import BarsQuestion, question_of
from stock_service.cache.policy import Entitlement
from stock_service.cache.sizes import BarSize
from stock_service.cache.wishes import Wish
from stock_service.market.calendar import Calendar
from stock_service.market.markets import Market, market_of
from stock_service.vendor.request import bars_request

_ALL = 10**12  # bars: a target is a span, not a page
_LAST_PRICES_AFTER = {Entitlement.REAL_TIME: 900.0, Entitlement.DELAYED: 1_800.0}  # docs/market.md


@dataclass(frozen=True, slots=True)
class Target:
    """One ticker's bars of one size, from a first to a last day."""

    ticker: str
    size: BarSize
    first: date
    last: date


def last_ended(calendar: Calendar, market: Market, wall: float, entitlement: Entitlement) -> date:
    """Return the last day whose bars the plan has: ended, and 15 minutes of corrections past."""
    settled = calendar.settled_day(market, wall)
    if entitlement is Entitlement.END_OF_DAY:
        return calendar.previous_session_day(market, settled + timedelta(days=1))
    day = calendar.day_of(market, wall) + timedelta(days=1)
    while True:
        session = calendar.previous_session(market, day)
        if session.ends_at + _LAST_PRICES_AFTER[entitlement] <= wall:
            return session.day
        day = session.day


def targets_of(
    wishes: Sequence[Wish], tickers: Sequence[str], ended: Mapping[Market, date], since: Mapping[Market, date]
) -> list[Target]:
    """Return every wish for every ticker, the longest bars first: they are the cheapest.

    `ended` is each market's last day, `since` a day before which nothing is asked for.
    """
    targets = []
    for wish in sorted(wishes, key=lambda each: -each.size.length_ms):
        for ticker in tickers:
            market = market_of(ticker)
            first = ended[market] - timedelta(days=wish.days - 1)
            targets.append(Target(ticker, wish.size, max(first, since.get(market, first)), ended[market]))
    return targets


def question_about(target: Target) -> BarsQuestion:
    """Return the question for all bars of a target, the newest first, so that it fills up from today backwards."""
    size = target.size
    request = bars_request(
        target.ticker, size.multiplier, size.timespan, target.first.isoformat(), target.last.isoformat(), sort="desc"
    )
    question = question_of(request)
    assert question is not None  # a wish is only for sizes that are kept
    return replace(question, limit=_ALL)


def choose_days(missing: Sequence[int]) -> int:
    """Return the days to take from whole-market answers so that the fewest calls fill all that is missing.

    `missing` are the days each ticker lacks and the result is in the same form: bit n stands for day n. A day costs a
    call, and so does every ticker that still lacks something.
    """
    masks = Counter(mask for mask in missing if mask)
    lacking: Counter[int] = Counter()
    for mask, tickers in masks.items():
        for day in _bits(mask):
            lacking[day] += tickers
    best, cost, chosen = 0, sum(masks.values()), 0
    for taken, (day, _) in enumerate(lacking.most_common(), 1):
        chosen |= 1 << day
        left = sum(tickers for mask, tickers in masks.items() if mask & ~chosen)
        if taken + left < cost:
            best, cost = chosen, taken + left
    return best


def _bits(mask: int) -> Iterator[int]:
    while mask:
        low = mask & -mask
        yield low.bit_length() - 1
        mask ^= low
