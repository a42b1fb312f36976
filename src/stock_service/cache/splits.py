"""Which tickers' split lists have changed, so that what is kept of their adjusted prices is known to be wrong.

A split rescales every adjusted bar before it, overnight; the vendor also adds, repeats and corrects splits late.
So each ticker's list has a mark, a hash; from the moment it changes, what was fetched before does not count any more.
One market-wide question a day feeds the table. Never infers a split from prices: a share may lose half its worth in
a day without one. Pure: `wall` is Unix seconds.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from hashlib import blake2b

import msgspec

from stock_service.base.errors import VendorFailed
from stock_service.market.hours import NEW_YORK
from stock_service.vendor.request import VendorRequest, ask

LOOK_BACK = timedelta(days=60)  # as long as settled history may be served before it is looked at again
LISTS = ("/v3/reference/splits", "/stocks/v1/splits")  # the vendor retires the first in favour of the second
_PAGE_MAX = 1_000
_TURNS_FROM = time(20)  # the evening before: the last session at the old scale is over
_TURNED_AT = time(4)  # the first session at the new scale begins
_NO_SPLITS = ""
_MINUTE = 60.0
_LONG_AGO = float("-inf")


@dataclass(frozen=True, slots=True, order=True)
class Split:
    """One line of the vendor's list: `split_from` old shares become `split_to` new ones on `day`."""

    ticker: str
    day: date
    split_from: float
    split_to: float


class _Row(msgspec.Struct):
    ticker: str
    execution_date: date
    split_from: float
    split_to: float


class _Page(msgspec.Struct):
    results: list[msgspec.Raw] = []
    next_url: str | None = None


_pages = msgspec.json.Decoder(_Page)
_rows = msgspec.json.Decoder(_Row)


def recent_splits(today: date, path: str = LISTS[0]) -> VendorRequest:
    """Return the market-wide question for the splits of the last days and all to come; follow its pages."""
    since = (today - LOOK_BACK).isoformat()
    return ask(path, execution_date_gte=since, order="asc", sort="execution_date", limit=_PAGE_MAX)


def splits_of(ticker: str, since: date, path: str) -> VendorRequest:
    """Return the question for the splits of one ticker from `since` on; no ticker has a page full of them."""
    return ask(
        path, ticker=ticker, execution_date_gte=since.isoformat(), order="asc", sort="execution_date", limit=_PAGE_MAX
    )


def read_splits(body: bytes) -> tuple[list[Split], str]:
    """Return the splits of one page and the link to the next one, empty on the last; a row that is none is left out.

    Raises:
        VendorFailed: the page is malformed.
    """
    try:
        page = _pages.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise VendorFailed("invalid") from None
    return [split for row in page.results if (split := _read_row(row)) is not None], page.next_url or ""


def _read_row(text: msgspec.Raw) -> Split | None:
    try:
        row = _rows.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return Split(row.ticker, row.execution_date, row.split_from, row.split_to)


class SplitTable:
    """The splits known of each ticker, and since when its adjusted prices are what they are. A line given twice
    counts once.
    """

    def __init__(self) -> None:
        self._splits: dict[str, frozenset[Split]] = {}
        self._corrected: dict[str, float] = {}
        self._complete = False

    def __len__(self) -> int:
        """How many tickers have splits."""
        return len(self._splits)

    def update(self, splits: Iterable[Split], since: date, wall: float) -> frozenset[str]:
        """Take over the complete list of all tickers' splits from `since` on; return the tickers whose mark it changed.

        Older lines stay. A line of that time which is not in the list any more was withdrawn: that is a change too.
        The first list changes nothing that was fetched after the splits it names.
        """
        new: dict[str, set[Split]] = {}
        for split in splits:
            if split.day >= since:
                new.setdefault(split.ticker, set()).add(split)
        changed = set()
        for ticker in {*self._splits, *new}:
            before, mark = self._splits.get(ticker, frozenset()), self.mark_of(ticker, wall)
            after = frozenset({split for split in before if split.day < since} | new.get(ticker, set()))
            if after == before:
                continue
            self._splits[ticker] = after
            if self.mark_of(ticker, wall) != mark and self._complete:
                changed.add(ticker)
                self._corrected[ticker] = wall
        self._complete = True
        return frozenset(changed)

    def mark_of(self, ticker: str, wall: float) -> str:
        """Return the hash of the splits that are in force at `wall`; empty for a ticker without any.

        A split to come changes nothing yet. In the night before its day the vendor's prices turn at an hour nobody
        documents, so between 20:00 and 04:00 New York time the mark is another one every minute.
        """
        lines = [_line(split, wall) for split in sorted(self._splits.get(ticker, ()))]
        return _hash([line for line in lines if line])

    def since(self, ticker: str, wall: float) -> float:
        """Return the Unix second from which on adjusted answers count: when the mark of `wall` came into force."""
        turns = (_turned(split, wall) for split in self._splits.get(ticker, ()))
        return max([self._corrected.get(ticker, _LONG_AGO), *turns])

    def moved(self, after: float, wall: float) -> Mapping[str, float]:
        """Return the tickers whose mark changed after Unix second `after`, and when."""
        instants = ((ticker, self.since(ticker, wall)) for ticker in {*self._splits, *self._corrected})
        return {ticker: at for ticker, at in instants if at > after}

    def market_since(self, wall: float) -> float:
        """Return from when on adjusted answers about all tickers at once (`grouped`) count: any split changes them.

        Some ticker splits on most days, so the nights before count for nothing here: only 04:00 does.
        """
        splits = (split for each in self._splits.values() for split in each)
        turned = (_turns(split)[1] for split in splits if _turns(split)[1] <= wall)
        return max([_LONG_AGO, *self._corrected.values(), *turned])


def _turns(split: Split) -> tuple[float, float]:
    """Return when the vendor's prices may begin to turn, and when they have turned for certain."""
    evening = datetime.combine(split.day - timedelta(days=1), _TURNS_FROM, NEW_YORK)
    return evening.timestamp(), datetime.combine(split.day, _TURNED_AT, NEW_YORK).timestamp()


def _turned(split: Split, wall: float) -> float:
    turns_from, turned_at = _turns(split)
    if wall >= turned_at:
        return turned_at
    return wall // _MINUTE * _MINUTE if wall >= turns_from else _LONG_AGO


def _line(split: Split, wall: float) -> str:
    turns_from, turned_at = _turns(split)
    if wall < turns_from:
        return ""
    turning = "" if wall >= turned_at else f" turning {wall // _MINUTE:.0f}"
    return f"{split.ticker} {split.day} {split.split_from:g}:{split.split_to:g}{turning}"


def _hash(lines: list[str]) -> str:
    return blake2b("\n".join(lines).encode(), digest_size=8).hexdigest() if lines else _NO_SPLITS
