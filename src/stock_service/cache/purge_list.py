"""Which tickers operators have had forgotten, and when: the list instances hand to each other, as text on a shelf.

Pure; instants are milliseconds of the shelf's clock. Always holds: of a ticker the latest purge counts; a purge is
given up only when nothing fetched before it may be served any more, or when the list is full: then the oldest ones
become one purge of everything up to then, so that what was purged stays purged and only calls are lost.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

EVERYTHING = "/"  # stands where a ticker would, which has no such sign
LISTED_MAX = 2_000  # tickers; every instance reads the whole list once a second
_TICKER = re.compile(r"[!-~]{1,64}")
_FUTURE_MS = 60_000  # an instant further ahead was written by a clock that has been set back since

Purges = Mapping[str, int]


def parse_purges(text: bytes) -> dict[str, int]:
    """Return the purges in `text`; lines that say nothing of the kind are left out."""
    found: dict[str, int] = {}
    for line in text.decode("ascii", "replace").splitlines():
        instant, _, ticker = line.partition(" ")
        if len(instant) <= 16 and instant.isdecimal() and _TICKER.fullmatch(ticker):
            found[ticker] = max(found.get(ticker, 0), int(instant))
    return found


def render_purges(purges: Purges) -> bytes:
    """Return the text of a list, the same for equal ones."""
    return b"".join(b"%d %b\n" % (purges[ticker], ticker.encode("ascii")) for ticker in sorted(purges))


def merge_purges(lists: tuple[Purges, ...], now_ms: int, keep_ms: int) -> dict[str, int]:
    """Return what `lists` say together.

    Args:
        keep_ms: how long after its fetch an answer may be served at most.
    """
    merged: dict[str, int] = {}
    for purges in lists:
        for ticker, at in purges.items():
            if now_ms - keep_ms < at <= now_ms + _FUTURE_MS:
                merged[ticker] = max(merged.get(ticker, 0), at)
    everything = merged.pop(EVERYTHING, 0)
    too_many = sorted(merged.values(), reverse=True)[LISTED_MAX:]
    everything = max([everything, *too_many[:1]])
    kept = {ticker: at for ticker, at in merged.items() if at > everything}
    return kept | {EVERYTHING: everything} if everything else kept
