"""Real daily bars from a folder of CSV files.

Reads `Date,Open,High,Low,Close,Volume` (any further columns are ignored; a `Ticker` column wins over the file's
name; `.csv` and `.csv.gz`). Prices must be raw, that is not adjusted. Within the span of a ticker's file the file is
the truth, a day it lacks has no session. Files without these columns are passed over. Reads the disk once, at start.
"""

from __future__ import annotations

import csv
import gzip
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path

_NEEDED = ("date", "open", "high", "low", "close", "volume")


@dataclass(frozen=True, slots=True)
class RawDay:
    """A traded day as its source gives it."""

    open: float
    high: float
    low: float
    close: float
    volume: float


@dataclass(frozen=True, slots=True)
class History:
    """The days of one ticker by ordinal, first and last included."""

    first: int
    last: int
    days: Mapping[int, RawDay]


def load_histories(folder: Path) -> Mapping[str, History]:
    """Every ticker's history found in `folder` (or in the one file given).

    Raises ValueError when there is none, or when a file or a row cannot be read.
    """
    found: dict[str, dict[int, RawDay]] = {}
    files = sorted(folder.iterdir()) if folder.is_dir() else [folder]
    for path in files:
        if path.name.endswith((".csv", ".csv.gz")):
            try:
                for ticker, ordinal, day in _rows(path):
                    found.setdefault(ticker, {})[ordinal] = day
            except (OSError, EOFError, zlib.error, csv.Error) as error:  # what a damaged gzip file may raise
                message = f"{path.name} cannot be read: {error}"
                raise ValueError(message) from error
    if not found:
        message = f"no daily bars in {folder}: expected CSV files with Date,Open,High,Low,Close,Volume"
        raise ValueError(message)
    return {ticker: History(min(days), max(days), days) for ticker, days in found.items()}


def _rows(path: Path) -> Iterator[tuple[str, int, RawDay]]:
    read = gzip.open if path.suffix == ".gz" else open
    with read(path, "rt", errors="replace") as lines:
        rows = csv.reader(lines)
        header = [name.strip().lower() for name in next(rows, [])]
        if not all(name in header for name in _NEEDED):
            return
        column = {name: header.index(name) for name in header}
        for row in rows:
            ticker = row[column["ticker"]] if "ticker" in column else path.name.split(".", 1)[0]
            try:
                ordinal = date.fromisoformat(row[column["date"]]).toordinal()
                opened_at, high, low, close, volume = (float(row[column[name]]) for name in _NEEDED[1:])
            except (ValueError, IndexError) as error:
                message = f"{path.name}, line {rows.line_num}: {error}"
                raise ValueError(message) from error
            best, worst = max(opened_at, high, low, close), min(opened_at, high, low, close)
            yield ticker, ordinal, RawDay(opened_at, best, worst, close, volume)
