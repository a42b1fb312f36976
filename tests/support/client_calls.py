"""Every REST method of the vendor's official clients, with arguments that make sense.

One table for both clients and for any host: the simulator itself, or a gateway in front of it. `calls_of` fails when
a client has a method the table does not know, so that a new version of a client is noticed.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any

NOW = 1_763_740_800.0
"""The instant the table is meant for (Unix seconds): Friday 2025-11-21, 11:00 in New York."""

MOST_OBJECTS = 60
"""How many objects of a paginated answer are taken: more than one page of every list."""

Arguments = tuple[tuple[Any, ...], Mapping[str, Any]]


def _call(*args: Any, **kwargs: Any) -> Arguments:
    return args, kwargs


_OPTION = "O:SPY251219C00650000"

ARGUMENTS: Mapping[str, Arguments] = {
    # bars
    "list_aggs": _call("AAPL", 1, "day", "2025-06-02", "2025-09-05", limit=25),
    "get_aggs": _call("AAPL", 5, "minute", "2025-11-20", "2025-11-20", adjusted=False),
    "get_grouped_daily_aggs": _call("2025-11-20"),
    "get_daily_open_close_agg": _call("AAPL", "2025-11-20"),
    "get_previous_close_agg": _call("AAPL"),
    # indicators
    "get_sma": _call("AAPL", timespan="day", window=20, limit=12),
    "get_ema": _call("AAPL", timespan="hour", window=10, timestamp_lte="2025-11-19"),
    "get_rsi": _call("MSFT", window=14),
    "get_macd": _call("MSFT", short_window=12, long_window=26, signal_window=9, expand_underlying=True),
    # ticks
    "list_trades": _call("AAPL", timestamp="2025-11-20", limit=25),
    "list_quotes": _call("AAPL", timestamp_lt="2025-11-20", order="desc", limit=25),
    "get_last_trade": _call("AAPL"),
    "get_last_quote": _call("AAPL"),
    "get_last_crypto_trade": _call("BTC", "USD"),
    "get_last_forex_quote": _call("EUR", "USD"),
    "get_real_time_currency_conversion": _call("EUR", "USD", amount=100, precision=3),
    # snapshots
    "list_universal_snapshots": _call(ticker_any_of=["AAPL", "X:BTCUSD", "C:EURUSD", "I:SPX", _OPTION, "TSLAAPL"]),
    "get_snapshot_all": _call("stocks", tickers=["AAPL", "MSFT"]),
    "get_snapshot_direction": _call("stocks", "gainers"),
    "get_snapshot_ticker": _call("stocks", "AAPL"),
    "get_snapshot_option": _call("SPY", _OPTION),
    "list_snapshot_options_chain": _call("SPY"),
    "get_snapshot_crypto_book": _call("X:BTCUSD"),
    "get_snapshot_indices": _call(ticker_any_of=["I:SPX", "I:NDX"]),
    "list_snapshot_indices": _call(),
    "get_summaries": _call(["AAPL", "X:BTCUSD", "APx"]),
    # reference
    "get_ticker_details": _call("AAPL"),
    "get_ticker_events": _call("META"),
    "get_related_companies": _call("AAPL"),
    "list_ticker_news": _call("AAPL"),
    "list_tickers": _call(market="stocks", limit=10),
    "list_splits": _call("AAPL"),
    "list_dividends": _call("AAPL"),
    "list_stocks_splits": _call(),
    "list_stocks_dividends": _call(ticker="IBM"),
    "get_options_contract": _call(_OPTION),
    "list_options_contracts": _call("SPY"),
    # routes with a part of the path
    "list_benzinga_consensus_ratings": _call("AAPL"),
    "list_futures_aggregates": _call("ESZ5"),
    "list_futures_quotes": _call("ESZ5"),
    "list_futures_trades": _call("ESZ5"),
    "get_futures_contract_details": _call("ESZ5"),
    "get_futures_product_details": _call("ES"),
    "list_futures_schedules_by_product_code": _call("ES"),
}
"""Methods that need arguments, or show more with them; every other is called without."""

_NOT_REQUESTS = frozenset({"time_mult"})


@dataclass(frozen=True, slots=True)
class ClientCall:
    """One method of a client, ready to be called."""

    name: str
    method: Callable[..., Any]
    arguments: Arguments

    def objects(self) -> list[Any]:
        """Call it and give its objects: those of all pages (at most `MOST_OBJECTS`), or the single one."""
        args, kwargs = self.arguments
        answer = self.method(*args, **kwargs)
        if isinstance(answer, Iterator):
            return list(islice(answer, MOST_OBJECTS))
        return list(answer) if isinstance(answer, list) else [answer]


def calls_of(client: Any) -> list[ClientCall]:
    """Every REST method of a `massive.RESTClient` or `polygon.RESTClient`, the experimental ones included."""
    found: dict[str, ClientCall] = {}
    for part in (client, client.vx):
        for name, method in inspect.getmembers(part, inspect.ismethod):
            if name.startswith("_") or name in _NOT_REQUESTS or name in found:
                continue
            found[name] = ClientCall(name, method, _arguments(name, method))
    return list(found.values())


def _arguments(name: str, method: Callable[..., Any]) -> Arguments:
    if name in ARGUMENTS:
        return ARGUMENTS[name]
    needed = [
        parameter.name
        for parameter in inspect.signature(method).parameters.values()
        if parameter.default is inspect.Parameter.empty
    ]
    if needed:
        message = f"{name} needs {needed}: add it to ARGUMENTS"
        raise LookupError(message)
    return _call()
