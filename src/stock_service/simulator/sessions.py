"""When each kind of market trades, as minutes of a day.

Decides which days have a session and which minutes it spans. Pure and independent of the service's own calendar, so
that the two can be compared. Must never know prices. A day is an ordinal (`date.toordinal()`); stocks, options and
indices count its minutes from midnight in New York, crypto and currencies from midnight UTC.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from functools import lru_cache
from zoneinfo import ZoneInfo

NEW_YORK = ZoneInfo("America/New_York")

MONDAY, THURSDAY, FRIDAY, SATURDAY, SUNDAY = 0, 3, 4, 5, 6


class Market(StrEnum):
    """The vendor's asset classes."""

    STOCKS = "stocks"
    OPTIONS = "options"
    INDICES = "indices"
    CRYPTO = "crypto"
    FX = "fx"


@dataclass(frozen=True, slots=True)
class Session:
    """Trading minutes `start <= minute < end` of one day, the regular ones within."""

    start: int
    end: int
    regular_start: int
    regular_end: int


_FULL = Session(240, 1200, 570, 960)
_EARLY = Session(240, 1020, 570, 780)
_FULL_REGULAR = Session(570, 960, 570, 960)
_EARLY_REGULAR = Session(570, 780, 570, 780)
_ALL_DAY = Session(0, 1440, 0, 1440)

# Closures no rule foretells: 11 September 2001, days of mourning, hurricane Sandy.
_UNSCHEDULED = frozenset(
    date(*day)
    for day in (
        (2001, 9, 11),
        (2001, 9, 12),
        (2001, 9, 13),
        (2001, 9, 14),
        (2004, 6, 11),
        (2007, 1, 2),
        (2012, 10, 29),
        (2012, 10, 30),
        (2018, 12, 5),
        (2025, 1, 9),
    )
)


@dataclass(frozen=True, slots=True)
class Holiday:
    """A scheduled closure or early close of the US exchanges."""

    day: date
    name: str
    early: bool


@lru_cache(maxsize=20_000)
def session_on(market: Market, ordinal: int) -> Session | None:
    """The session of that day, None when the market is closed all day."""
    day = date.fromordinal(ordinal)
    if market is Market.CRYPTO:
        return _ALL_DAY
    if market is Market.FX:
        return _currency_session(day)
    if day.weekday() >= SATURDAY or day in _UNSCHEDULED:
        return None
    holiday = next((holiday for holiday in holidays_of(day.year) if holiday.day == day), None)
    if holiday is not None and not holiday.early:
        return None
    if market is Market.STOCKS:
        return _FULL if holiday is None else _EARLY
    return _FULL_REGULAR if holiday is None else _EARLY_REGULAR


def _currency_session(day: date) -> Session | None:
    """Currencies trade from Sunday to Friday 17:00 in New York."""
    turn = datetime.combine(day, time(17), NEW_YORK).astimezone(UTC).hour * 60
    if day.weekday() == SATURDAY:
        return None
    if day.weekday() == SUNDAY:
        return Session(turn, 1440, turn, 1440)
    if day.weekday() == FRIDAY:
        return Session(0, turn, 0, turn)
    return _ALL_DAY


@lru_cache(maxsize=20_000)
def midnight_ms(market: Market, ordinal: int) -> int:
    """Unix milliseconds at which that day begins for the market's bars (facts.md 1.2)."""
    zone = UTC if market in (Market.CRYPTO, Market.FX) else NEW_YORK
    return int(datetime.combine(date.fromordinal(ordinal), time(), zone).timestamp()) * 1000


def ordinal_at(market: Market, ms: int) -> int:
    """The day an instant (Unix milliseconds) belongs to."""
    zone = UTC if market in (Market.CRYPTO, Market.FX) else NEW_YORK
    return datetime.fromtimestamp(ms / 1000, zone).toordinal()


@lru_cache(maxsize=400)
def holidays_of(year: int) -> tuple[Holiday, ...]:
    """Scheduled closures and early closes of the New York exchanges in `year`, in order.

    The rules are those in force since 1998 (Martin Luther King Day) and 2022 (Juneteenth).
    """
    thanksgiving = _nth(year, 11, THURSDAY, 4)
    closed = [
        (_nth(year, 1, MONDAY, 3), "Martin Luther King, Jr. Day"),
        (_nth(year, 2, MONDAY, 3), "Washington's Birthday"),
        (_easter(year) - timedelta(days=2), "Good Friday"),
        (_nth(year, 6, MONDAY, 1) - timedelta(days=7), "Memorial Day"),
        (_observed(date(year, 7, 4)), "Independence Day"),
        (_nth(year, 9, MONDAY, 1), "Labor Day"),
        (thanksgiving, "Thanksgiving"),
        (_observed(date(year, 12, 25)), "Christmas"),
    ]
    if date(year, 1, 1).weekday() != SATURDAY:  # the exchange does not close on 31 December instead
        closed.append((_observed(date(year, 1, 1)), "New Year's Day"))
    if year >= 2022:
        closed.append((_observed(date(year, 6, 19)), "Juneteenth"))
    taken = {day for day, _ in closed}
    early = [
        (thanksgiving + timedelta(days=1), "Thanksgiving"),
        (date(year, 12, 24), "Christmas"),
        (date(year, 7, 3), "Independence Day"),
    ]
    found = [Holiday(day, name, early=False) for day, name in closed]
    found += [Holiday(day, name, early=True) for day, name in early if day not in taken and day.weekday() < SATURDAY]
    return tuple(sorted(found, key=lambda holiday: holiday.day))


def _nth(year: int, month: int, weekday: int, count: int) -> date:
    first = date(year, month, 1)
    return first + timedelta(days=(weekday - first.weekday()) % 7 + 7 * (count - 1))


def _observed(day: date) -> date:
    if day.weekday() == SATURDAY:
        return day - timedelta(days=1)
    return day + timedelta(days=1) if day.weekday() == SUNDAY else day


def _easter(year: int) -> date:
    """Easter Sunday of the Gregorian calendar (the anonymous algorithm, Nature, 1876)."""
    century, within = divmod(year, 100)
    golden = year % 19
    epact = (19 * golden + century - century // 4 - (century - (century + 8) // 25 + 1) // 3 + 15) % 30
    letter = (32 + 2 * (century % 4) + 2 * (within // 4) - epact - within % 4) % 7
    shift = epact + letter - 7 * ((golden + 11 * epact + 22 * letter) // 451) + 114
    return date(year, shift // 31, shift % 31 + 1)
