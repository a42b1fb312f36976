"""The freshness table: for each kind of question, how long its answer is fresh and how stale it may be served.

Only data and its printer; `policy.py` reads it. Rows are looked up by name: a group's name, or `group/variant`
where one group holds questions of different pace. docs/freshness.md is this table, printed with
`python -m stock_service.cache.lifetimes`; a test compares the two.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, StrEnum

MINUTE = 60.0
HOUR = 3_600.0
DAY = 86_400.0


class Cut(StrEnum):
    """Instants past which nothing of a row stays fresh; the value is its name in the docs."""

    OPENING = "next opening"
    SETTLING = "15 min after the session, settle line"
    MIDNIGHT = "00:00 ET"
    CLEARING = "03:30 ET"
    MORNING = "06:00 ET"
    CHANGE = "next change of a market"


class Line(Enum):
    """When everything a question asks about lies so far back that its answer may be kept for long."""

    NEVER = "never"
    SETTLED = "settled"
    RECHECKED = "settled for 24 h"
    BEFORE_TODAY = "before today"
    WEEK_OLD = "older than 7 d"


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table; lengths in seconds.

    `open_for` holds while the market trades: for a real-time plan, one that is 15 minutes late, and one that gets
    a day at its end. `closed_for` holds while it does not. `past_for` holds once `past` is reached, in any phase.
    `stale_while_for` and `stale_error_for` count from the end of the fresh time.
    """

    open_for: tuple[float, float, float]
    closed_for: float
    cuts: tuple[Cut, ...]
    past: Line
    past_for: float
    stale_while_for: float
    stale_error_for: float


def _row(
    open_for: float,
    closed_for: float,
    stale: tuple[float, float],
    *cuts: Cut,
    delayed: float = 0.0,
    end_of_day: float = 0.0,
    past: tuple[Line, float] = (Line.NEVER, 0.0),
) -> Row:
    opens = (open_for, max(open_for, delayed), max(open_for, end_of_day))
    return Row(opens, closed_for, cuts, past[0], past[1], stale[0], stale[1])


_TICK_STALE = (5.0, MINUTE)
_MINUTE_STALE = (MINUTE, 15 * MINUTE)
_DAILY_STALE = (HOUR, 7 * DAY)
_REFERENCE_STALE = (DAY, 7 * DAY)

_HISTORY = (Line.SETTLED, 30 * DAY)
_REFERENCE_PAST = (Line.BEFORE_TODAY, 7 * DAY)
_SESSION = (Cut.OPENING, Cut.SETTLING)

TABLE: Mapping[str, Row] = {
    # prices: bars and what the vendor derives from them
    "bars/second": _row(2.0, DAY, _TICK_STALE, *_SESSION, end_of_day=5 * MINUTE, past=_HISTORY),
    "bars/minute": _row(MINUTE, DAY, _MINUTE_STALE, *_SESSION, end_of_day=5 * MINUTE, past=_HISTORY),
    "bars/hour": _row(MINUTE, DAY, _MINUTE_STALE, *_SESSION, end_of_day=5 * MINUTE, past=_HISTORY),
    "bars/day": _row(MINUTE, DAY, _DAILY_STALE, *_SESSION, end_of_day=5 * MINUTE, past=_HISTORY),
    "prev": _row(5 * MINUTE, DAY, _DAILY_STALE, Cut.MIDNIGHT),
    "prev/rolling": _row(MINUTE, MINUTE, _DAILY_STALE),  # 20:00 to 04:30 ET after a session: the hour is not documented
    "grouped": _row(5 * MINUTE, 15 * MINUTE, _DAILY_STALE, *_SESSION, past=_HISTORY),
    "openclose": _row(MINUTE, 15 * MINUTE, _DAILY_STALE, *_SESSION, end_of_day=5 * MINUTE, past=_HISTORY),
    "indicator/minute": _row(30.0, DAY, _MINUTE_STALE, *_SESSION, end_of_day=5 * MINUTE, past=_HISTORY),
    "indicator/hour": _row(MINUTE, DAY, _MINUTE_STALE, *_SESSION, end_of_day=5 * MINUTE, past=_HISTORY),
    "indicator/day": _row(5 * MINUTE, DAY, _DAILY_STALE, *_SESSION, past=_HISTORY),
    "futures_bars": _row(MINUTE, DAY, _MINUTE_STALE, *_SESSION, end_of_day=5 * MINUTE, past=_HISTORY),
    # prices: single trades and quotes, and the latest state
    "ticks": _row(2.0, MINUTE, _TICK_STALE, *_SESSION, past=(Line.RECHECKED, 30 * DAY)),
    "ticks_old": _row(MINUTE, MINUTE, _MINUTE_STALE, *_SESSION, past=(Line.RECHECKED, 30 * DAY)),
    "last": _row(1.0, 5 * MINUTE, _TICK_STALE, Cut.OPENING, delayed=15.0, end_of_day=MINUTE),
    "conv": _row(1.0, MINUTE, _TICK_STALE, Cut.OPENING, delayed=15.0, end_of_day=MINUTE),
    "snap_stk": _row(1.0, 5 * MINUTE, _TICK_STALE, Cut.CLEARING, Cut.OPENING, delayed=15.0, end_of_day=MINUTE),
    "snap_stk/list": _row(5.0, 5 * MINUTE, _TICK_STALE, Cut.CLEARING, Cut.OPENING, delayed=15.0, end_of_day=MINUTE),
    "snap_cc": _row(1.0, 5 * MINUTE, _TICK_STALE, Cut.MIDNIGHT, Cut.OPENING, end_of_day=MINUTE),
    "snap_cc/list": _row(5.0, 5 * MINUTE, _TICK_STALE, Cut.MIDNIGHT, Cut.OPENING, end_of_day=MINUTE),
    "snap_v3": _row(1.0, 5 * MINUTE, _TICK_STALE, Cut.CLEARING, Cut.OPENING, delayed=15.0, end_of_day=MINUTE),
    "snap_v3/chain": _row(5.0, 5 * MINUTE, _TICK_STALE, Cut.CLEARING, Cut.OPENING, delayed=15.0, end_of_day=MINUTE),
    "mkt_now": _row(15.0, MINUTE, _TICK_STALE, Cut.CHANGE),
    # reference
    "mkt_up": _row(6 * HOUR, 6 * HOUR, _REFERENCE_STALE, Cut.MIDNIGHT),
    "tickers": _row(6 * HOUR, DAY, _REFERENCE_STALE, Cut.MIDNIGHT, Cut.MORNING, past=_REFERENCE_PAST),
    "tickers/search": _row(HOUR, DAY, _REFERENCE_STALE, Cut.MIDNIGHT, Cut.MORNING, past=_REFERENCE_PAST),
    "ticker": _row(6 * HOUR, DAY, _REFERENCE_STALE, past=_REFERENCE_PAST),
    "types": _row(7 * DAY, 7 * DAY, (30 * DAY, 180 * DAY)),
    "corp": _row(HOUR, 6 * HOUR, _REFERENCE_STALE, past=(Line.BEFORE_TODAY, DAY)),
    "contracts": _row(HOUR, DAY, _REFERENCE_STALE, Cut.MIDNIGHT, Cut.MORNING, past=(Line.BEFORE_TODAY, 30 * DAY)),
    "news": _row(MINUTE, 5 * MINUTE, (5 * MINUTE, DAY), past=(Line.WEEK_OLD, 7 * DAY)),
    "related": _row(DAY, DAY, _REFERENCE_STALE),
    "fund": _row(6 * HOUR, DAY, _REFERENCE_STALE, past=_REFERENCE_PAST),
    "fund/ipos": _row(HOUR, DAY, _REFERENCE_STALE, past=_REFERENCE_PAST),
    "sec": _row(10 * MINUTE, 10 * MINUTE, _REFERENCE_STALE),
    "sec/one": _row(30 * DAY, 30 * DAY, (30 * DAY, 180 * DAY)),
    "futures_ref": _row(HOUR, HOUR, _REFERENCE_STALE),
    "shares": _row(6 * HOUR, 6 * HOUR, _REFERENCE_STALE),
    "economy": _row(6 * HOUR, 6 * HOUR, _REFERENCE_STALE),
    "ratings": _row(15 * MINUTE, 15 * MINUTE, _REFERENCE_STALE),
    "partner": _row(6 * HOUR, 6 * HOUR, _REFERENCE_STALE),
    "branding": _row(7 * DAY, 7 * DAY, (30 * DAY, 180 * DAY)),
    # routes we have no rule for: just long enough to serve a crowd with one call
    "unclassified": _row(5.0, 5.0, _TICK_STALE),
}

PAST_STALE_ERROR_FOR = 365 * DAY  # soft-immutable: re-checked when `past_for` ends, kept as long as the vendor fails
LATE_DAY_FOR = 15 * MINUTE  # an end-of-day plan gets the last day at an undocumented hour: ask again this often


def printed_table() -> str:
    """Return the table as Markdown."""
    lines = [
        "| question | open: real-time | 15 min late | end of day | closed | never fresh past | long once | for "
        "| stale while refreshing | stale on error |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for name, row in TABLE.items():
        cells = [
            name,
            *(_length(length) for length in row.open_for),
            _length(row.closed_for),
            "; ".join(cut.value for cut in row.cuts) or "-",
            "-" if row.past is Line.NEVER else row.past.value,
            "-" if row.past is Line.NEVER else _length(row.past_for),
            _length(row.stale_while_for),
            _length(row.stale_error_for),
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _length(seconds: float) -> str:
    for unit, name in ((DAY, "d"), (HOUR, "h"), (MINUTE, "min")):
        if seconds >= unit and seconds % unit == 0:
            return f"{seconds / unit:g} {name}"
    return f"{seconds:g} s"


if __name__ == "__main__":
    sys.stdout.write(printed_table())
