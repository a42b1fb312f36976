"""What an operator wants to have ready: tickers, bar sizes, lengths of time; as they are written and checked. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from stock_service.base.errors import BadRequest
from stock_service.cache.sizes import BarSize
from stock_service.vendor.request import bars_request

_WISH = re.compile(r"(\d{1,4})/(second|minute|hour|day|week|month|quarter|year):(\d{1,5})(d|w|mo|y)\Z", re.ASCII)
_DAYS = {"d": 1, "w": 7, "mo": 31, "y": 366}
_LONGEST_DAYS = 60 * 366


class TickersFaulty(Exception):
    """A file of tickers cannot be used. `problem` is a sentence, safe to print."""

    def __init__(self, problem: str) -> None:
        super().__init__(problem)
        self.problem = problem


@dataclass(frozen=True, slots=True)
class Wish:
    """Bars of one size, as far back as so many days. `text` is how it was written."""

    size: BarSize
    days: int
    text: str


def parse_wish(text: str) -> Wish:
    """Return the wish in `text`: `1/day:2y`, `1/minute:30d`, `5/minute:6mo`.

    Raises:
        ValueError: it is none; the text completes a sentence that begins with the name of a setting.
    """
    found = _WISH.match(text)
    if found is None:
        raise ValueError(f"holds {text!r}; write size and length as in 1/day:2y or 5/minute:30d (d, w, mo or y)")
    size, days = BarSize(int(found[1]), found[2]), int(found[3]) * _DAYS[found[4]]
    if not size.kept:
        raise ValueError(f"holds {text!r}, a size of which no series is kept (docs/series.md); 1 or 5 minutes are fine")
    if not 1 <= days <= _LONGEST_DAYS:
        raise ValueError(f"holds {text!r}; the length must be from 1d to 60y")
    return Wish(size, days, text)


def parse_ticker(text: str) -> str:
    """Return the vendor's ticker in `text`; all lower case is taken for a typing habit.

    Raises:
        ValueError: it is none; the text completes a sentence that begins with the name of a setting.
    """
    try:
        bars_request(text, 1, "day", "2024-01-02", "2024-01-02")
    except BadRequest:
        raise ValueError(f"holds {text[:70]!r}, which is no ticker such as AAPL, BRK.B or X:BTCUSD") from None
    return text.upper() if text == text.lower() else text


def read_tickers(path: Path) -> tuple[str, ...]:
    """Return the tickers of a file: the first on each line up to a comma; lines that begin with # are left out.

    Raises:
        TickersFaulty: it cannot be read, or a line begins with no ticker.
    """
    try:
        lines = path.read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise TickersFaulty(f"{path} cannot be read: {reason}") from None
    found = []
    for number, line in enumerate(lines, 1):
        word = line.partition(",")[0].strip()
        if not word or word.startswith("#"):
            continue
        try:
            found.append(parse_ticker(word))
        except ValueError as error:
            raise TickersFaulty(f"{path}, line {number}, {error}") from None
    return tuple(found)
