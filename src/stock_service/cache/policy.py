"""How long an answer may be served: the one judge of freshness.

Reads the table of `lifetimes.py` for the phase of the question's market. Never stores a vendor's failure, a
refused key or a spent quota; never lets a negative answer outlive its error; and never knows what is kept already.
Pure: `wall` is Unix seconds, all lengths are seconds.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, time, timedelta
from enum import IntEnum

from stock_service.base.reply import Reply
from stock_service.cache.freshness import Lifetime
from stock_service.cache.lifetimes import DAY, HOUR, LATE_DAY_FOR, MINUTE, PAST_STALE_ERROR_FOR, TABLE, Cut, Line, Row
from stock_service.cache.rows import bars_row, row_name
from stock_service.cache.subject import Subject, bar_seconds, subject_of
from stock_service.market.calendar import Calendar
from stock_service.market.markets import Market
from stock_service.vendor.endpoints import Group
from stock_service.vendor.payloads import Refusal, inspect_body
from stock_service.vendor.request import VendorRequest


class Entitlement(IntEnum):
    """How late the vendor's plan gets prices; the value is the column of the table."""

    REAL_TIME = 0
    DELAYED = 1  # by 15 minutes
    END_OF_DAY = 2


@dataclass(frozen=True, slots=True)
class PolicySettings:
    """What the vendor's plan and the operator decide.

    `history_for` is how long settled history is served before it is looked at again: the vendor corrects old data.
    `unknown_for` is how long "no such ticker" is believed.
    """

    entitlement: Entitlement = Entitlement.REAL_TIME
    history_for: float = 30 * DAY
    unknown_for: float = 30.0

    @property
    def longest_for(self) -> float:
        """How long after its fetch any answer may be served, at most."""
        longest = max(max(*row.open_for, row.closed_for, row.past_for) for row in TABLE.values())
        return max(longest, self.history_for) + PAST_STALE_ERROR_FOR


_DELAY = 15 * MINUTE  # of `Entitlement.DELAYED`, and of the last corrections after a session (docs/market.md)
_MALFORMED_FOR = 60.0
_RETIRED_FOR = DAY
_NOT_ENTITLED_FOR = HOUR
BEFORE_END_OF_DAY_FOR = 5 * MINUTE
_CLOSED_DAY_FOR = DAY
_NEGATIVE = frozenset({400, 405, 406, 410, 413, 414, 422})
_DAILY = {Cut.MIDNIGHT: time(0), Cut.CLEARING: time(3, 30), Cut.MORNING: time(6)}
_EMPTIABLE = frozenset(
    {Group.BARS, Group.FUTURES_BARS, Group.GROUPED, Group.PREV, Group.INDICATOR, Group.TICKS, Group.TICKS_OLD}
)
_EMPTY_BYTES = 2_048  # no answer without results is longer; longer bodies are not read twice


class Policy:
    """Judges the lifetime of answers by the market's rules."""

    __slots__ = ("_calendar", "_lag", "_settings")

    def __init__(self, calendar: Calendar, settings: PolicySettings) -> None:
        self._calendar = calendar
        self._settings = settings
        self._lag = _DELAY if settings.entitlement is Entitlement.DELAYED else 0.0  # of the prices the plan shows

    def judge_lifetime(self, request: VendorRequest, reply: Reply, wall: float) -> Lifetime | None:
        """Return how long `reply` may be served as the answer to `request`, or None when it must not be stored."""
        if reply.status == 200:
            return self._judge_good(request, reply, wall)
        return self._judge_bad(request, reply)

    def _judge_good(self, request: VendorRequest, reply: Reply, wall: float) -> Lifetime:
        subject = subject_of(request, self._calendar)
        row = TABLE[row_name(request, wall, self._calendar)]
        if request.endpoint.group in _EMPTIABLE and _is_empty(reply):
            return Lifetime(self._empty_for(row, bar_for(request), subject, wall))
        if self._is_past(row, subject, wall):
            return self._past(row, subject, wall)
        fresh = self._fresh_for(row, bar_for(request), subject, wall)
        return Lifetime(fresh, row.stale_while_for, row.stale_error_for)

    def judge_bars(
        self, subject: Subject, multiplier: int, timespan: str, wall: float, *, nothing: bool = False
    ) -> Lifetime:
        """Return how long bars of that size may be served as all there is of `subject`; `nothing`: there are none."""
        row, size = TABLE[bars_row(timespan)], bar_seconds(str(multiplier), timespan)
        if nothing:
            return Lifetime(self._empty_for(row, size, subject, wall))
        if self._is_past(row, subject, wall):
            return self._past(row, subject, wall)
        return Lifetime(self._fresh_for(row, size, subject, wall), row.stale_while_for, row.stale_error_for)

    def _judge_bad(self, request: VendorRequest, reply: Reply) -> Lifetime | None:
        if reply.status == 404:
            return Lifetime(self._missing_for(request, reply))
        if reply.status == 403:
            return _refused(inspect_body(reply.status, reply.content_type, reply.body).refusal)
        return Lifetime(_MALFORMED_FOR) if reply.status in _NEGATIVE else None

    # --- good answers -------------------------------------------------------------------------------------

    def _is_past(self, row: Row, subject: Subject, wall: float) -> bool:
        match row.past:
            case Line.NEVER:
                return False
            case Line.BEFORE_TODAY:
                today = self._calendar.day_of(Market.STOCKS, wall)
                return subject.until_at <= self._calendar.day_start(Market.STOCKS, today)
            case Line.WEEK_OLD:
                return subject.until_at <= wall - 7 * DAY
            case Line.SETTLED | Line.RECHECKED:
                return self._is_settled(subject, wall)

    def _is_settled(self, subject: Subject, wall: float) -> bool:
        last = self._last_session_day(subject, wall)
        return last is not None and last <= self._calendar.settled_day(subject.market, wall)

    def _last_session_day(self, subject: Subject, wall: float) -> date | None:
        """Return the last session day asked about, or None when the question reaches today or further."""
        last = subject.last_day(self._calendar)
        if last is None or last >= self._calendar.day_of(subject.market, wall):
            return None
        return self._calendar.previous_session_day(subject.market, last + timedelta(days=1))

    def _past(self, row: Row, subject: Subject, wall: float) -> Lifetime:
        if row.past in (Line.BEFORE_TODAY, Line.WEEK_OLD):
            return Lifetime(row.past_for, row.stale_while_for, row.stale_error_for)
        history_for = self._settings.history_for
        last = self._last_session_day(subject, wall) if row.past is Line.RECHECKED else None
        if last is not None:
            recheck_at = self._calendar.settle_line(subject.market, last) + DAY
            history_for = recheck_at - wall if wall < recheck_at else history_for
        return Lifetime(history_for, row.past_for, PAST_STALE_ERROR_FOR)

    def _fresh_for(self, row: Row, size: float, subject: Subject, wall: float) -> float:
        if self._is_moving(row, subject, wall - self._lag):
            fresh = max(row.open_for[self._settings.entitlement], min(size, MINUTE))
        else:
            fresh = row.closed_for
            if self._settings.entitlement is Entitlement.END_OF_DAY and Cut.SETTLING in row.cuts:
                fresh = min(fresh, LATE_DAY_FOR)
        for cut in row.cuts:
            for at in self._cuts(cut, row, subject, wall):
                if at > wall:
                    fresh = min(fresh, at - wall)
        return fresh

    def _is_moving(self, row: Row, subject: Subject, seen: float) -> bool:
        """Return whether the market trades and the question reaches the running session."""
        if row.past is Line.RECHECKED and subject.until_at <= seen:
            return False  # trades of a span that is over; bars may still be building
        return self._calendar.phase(subject.market, seen).trading and self._reaches_today(row, subject, seen)

    def _reaches_today(self, row: Row, subject: Subject, seen: float) -> bool:
        if Cut.SETTLING not in row.cuts:
            return True  # no question of such a row is about a span of time
        last = subject.last_day(self._calendar)
        return last is None or last >= self._calendar.day_of(subject.market, seen)

    def _cuts(self, cut: Cut, row: Row, subject: Subject, wall: float) -> list[float]:
        calendar, lag = self._calendar, self._lag
        daily = _DAILY.get(cut)
        if daily is not None:
            return [calendar.next_daily(daily, wall)]
        if cut is Cut.OPENING:
            reached = self._reaches_today(row, subject, wall - lag)
            return [calendar.next_trading(subject.market, wall - lag) + lag] if reached else []
        if cut is Cut.SETTLING:
            return self._settling(subject, wall)
        changes = (calendar.next_change(market, wall) for market in Market)
        return [change.at for change in changes if change is not None]

    def _settling(self, subject: Subject, wall: float) -> list[float]:
        today = self._calendar.day_of(subject.market, wall)
        last = min(subject.last_day(self._calendar) or today, today)
        session = self._calendar.previous_session(subject.market, last + timedelta(days=1))
        return [session.ends_at + _DELAY + self._lag, self._calendar.settle_line(subject.market, session.day)]

    # --- answers without content --------------------------------------------------------------------------

    def _empty_for(self, row: Row, size: float, subject: Subject, wall: float) -> float:
        """Return how long "nothing there" is believed: the longer ago the time asked about, the longer."""
        if self._is_closed_day(subject):
            return _CLOSED_DAY_FOR
        if subject.from_at > wall:
            return min(_CLOSED_DAY_FOR, subject.from_at - wall)
        last = subject.last_day(self._calendar)
        today = self._calendar.day_of(subject.market, wall)
        if last is None or last >= today:
            return min(MINUTE, self._fresh_for(row, size, subject, wall))
        if not self._is_settled(subject, wall):
            return 15 * MINUTE
        return 6 * HOUR if last >= today - timedelta(days=7) else DAY

    def _is_closed_day(self, subject: Subject) -> bool:
        first, last = subject.first_day(self._calendar), subject.last_day(self._calendar)
        if first is None or last is None or not 0 <= (last - first).days <= 10:
            return False
        return not any(True for _ in self._calendar.sessions_between(subject.market, first, last))

    def _missing_for(self, request: VendorRequest, reply: Reply) -> float:
        if _is_retired(reply):
            return _RETIRED_FOR
        if request.endpoint.group is Group.OPENCLOSE:
            subject = subject_of(request, self._calendar)
            if self._is_closed_day(subject):
                return _CLOSED_DAY_FOR
            return min(MINUTE, self._settings.unknown_for)
        return self._settings.unknown_for


def bar_for(request: VendorRequest) -> float:
    """Return the length in seconds of the bars asked for; 0 when the question is not about bars of a known size."""
    if request.endpoint.group is not Group.BARS:
        return 0.0
    return bar_seconds(request.path_params["multiplier"], request.path_params["timespan"])


def before_end_of_day(reply: Reply) -> bool:
    """Return whether the vendor refuses a day because the plan gets it at its end."""
    facts = inspect_body(reply.status, reply.content_type, reply.body)
    return reply.status == 403 and facts.refusal is Refusal.BEFORE_END_OF_DAY


def confirms_empty(kept_results: int, new_results: int, kept_is_doubted: bool) -> bool:
    """Return whether a new answer may replace a kept one.

    An empty answer replaces a real one only when the one before it was empty too (`kept_is_doubted`): the vendor
    has answered "nothing" under load (facts: empty 200 as a vendor fault).
    """
    return new_results > 0 or kept_results == 0 or kept_is_doubted


def _refused(refusal: Refusal | None) -> Lifetime | None:
    match refusal:
        case Refusal.BAD_KEY:
            return None
        case Refusal.BEFORE_END_OF_DAY:
            return Lifetime(BEFORE_END_OF_DAY_FOR)
        case _:
            return Lifetime(_NOT_ENTITLED_FOR)


def _is_empty(reply: Reply) -> bool:
    if len(reply.body) > _EMPTY_BYTES:
        return False
    if reply.results is not None:
        return reply.results == 0
    return inspect_body(reply.status, reply.content_type, reply.body).results == 0


def _is_retired(reply: Reply) -> bool:
    if reply.content_type.startswith("text/plain"):
        return b"page not found" in reply.body  # the vendor's words for a route it does not have
    return "deprecat" in inspect_body(reply.status, reply.content_type, reply.body).error.lower()
