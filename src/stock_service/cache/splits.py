"""Which tickers' split lists have changed, so that what is kept of their adjusted prices is known to be wrong.

A split rescales every adjusted bar before it, overnight; the vendor also adds, repeats and corrects splits late.
So each ticker's list has a mark: whoever keeps an adjusted answer keeps the mark it was fetched under, and compares.
One market-wide question a day feeds the table. Never infers a split from prices: a share may lose half its worth in
a day without one. Pure: `wall` is Unix seconds.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from hashlib import blake2b

import msgspec

from stock_service.base.errors import VendorFailed
from stock_service.market.hours import NEW_YORK
from stock_service.vendor.request import VendorRequest, ask

LOOK_BACK = timedelta(days=14)
_PAGE_MAX = 1_000
_TURNS_FROM = time(20)  # the evening before: the last session at the old scale is over
_TURNED_AT = time(4)  # the first session at the new scale begins
_NO_SPLITS = ""


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
    results: list[_Row] = []
    next_url: str | None = None


_pages = msgspec.json.Decoder(_Page)


def recent_splits(today: date) -> VendorRequest:
    """Return the market-wide question for the splits of the last days and all to come; follow its pages."""
    since = (today - LOOK_BACK).isoformat()
    return ask("/v3/reference/splits", execution_date_gte=since, order="asc", sort="execution_date", limit=_PAGE_MAX)


def read_splits(body: bytes) -> tuple[list[Split], str]:
    """Return the splits of one page and the link to the next one, empty on the last.

    Raises:
        VendorFailed: the page is malformed.
    """
    try:
        page = _pages.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise VendorFailed("invalid") from None
    splits = [Split(row.ticker, row.execution_date, row.split_from, row.split_to) for row in page.results]
    return splits, page.next_url or ""


class SplitTable:
    """The splits known of each ticker. A line given twice counts once."""

    def __init__(self) -> None:
        self._splits: dict[str, frozenset[Split]] = {}

    def __len__(self) -> int:
        """How many tickers have splits."""
        return len(self._splits)

    def update(self, splits: Iterable[Split], since: date) -> frozenset[str]:
        """Take over the complete list of all tickers' splits from `since` on; return the tickers it changed.

        Older lines stay. A line of that time which is not in the list any more was withdrawn: that is a change too.
        """
        new: dict[str, set[Split]] = {}
        for split in splits:
            if split.day >= since:
                new.setdefault(split.ticker, set()).add(split)
        changed = set()
        for ticker in {*self._splits, *new}:
            before = self._splits.get(ticker, frozenset())
            after = frozenset({split for split in before if split.day < since} | new.get(ticker, set()))
            if after == before:
                continue
            changed.add(ticker)
            if after:
                self._splits[ticker] = after
            else:
                del self._splits[ticker]
        return frozenset(changed)

    def mark_of(self, ticker: str, wall: float) -> str:
        """Return what an adjusted answer fetched at `wall` is to be marked with; empty for a ticker without splits.

        A split to come changes nothing yet. In the night before its day the vendor's prices turn at an hour nobody
        documents, so an answer fetched between 20:00 and 04:00 New York time has a mark of its own.
        """
        lines = [_line(split, wall) for split in sorted(self._splits.get(ticker, ()))]
        return _hash([line for line in lines if line])

    def market_mark(self, wall: float) -> str:
        """Return the mark of an answer about all tickers at once (`grouped`): any split anywhere changes it."""
        lines = [_line(split, wall) for splits in self._splits.values() for split in splits]
        return _hash(sorted(line for line in lines if line))

    def changed(self, ticker: str, mark: str, wall: float) -> bool:
        """Return whether an adjusted answer with `mark` is no longer what the vendor would say at `wall`."""
        return self.mark_of(ticker, wall) != mark


def _line(split: Split, wall: float) -> str:
    turned_at = datetime.combine(split.day, _TURNED_AT, NEW_YORK).timestamp()
    turns_from = datetime.combine(split.day - timedelta(days=1), _TURNS_FROM, NEW_YORK).timestamp()
    if wall < turns_from:
        return ""
    return (
        f"{split.ticker} {split.day} {split.split_from:g}:{split.split_to:g}{'' if wall >= turned_at else ' turning'}"
    )


def _hash(lines: list[str]) -> str:
    return blake2b("\n".join(lines).encode(), digest_size=8).hexdigest() if lines else _NO_SPLITS
