"""Our own API: few routes, plain answers, problems (RFC 9457) for errors.

Parses and renders; what a price or a bar is, `reads/` knows. Unlike the gateway it refuses parameters it does not
know: a misspelt one would silently answer another question.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from datetime import date
from typing import Any
from urllib.parse import parse_qsl, unquote

import msgspec

from stock_service.base.clock import Clock
from stock_service.base.errors import BadRequest, NotFound
from stock_service.market.calendar import Calendar
from stock_service.reads.questions import Questions, Whole
from stock_service.reads.quote_desk import SESSIONS_MAX, SYMBOLS_MAX, QuoteDesk
from stock_service.reads.spans import parse_day, parse_every, parse_symbol
from stock_service.vendor.request import bars_request
from stock_service.web.api_table import Operation, match_operation
from stock_service.web.bar_formats import FORMATS, BarsAnswer, columnar, csv_table, json_rows
from stock_service.web.doorkeeper import Doorkeeper
from stock_service.web.exchange import Asker, Exchange, Response, text_response
from stock_service.web.market_status import market_status

WHOLE_FOR = 120.0  # seconds a bars question may take: its pages may have to wait for the vendor's quota
_PAGE_LIMIT = 50_000
_CREDENTIAL = "apiKey"
_JSON = b"application/json"

Parameters = Mapping[str, str]


class Api:
    """Answers `/api/…`."""

    def __init__(
        self, *, desk: QuoteDesk, questions: Questions, calendar: Calendar, doorkeeper: Doorkeeper, clock: Clock
    ) -> None:
        self._desk = desk
        self._questions = questions
        self._calendar = calendar
        self._doorkeeper = doorkeeper
        self._clock = clock
        self._answers: dict[str, Callable[[Exchange, Asker, str, Parameters], Awaitable[Response]]] = {
            "api_quote": self._quote,
            "api_quotes": self._quotes,
            "api_bars": self._bars,
            "api_average": self._average,
            "api_market": self._market,
        }

    async def handle(self, exchange: Exchange) -> Response:
        """Return the answer of one API route.

        Raises:
            ServiceError: the asker may not, the question is malformed, or nobody could answer it.
        """
        asker = self._doorkeeper.admit(exchange)
        found = match_operation(exchange.path)
        if found is None:
            raise NotFound("route", exchange.path)
        operation, symbol = found
        parameters = read_parameters(operation, exchange.query)
        return await self._answers[operation.route](exchange, asker, unquote(symbol), parameters)

    async def _quote(self, exchange: Exchange, asker: Asker, symbol: str, _: Parameters) -> Response:
        quote = await self._desk.quote(parse_symbol(symbol), asker, exchange.deadline)
        return _json(quote, quote.age_seconds)

    async def _quotes(self, exchange: Exchange, asker: Asker, _: str, parameters: Parameters) -> Response:
        symbols = list(dict.fromkeys(parse_symbol(part.strip()) for part in parameters["symbols"].split(",")))
        if len(symbols) > SYMBOLS_MAX:
            raise BadRequest("symbols", f"names {len(symbols)} symbols", f"ask for at most {SYMBOLS_MAX} at once")
        quotes = await self._desk.quotes(symbols, asker, exchange.deadline)
        return _json(quotes, max((quote.age_seconds for quote in quotes.quotes), default=0))

    async def _average(self, exchange: Exchange, asker: Asker, symbol: str, parameters: Parameters) -> Response:
        text = parameters["days"]
        days = int(text) if text.isascii() and text.isdigit() else 0
        if not 1 <= days <= SESSIONS_MAX:
            raise BadRequest("days", f"{text[:20]!r} is no number of sessions", f"use 1 to {SESSIONS_MAX}")
        average = await self._desk.average(parse_symbol(symbol), days, asker, exchange.deadline)
        return _json(average, average.age_seconds)

    async def _market(self, _: Exchange, asker: Asker, __: str, ___: Parameters) -> Response:
        return _json(market_status(self._calendar, self._clock.wall()), 0)

    async def _bars(self, exchange: Exchange, asker: Asker, symbol: str, parameters: Parameters) -> Response:
        ticker, every = parse_symbol(symbol), parse_every(parameters["every"])
        first, last = _span(parameters)
        adjusted = _flag("adjusted", parameters["adjusted"])
        form = parameters["format"]
        if form not in FORMATS:
            raise BadRequest("format", f"{form[:20]!r} is none of ours", f"use one of {', '.join(FORMATS)}")
        request = bars_request(
            ticker,
            every.multiplier,
            every.timespan,
            first.isoformat(),
            last.isoformat(),
            adjusted=adjusted,
            limit=_PAGE_LIMIT,
        )
        deadline = exchange.started_at + WHOLE_FOR
        whole = await self._questions.all_bars(request, asker, deadline, ticker)
        head = BarsAnswer(ticker, parameters["every"], adjusted, len(whole.bars), whole.age, whole.stale, [])
        body = await asyncio.to_thread(_render, head, whole, form)
        return _answer(FORMATS[form].encode("ascii"), body, whole.age)


def read_parameters(operation: Operation, query: bytes) -> dict[str, str]:
    """Return the operation's parameters with their defaults.

    Raises:
        BadRequest: one is unknown, doubled or missing.
    """
    given: dict[str, str] = {}
    known = {parameter.name: parameter for parameter in operation.parameters}
    for name, value in parse_qsl(query.decode("latin-1"), keep_blank_values=True):
        if name == _CREDENTIAL:
            continue
        if name not in known:
            allowed = ", ".join(known) or "none"
            raise BadRequest(name[:40], "is not a parameter of this route", f"its parameters are: {allowed}")
        if name in given:
            raise BadRequest(name, "is given twice", "give it once")
        given[name] = value
    for parameter in operation.parameters:
        if parameter.name in given:
            continue
        if parameter.default is None:
            raise BadRequest(parameter.name, "is missing", parameter.about)
        given[parameter.name] = parameter.default
    return given


def _span(parameters: Parameters) -> tuple[date, date]:
    first, last = parse_day("from", parameters["from"]), parse_day("to", parameters["to"])
    if first > last:
        raise BadRequest("from", f"{first} is after to={last}", "exchange the two")
    return first, last


def _flag(name: str, text: str) -> bool:
    if text.lower() not in ("true", "false"):
        raise BadRequest(name, f"{text[:20]!r} is neither true nor false", "use true or false")
    return text.lower() == "true"


def _render(head: BarsAnswer, whole: Whole, form: str) -> bytes:
    if form == "csv":
        return csv_table(whole.bars)
    if form == "json":
        return msgspec.json.encode(msgspec.structs.replace(head, bars=json_rows(whole.bars)))
    return columnar(whole.bars, form)


def _json(content: Any, age: int) -> Response:
    return _answer(_JSON, msgspec.json.encode(content), age)


def _answer(content_type: bytes, body: bytes, age: int) -> Response:
    return text_response(200, content_type, body, (b"age", b"%d" % age))
