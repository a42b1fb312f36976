"""Our own API as data: the one table that dispatch, validation, OpenAPI and the docs page are made from."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from stock_service.reads.quality_desk import Quality
from stock_service.reads.quote import Average, Quote, Quotes
from stock_service.reads.quote_desk import SESSIONS_MAX, SYMBOLS_MAX
from stock_service.web.bar_formats import FORMATS, BarsAnswer
from stock_service.web.market_status import MarketStatus

_BRACES = re.compile(r"\\\{\w+\\\}")


@dataclass(frozen=True, slots=True)
class Parameter:
    """A query parameter. `schema` is its JSON Schema; `default` is None when there is none."""

    name: str
    about: str
    schema: dict[str, Any]
    required: bool = False
    default: str | None = None


@dataclass(frozen=True, slots=True)
class Operation:
    """One route. `route` is its name: that of a route of the API is its closed name in metrics and logs.

    `example` is a path and query to try, `body` what it takes, None for nothing; `status` is that of success.
    """

    route: str
    template: str
    example: str
    summary: str
    answer: type
    parameters: tuple[Parameter, ...] = ()
    media: tuple[str, ...] = ("application/json",)
    method: str = "GET"
    body: type | None = None
    status: int = 200

    @property
    def pattern(self) -> re.Pattern[str]:
        """A pattern matching the operation's path; group 1 is what stands for the braces if there are any."""
        return re.compile(_BRACES.sub("([^/]+)", re.escape(self.template)) + r"\Z")


_DAY = {"type": "string", "format": "date"}

OPERATIONS = (
    Operation(
        "api_quotes",
        "/api/stocks",
        "/api/stocks?symbols=AAPL,MSFT,X:BTCUSD",
        "Latest prices of several symbols",
        Quotes,
        (
            Parameter(
                "symbols",
                f"up to {SYMBOLS_MAX} symbols, separated by commas",
                {"type": "string", "example": "AAPL,MSFT"},
                required=True,
            ),
        ),
    ),
    Operation(
        "api_quote",
        "/api/stocks/{symbol}",
        "/api/stocks/AAPL",
        "Latest price, change, day range and session of one symbol",
        Quote,
    ),
    Operation(
        "api_bars",
        "/api/stocks/{symbol}/bars",
        "/api/stocks/AAPL/bars?from=2024-01-02&to=2024-01-31&every=1d&format=csv",
        "Bars of one symbol over a span of days, whole: every page of the vendor's answer",
        BarsAnswer,
        (
            Parameter("from", "first day", _DAY, required=True),
            Parameter("to", "last day", _DAY, required=True),
            Parameter(
                "every",
                "size of a bar: a number and s, m, h, d, w, mo, q or y",
                {"type": "string", "example": "5m"},
                default="1d",
            ),
            Parameter("adjusted", "adjust for splits", {"type": "boolean"}, default="true"),
            Parameter(
                "format", f"one of {', '.join(FORMATS)}", {"type": "string", "enum": list(FORMATS)}, default="json"
            ),
        ),
        tuple(FORMATS.values()),
    ),
    Operation(
        "api_average",
        "/api/stocks/{symbol}/average",
        "/api/stocks/AAPL/average?days=7",
        "Closing prices of the last finished sessions and their mean",
        Average,
        (
            Parameter(
                "days",
                "how many sessions",
                {"type": "integer", "minimum": 1, "maximum": SESSIONS_MAX},
                default="7",
            ),
        ),
    ),
    Operation(
        "api_quality",
        "/api/stocks/{symbol}/quality",
        "/api/stocks/AAPL/quality?from=2024-01-02&to=2024-01-31&every=1d",
        "What is missing from or wrong with the bars of one symbol, and whether the cache or the vendor is at fault",
        Quality,
        (
            Parameter("from", "first day", _DAY, required=True),
            Parameter("to", "last day", _DAY, required=True),
            Parameter(
                "every",
                "size of a bar, a day or shorter: a number and s, m, h or d",
                {"type": "string", "example": "1m"},
                default="1d",
            ),
            Parameter("adjusted", "adjust for splits", {"type": "boolean"}, default="true"),
            Parameter(
                "compare",
                "ask the vendor now and compare; where keys are needed, one with the right no_cache",
                {"type": "boolean"},
                default="true",
            ),
        ),
    ),
    Operation(
        "api_market",
        "/api/market",
        "/api/market",
        "Whether the markets are open, and when that changes next",
        MarketStatus,
    ),
)

_PATTERNS = tuple((operation.pattern, operation) for operation in OPERATIONS)


def match_operation(path: str) -> tuple[Operation, str] | None:
    """Return the operation of `path` and the symbol in it, empty when it has none; None: there is no such route."""
    for pattern, operation in _PATTERNS:
        match = pattern.match(path)
        if match is not None:
            return operation, match[1] if match.groups() else ""
    return None
