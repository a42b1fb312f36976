"""Daily bars of single stocks out of a whole market's day, as the vendor would have written them one by one. Pure.

A whole-market row is the day's bar with a ticker and the time of the close instead of the day's beginning; every
number stays as the vendor wrote it. A row written in another way than expected is left out, never guessed at.
"""

from __future__ import annotations

import re
from collections.abc import Collection

import msgspec

from stock_service.base.errors import VendorFailed

_TIME = re.compile(rb'"t":\d+')
_TICKER = re.compile(rb'"T":"[^"\\]*",|,"T":"[^"\\]*"(?=\})')


class _Page(msgspec.Struct):
    results: list[msgspec.Raw] = []


class _Row(msgspec.Struct):
    T: str
    t: int


_pages = msgspec.json.Decoder(_Page)
_rows = msgspec.json.Decoder(_Row)


def day_bars(body: bytes, wanted: Collection[str], start_ms: int, stop_ms: int) -> dict[str, bytes]:
    """Return the bar of every wanted ticker that has one on the day `[start_ms, stop_ms)`, as JSON text.

    Raises:
        VendorFailed: the answer has another shape.
    """
    bars = {}
    try:
        for raw in _pages.decode(body).results:
            row, text = _rows.decode(raw), bytes(raw)
            if row.T in wanted and start_ms <= row.t < stop_ms:
                text, tickers = _TICKER.subn(b"", text)
                text, times = _TIME.subn(b'"t":%d' % start_ms, text)
                if (tickers, times) == (1, 1):
                    bars[row.T] = text
    except msgspec.DecodeError:
        raise VendorFailed("unexpected-shape") from None
    return bars
