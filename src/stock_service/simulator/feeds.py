"""The feeds nothing is computed for: futures, filings, ratings, the economy and whatever else the clients ask.

Decides the answer in this order: the example of a description given at run time (`--examples`), rows with the fields
of `feed_fields.py`, rows of a plain shape. Must never fail for a route it does not know.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date
from pathlib import Path

import msgspec

from stock_service.simulator.ask import Ask
from stock_service.simulator.dice import share
from stock_service.simulator.feed_fields import FIELDS
from stock_service.simulator.feed_values import Cell, value_of
from stock_service.simulator.listing import Listing, page_rows
from stock_service.simulator.sessions import Market, ordinal_at
from stock_service.simulator.ticks import NS_PER_MS
from stock_service.simulator.world import World

_ROWS = 12
"""How many rows every feed has: more than one page of ten."""

_PLAIN = "date id name ticker value"

_EXAMPLE_PARTS = re.compile(r"\{[^}]*\}")


def load_examples(path: Path) -> Mapping[str, object]:
    """Examples of an OpenAPI description by route template. Raises ValueError when it is not one."""
    try:
        paths = msgspec.json.decode(path.read_bytes())["paths"]
        return {route: _example_of(operations["get"]) for route, operations in paths.items() if "get" in operations}
    except (OSError, msgspec.DecodeError, KeyError, TypeError, AttributeError) as error:
        message = f"{path} is not an OpenAPI description in JSON"
        raise ValueError(message) from error


def feed(world: World, ask: Ask, route: str) -> object:
    """The answer of any route nothing else answers; `route` is its path without the leading slash."""
    example = example_for(world.examples, f"/{route}")
    if example is not None:
        return example
    path = route.replace("futures/vX/", "futures/v1/")
    name = next((known for known in sorted(FIELDS, reverse=True) if path == known or path.startswith(f"{known}/")), "")
    single = path.removeprefix(name).strip("/") if name else ""
    today = date.fromordinal(ordinal_at(Market.STOCKS, ask.now_ms))
    fields = FIELDS.get(name, _PLAIN).split()
    ticker = ask.resumed().params.get("ticker") or single.split("/")[0]
    rows = [
        {
            field: value_of(Cell(name or path, field, ticker or _listed(world, number), today, number))
            for field in fields
        }
        for number in range(_ROWS)
    ]
    if single and name.rsplit("/", 1)[-1] in ("contracts", "products") and "/" not in single:
        return {"status": "OK", "request_id": ask.request_id, "results": rows[0]}
    return page_rows(ask, rows, Listing(limit=10, most=50_000))


def futures_snapshot(world: World, ask: Ask, version: str) -> object:  # noqa: ARG001 - one shape of answers
    """`/futures/{version}/snapshot`; the older version without details, which its client cannot read."""
    rows = []
    for number, code in enumerate(("ESZ6", "NQZ6", "CLF7")):
        price = round(50 + 5_000 * share("future", code), 2)
        time = {"last_updated": ask.now_ms * NS_PER_MS, "timeframe": "REAL-TIME"}
        session = {"change": 1.0, "change_percent": 0.1, "close": price, "high": price + 2, "low": price - 2}
        session |= {"open": price - 1, "previous_settlement": price - 1, "settlement_price": price, "volume": 1000.0}
        details = {"details": {"open_interest": 1000 + number, "settlement_date": "2026-12-18"}}
        rows.append(
            {
                "ticker": code,
                "product_code": code[:2],
                **(details if version == "v1" else {}),
                "last_minute": {"open": price, "high": price, "low": price, "close": price, "volume": 10.0, **time},
                "last_quote": {"ask": price + 0.25, "ask_size": 3, "bid": price - 0.25, "bid_size": 4, **time},
                "last_trade": {"price": price, "size": 2, **time},
                "session": session,
            }
        )
    return page_rows(ask, rows, Listing(limit=10, most=50_000))


def example_for(examples: Mapping[str, object], path: str) -> object | None:
    """The example whose route template fits `path`; None without one."""
    if path in examples:
        return examples[path]
    for template, example in examples.items():
        pattern = "[^/]+".join(re.escape(part) for part in _EXAMPLE_PARTS.split(template))
        if example is not None and re.fullmatch(pattern, path):
            return example
    return None


def _example_of(operation: Mapping[str, Mapping[str, Mapping[str, Mapping[str, Mapping[str, object]]]]]) -> object:
    responses = operation["responses"]
    answer = responses.get("200") or responses.get("default") or {}
    example = answer.get("content", {}).get("application/json", {}).get("example") or None
    if not isinstance(example, dict):
        return example
    # An example is its own only page: whoever followed the link in it would get it again, for ever.
    return {name: value for name, value in example.items() if name != "next_url"}


def _listed(world: World, number: int) -> str:
    stocks = world.listed(Market.STOCKS)
    return stocks[number % len(stocks)].ticker if stocks else "AAPL"
