"""From which instant on answers about a ticker count: what was fetched before is wrong, however fresh it looks.

Two things make an answer wrong before its time: a split (adjusted prices turn to another scale overnight) and an
operator who purges a ticker. Whoever keeps, or is handed, an answer compares its fetch with the instant named here.
What a split made wrong may still stand in for the vendor; what was purged is never served again. Pure; instants are
monotonic seconds, minus infinity where nothing happened.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Iterable

from stock_service.cache.subject import asked_params
from stock_service.market.markets import Market, market_of
from stock_service.vendor.endpoints import Group
from stock_service.vendor.request import VendorRequest

NEVER = float("-inf")

_TICKERS_MAX = 10_000
_TICKER_PLACES = ("ticker", "underlying", "id")  # of a route's path; the last may be a FIGI or a CUSIP as well
_TICKER_PARAMS = ("ticker", "ticker.any_of", "tickers", "underlying_ticker", "underlying_asset")
_PRICES = frozenset({Group.BARS, Group.PREV, Group.OPENCLOSE, Group.INDICATOR})
_RECORDS = frozenset({Group.TICKER, Group.CORP})  # shares outstanding, the split list itself


class Outdated:
    """Since when answers about a ticker, or about all of them, count."""

    def __init__(self) -> None:
        self._purged: OrderedDict[str, float] = OrderedDict()
        self._rescaled: OrderedDict[str, float] = OrderedDict()
        self._everything = NEVER
        self._any_split = NEVER

    def purge(self, ticker: str | None, since: float) -> None:
        """Let no answer about `ticker`, or none at all when it is None, count that was fetched before `since`."""
        if ticker is None:
            self._everything = max(self._everything, since)
        else:
            # The purge that makes room takes everything with it up to then: what was purged stays purged.
            self._everything = max(self._everything, _note(self._purged, ticker, since))

    def rescale(self, ticker: str, since: float) -> None:
        """Let no answer count that holds split-adjusted prices of `ticker` and was fetched before `since`."""
        _note(self._rescaled, ticker, since)

    def rescale_market(self, since: float) -> None:
        """The same for answers that hold adjusted prices of all tickers."""
        self._any_split = max(self._any_split, since)

    def purged_from(self, request: VendorRequest) -> float:
        """Return the instant before which an answer to `request` was fetched that nobody may be served any more."""
        if not self._purged:
            return self._everything
        return max([self._everything, *(self._purged.get(ticker, NEVER) for ticker in named_tickers(request))])

    def counts_from(self, request: VendorRequest) -> float:
        """Return from which instant on an answer to `request` counts."""
        found = self.purged_from(request)
        if self._any_split > found and is_market_wide(request):
            found = self._any_split
        if self._rescaled and follows_splits(request):
            found = max([found, *(self._rescaled.get(ticker, NEVER) for ticker in named_tickers(request))])
        return found


def named_tickers(request: VendorRequest) -> frozenset[str]:
    """Return the tickers a question names, in its path or in its parameters; of a path we do not know, every part."""
    path, params = request.path_params, asked_params(request)
    lists = [*(path.get(name, "") for name in _TICKER_PLACES), *(params.get(name, "") for name in _TICKER_PARAMS)]
    if request.endpoint.group is Group.UNCLASSIFIED:
        lists += request.target.partition("?")[0].split("/")
    elif "to" in path and "ticker" not in path:  # a pair of currencies: bars have a ticker between these two
        lists.append(f"{'X' if '/crypto/' in request.endpoint.template else 'C'}:{path['from']}{path['to']}")
    return frozenset(ticker for text in lists for ticker in text.split(",") if ticker)


def keys_naming(tickers: Iterable[str]) -> str:
    """Return an expression that the key of any question matches which names one of `tickers`, and few others.

    It is cheaper than reading each question. A key may hold a ticker's signs percent-encoded, a pair as two parts of
    the path, and any ticker unreadably in the cursor of a page.
    """
    words = (max(re.findall("[A-Za-z0-9]+", ticker), key=len, default="") for ticker in tickers)
    return "|".join(["[?&]cursor=", *("/?".join(word) for word in words)])


def follows_splits(request: VendorRequest) -> bool:
    """Return whether a split of a ticker it names makes the answer to `request` wrong."""
    group = request.endpoint.group
    if group in _RECORDS:
        return True
    if group not in _PRICES or market_of(request.path_params.get("ticker", "X:")) is not Market.STOCKS:
        return False
    return _adjusted(request)


def is_market_wide(request: VendorRequest) -> bool:
    """Return whether the answer holds adjusted prices of all stocks: any split makes it wrong."""
    return request.endpoint.name == "grouped_stocks" and _adjusted(request)


def _adjusted(request: VendorRequest) -> bool:
    return asked_params(request).get("adjusted", "true") != "false"


def _note(instants: OrderedDict[str, float], ticker: str, since: float) -> float:
    """Note `since`; return the instant that had to make room for it, if any."""
    instants[ticker] = max(instants.get(ticker, NEVER), since)
    instants.move_to_end(ticker)
    return instants.popitem(last=False)[1] if len(instants) > _TICKERS_MAX else NEVER
