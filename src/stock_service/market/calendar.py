"""When markets trade, when they change, and when a day's data may be treated as final.

Pure: the same question has the same answer until something is learnt; what is remembered between questions is only the
span, the day and the pair of daily instants that answered the last one. The exchange's special days come from
`market/closures.py`. A year that table does not cover is refused by `supports`; its weekdays are taken for ordinary
ones and their sessions are marked `assumed`. Never infers a closure: an unscheduled one is told by `learn`.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping
from datetime import date, datetime, time, timedelta
from typing import NamedTuple

from stock_service.market.closures import CLOSED_DAYS, EARLY_CLOSE_DAYS, FIRST_YEAR, LAST_YEAR
from stock_service.market.hours import (
    EARLY_CLOSE,
    NEW_YORK,
    Session,
    Turn,
    exchange_session,
    exchange_turns,
    instant,
    ordinary_close,
    week_session,
    week_turns,
    zone_of,
)
from stock_service.market.markets import Market, Phase

_NOON = time(12)
_MIDNIGHT = time(0)
_DAY = timedelta(days=1)
_LOOK_AHEAD = 30  # days; the longest closure on record, in 1914, lasted four months and is before any data
_EXCHANGE_MARKETS = frozenset({Market.STOCKS, Market.OPTIONS, Market.INDICES})
_EARLY_CLOSES = dict.fromkeys(EARLY_CLOSE_DAYS, EARLY_CLOSE)
_SATURDAY = 5
_NO_INSTANTS = (math.inf, math.inf)


class _Span(NamedTuple):
    from_at: float
    until_at: float
    phase: Phase
    following: Phase | None


class _Day(NamedTuple):
    from_at: float
    until_at: float
    day: date


class Calendar:
    """The trading calendar of every market the vendor covers."""

    __slots__ = ("_closed", "_dailies", "_days", "_early", "_spans")

    def __init__(
        self,
        closed: Collection[date] = CLOSED_DAYS,
        early: Mapping[date, time] = _EARLY_CLOSES,
    ) -> None:
        self._closed = frozenset(closed)
        self._early = dict(early)
        self._spans: dict[Market, _Span] = {}
        self._days: dict[Market, _Day] = {}  # the last one asked about
        self._dailies: dict[time, tuple[float, float]] = {}  # by time of day: the last one and the next

    def learn(self, closed: Collection[date] = (), early: Mapping[date, time] | None = None) -> None:
        """Take over these closed days and early closes (New York time) of the exchange; none is ever taken back."""
        self._closed |= frozenset(closed)
        self._early.update(early or {})
        self._spans.clear()

    def supports(self, year: int) -> bool:
        """Return whether the exchange's special days of `year` are known."""
        return FIRST_YEAR <= year <= LAST_YEAR

    def phase(self, market: Market, wall: float) -> Phase:
        """Return what `market` does at Unix second `wall`."""
        span = self._spans.get(market)
        if span is None or not span.from_at <= wall < span.until_at:
            span = self._spans[market] = self._find_span(market, wall)
        return span.phase

    def next_change(self, market: Market, wall: float) -> Turn | None:
        """Return when the phase next changes and to what; None for a market that never closes."""
        self.phase(market, wall)
        span = self._spans[market]
        return None if span.following is None else Turn(span.until_at, span.following)

    def next_trading(self, market: Market, wall: float) -> float:
        """Return the first Unix second from `wall` on at which `market` trades (extended hours count)."""
        if self.phase(market, wall).trading:
            return wall
        return self._spans[market].until_at

    def session_of(self, market: Market, day: date) -> Session | None:
        """Return the session of `day`, or None when `market` is closed all day."""
        if not self.trades_on(market, day):
            return None
        if market not in _EXCHANGE_MARKETS:
            return week_session(market, day)
        return exchange_session(day, self._early.get(day, ordinary_close()), not self.supports(day.year))

    def trades_on(self, market: Market, day: date) -> bool:
        """Return whether `market` has a session on `day`."""
        if market not in _EXCHANGE_MARKETS:
            return market is Market.CRYPTO or day.weekday() != _SATURDAY
        return day.weekday() < _SATURDAY and day not in self._closed

    def sessions_between(self, market: Market, first: date, last: date) -> Iterator[Session]:
        """Yield the sessions of the days from `first` to `last`, both included."""
        day = first
        while day <= last:
            session = self.session_of(market, day)
            if session is not None:
                yield session
            day += _DAY

    def previous_session(self, market: Market, day: date) -> Session:
        """Return the last session of a day before `day`."""
        session = self.session_of(market, self.previous_session_day(market, day))
        assert session is not None
        return session

    def previous_session_day(self, market: Market, day: date) -> date:
        """Return the last day before `day` on which `market` trades."""
        day -= _DAY
        while not self.trades_on(market, day):
            day -= _DAY
        return day

    def day_of(self, market: Market, wall: float) -> date:
        """Return the market's calendar day at Unix second `wall` (UTC days for crypto and FX, New York's otherwise)."""
        known = self._days.get(market)
        if known is not None and known.from_at <= wall < known.until_at:
            return known.day
        day = self.day_at(market, wall)
        self._days[market] = _Day(self.day_start(market, day), self.day_start(market, day + _DAY), day)
        return day

    def day_at(self, market: Market, at: float) -> date:
        """Return what `day_of` does, without a memory: for ends of spans of time, of which no two are alike."""
        return datetime.fromtimestamp(at, zone_of(market)).date()

    def next_daily(self, at: time, wall: float) -> float:
        """Return the first Unix second after `wall` at which New York reads `at`."""
        last_at, next_at = self._dailies.get(at, _NO_INSTANTS)
        if not last_at <= wall < next_at:
            day = self.day_of(Market.STOCKS, wall)
            if wall < instant(day, at):
                day -= _DAY
            last_at, next_at = self._dailies[at] = instant(day, at), instant(day + _DAY, at)
        return next_at

    def day_start(self, market: Market, day: date) -> float:
        """Return the Unix second at which the market's calendar day begins."""
        return instant(day, _MIDNIGHT, zone_of(market))

    def settle_line(self, market: Market, day: date) -> float:
        """Return the Unix second from which the data of `day` may be treated as final.

        12:00 New York time on the following calendar day; 12:00 UTC for crypto; 12:00 New York time on the
        Monday after the week's end for FX and futures (docs/market.md).
        """
        if market in (Market.FX, Market.FUTURES):
            since_sunday = (day.weekday() + 1) % 7
            return instant(day + timedelta(days=8 - since_sunday), _NOON)
        return instant(day + _DAY, _NOON, zone_of(market))

    def settled_day(self, market: Market, wall: float) -> date:
        """Return the last day whose data is final at Unix second `wall`; all days before it are final too."""
        whose_noon = Market.CRYPTO if market is Market.CRYPTO else Market.STOCKS
        day = self.day_of(whose_noon, wall)
        past_noon = wall >= instant(day, _NOON, zone_of(whose_noon))
        if market in (Market.FX, Market.FUTURES):
            since_monday = day.weekday()
            return day - timedelta(days=since_monday + 2 if since_monday or past_noon else 9)
        return day - (_DAY if past_noon else 2 * _DAY)

    def _find_span(self, market: Market, wall: float) -> _Span:
        today = datetime.fromtimestamp(wall, NEW_YORK).date()
        turns = list(self._turns(market, today))
        current = next(turn for turn in reversed(turns) if turn.at <= wall)
        later = [turn for turn in turns if turn.at > wall]
        for days in range(_LOOK_AHEAD + 1):
            change = next((turn for turn in later if turn.phase is not current.phase), None)
            if change is not None:
                return _Span(current.at, change.at, current.phase, change.phase)
            later = self._turns(market, today + _DAY * (days + 1))
        return _Span(current.at, later[0].at, current.phase, None)

    def _turns(self, market: Market, day: date) -> list[Turn]:
        if market in _EXCHANGE_MARKETS:
            return exchange_turns(day, self.session_of(market, day))
        return week_turns(market, day)
