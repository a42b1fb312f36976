"""What one calendar day of a market looks like: its session, and the phases it goes through.

Pure functions of a day and the exchange's special days. Stocks, options and indices share the hours of the US
stock market: index options trade a little longer than stocks, and calling them closed early would be the worse
mistake. Days of crypto and FX are UTC days, as the vendor's bars have them, all others are days of New York. FX and
futures weeks begin on Sunday evening in New York.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta, tzinfo
from functools import lru_cache
from typing import NamedTuple
from zoneinfo import ZoneInfo

from stock_service.base.record import record
from stock_service.market.markets import Market, Phase

NEW_YORK = ZoneInfo("America/New_York")

_MIDNIGHT = time(0)
_PRE_OPENS = time(4)
_OPENS = time(9, 30)
_CLOSES = time(16)
_POST_ENDS = time(20)
EARLY_CLOSE = time(13)
_POST_AFTER_EARLY_CLOSE = timedelta(hours=4)  # early close days end their late session at 17:00
_FX_TURN = time(17)
_FUTURES_PAUSE, _FUTURES_RESUME = time(17), time(18)
_SATURDAY, _SUNDAY, _FRIDAY = 5, 6, 4
_UTC_MARKETS = frozenset({Market.CRYPTO, Market.FX})


class Turn(NamedTuple):
    """The instant a phase begins, in Unix seconds."""

    at: float
    phase: Phase


@record
class Session:
    """One trading day; instants are Unix seconds.

    `starts_at` to `ends_at` includes extended hours, `opens_at` to `closes_at` does not; markets without
    extended hours have both pairs equal. `assumed` is true when the calendar has no rules for that year and
    took the day for an ordinary weekday.
    """

    day: date
    starts_at: float
    opens_at: float
    closes_at: float
    ends_at: float
    assumed: bool = False


def zone_of(market: Market) -> tzinfo:
    """Return the zone whose midnight begins the days of this market's data."""
    return UTC if market in _UTC_MARKETS else NEW_YORK


@lru_cache(maxsize=4_096)  # a zone's rules are slow to apply, and every answer kept asks about the same few days
def instant(day: date, at: time, zone: tzinfo = NEW_YORK) -> float:
    """Return the Unix second at which `zone` reads `at` on `day`."""
    return datetime.combine(day, at, zone).timestamp()


def exchange_session(day: date, closes: time, assumed: bool) -> Session:
    """Return the US stock session of `day`, closing at `closes` New York time."""
    ends = _POST_ENDS
    if closes != _CLOSES:
        ends = (datetime.combine(day, closes) + _POST_AFTER_EARLY_CLOSE).time()
    return Session(
        day, instant(day, _PRE_OPENS), instant(day, _OPENS), instant(day, closes), instant(day, ends), assumed
    )


def ordinary_close() -> time:
    """Return the New York time at which an ordinary session closes."""
    return _CLOSES


def exchange_turns(day: date, session: Session | None) -> list[Turn]:
    """Return the phases of one calendar day of the US stock market, in order, from midnight."""
    turns = [Turn(instant(day, _MIDNIGHT), Phase.CLOSED)]
    if session is not None:
        turns += [
            Turn(session.starts_at, Phase.PRE),
            Turn(session.opens_at, Phase.REGULAR),
            Turn(session.closes_at, Phase.POST),
            Turn(session.ends_at, Phase.CLOSED),
        ]
    return turns


def week_turns(market: Market, day: date) -> list[Turn]:
    """Return the phases of one day of New York's calendar for FX, futures or crypto, in order, from midnight."""
    start = instant(day, _MIDNIGHT)
    weekday = day.weekday()
    if market is Market.CRYPTO:
        return [Turn(start, Phase.REGULAR)]
    if weekday == _SATURDAY:
        return [Turn(start, Phase.CLOSED)]
    pauses, resumes = (_FUTURES_PAUSE, _FUTURES_RESUME) if market is Market.FUTURES else (_FX_TURN, _FX_TURN)
    if weekday == _SUNDAY:
        return [Turn(start, Phase.CLOSED), Turn(instant(day, resumes), Phase.REGULAR)]
    turns = [Turn(start, Phase.REGULAR)]
    if weekday == _FRIDAY or pauses != resumes:
        turns.append(Turn(instant(day, pauses), Phase.CLOSED))
    if weekday != _FRIDAY and pauses != resumes:
        turns.append(Turn(instant(day, resumes), Phase.REGULAR))
    return turns


def week_session(market: Market, day: date) -> Session:
    """Return the part of `day` (see `zone_of`) on which FX, futures or crypto trades; no Saturday but for crypto."""
    starts, ends = (instant(edge, _MIDNIGHT, zone_of(market)) for edge in (day, day + timedelta(days=1)))
    if market is not Market.CRYPTO and day.weekday() == _SUNDAY:
        starts = instant(day, _FX_TURN if market is Market.FX else _FUTURES_RESUME)
    if market is not Market.CRYPTO and day.weekday() == _FRIDAY:
        ends = instant(day, _FX_TURN if market is Market.FX else _FUTURES_PAUSE)
    return Session(day, starts, starts, ends, ends)
