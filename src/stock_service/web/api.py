"""Our own API: few routes, plain answers, problems (RFC 9457) for errors.

Parses and renders; what a price or a bar is, `reads/` knows. Unlike the gateway it refuses parameters it does not
know: a misspelt one would silently answer another question.
"""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import date
from hashlib import blake2b
from typing import Any
from urllib.parse import parse_qsl, unquote

import msgspec

from stock_service.access.gate import ANONYMOUS_ID
from stock_service.base.clock import Clock
from stock_service.base.errors import BadRequest, NotFound, Overloaded
from stock_service.cache.entry import CACHE_NAME, GZIP_FROM_BYTES
from stock_service.market.calendar import Calendar
from stock_service.reads.quality_desk import QualityDesk, Span
from stock_service.reads.questions import Asking, Questions, Standing
from stock_service.reads.quote_desk import SESSIONS_MAX, SYMBOLS_MAX, QuoteDesk
from stock_service.reads.spans import most_bars, parse_day, parse_every, parse_symbol
from stock_service.vendor.request import VendorRequest, bars_request
from stock_service.web.api_table import Operation, match_operation
from stock_service.web.bar_formats import FORMATS, BarsAnswer, BarWriter, make_writer
from stock_service.web.conditional import accepts_gzip, matches_etag
from stock_service.web.departure import watch_departure
from stock_service.web.doorkeeper import Doorkeeper
from stock_service.web.exchange import Exchange, Response
from stock_service.web.gateway import read_wishes
from stock_service.web.market_status import market_status

WHOLE_FOR = 120.0  # seconds a bars question may take: its pages may have to wait for the vendor's quota
BARS_MAX = 500_000  # of one answer: two and a half years of minutes, late hours included
_WHOLE_AT_ONCE = 2
_SHORT = 5_000  # bars: what the vendor gives as one page, unless asked for more
_PAGE_LIMIT = 50_000
_CREDENTIAL = "apikey"  # in any case, as at the gate
_JSON = b"application/json"
_TEXTS = frozenset({"json", "csv"})  # the forms that shrink to a quarter; Parquet is packed already
_GZIP_LEVEL = 1  # 52 MB to 12 in half a second; level 5 takes twice that for 2 MB less

Parameters = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class _Content:
    """An answer as it is sent. `coding` is its content coding, empty for none; `etag` that of just these bytes."""

    media_type: bytes
    body: bytes
    coding: bytes
    etag: bytes


class Api:
    """Answers `/api/…`."""

    def __init__(
        self,
        *,
        desk: QuoteDesk,
        quality: QualityDesk,
        questions: Questions,
        calendar: Calendar,
        doorkeeper: Doorkeeper,
        clock: Clock,
    ) -> None:
        self._desk = desk
        self._quality_desk = quality
        self._questions = questions
        self._calendar = calendar
        self._doorkeeper = doorkeeper
        self._clock = clock
        self._turns = asyncio.Semaphore(_WHOLE_AT_ONCE)
        self._answers: dict[str, Callable[[Exchange, Asking, str, Parameters], Awaitable[Response]]] = {
            "api_quote": self._quote,
            "api_quotes": self._quotes,
            "api_bars": self._bars,
            "api_average": self._average,
            "api_quality": self._quality,
            "api_market": self._market,
        }

    async def handle(self, exchange: Exchange) -> Response:
        """Return the answer of one API route.

        Raises:
            ServiceError: the asker may not, the question is malformed, or nobody could answer it.
        """
        asker = await self._doorkeeper.admit(exchange)
        found = match_operation(exchange.path)
        if found is None:
            raise NotFound("route", exchange.path)
        operation, symbol = found
        parameters = read_parameters(operation, exchange.query)
        asking = Asking(asker, exchange.deadline, read_wishes(exchange, asker))
        return await self._answers[operation.route](exchange, asking, unquote(symbol), parameters)

    async def _quote(self, exchange: Exchange, asking: Asking, symbol: str, _: Parameters) -> Response:
        return _json(exchange, asking, await self._desk.quote(parse_symbol(symbol), asking))

    async def _quotes(self, exchange: Exchange, asking: Asking, _: str, parameters: Parameters) -> Response:
        symbols = list(dict.fromkeys(parse_symbol(part.strip()) for part in parameters["symbols"].split(",")))
        if len(symbols) > SYMBOLS_MAX:
            raise BadRequest("symbols", f"names {len(symbols)} symbols", f"ask for at most {SYMBOLS_MAX} at once")
        return _json(exchange, asking, await self._desk.quotes(symbols, asking))

    async def _average(self, exchange: Exchange, asking: Asking, symbol: str, parameters: Parameters) -> Response:
        text = parameters["days"]
        days = int(text) if text.isascii() and text.isdigit() else 0
        if not 1 <= days <= SESSIONS_MAX:
            raise BadRequest("days", f"{text[:20]!r} is no number of sessions", f"use 1 to {SESSIONS_MAX}")
        return _json(exchange, asking, await self._desk.average(parse_symbol(symbol), days, asking))

    async def _market(self, exchange: Exchange, asking: Asking, _: str, __: Parameters) -> Response:
        return _json(exchange, asking, market_status(self._calendar, self._clock.wall()))

    async def _bars(self, exchange: Exchange, asking: Asking, symbol: str, parameters: Parameters) -> Response:
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
        writer = await asyncio.to_thread(make_writer, form)  # the first of some forms loads a library for a second
        asking.deadline = exchange.started_at + WHOLE_FOR
        async with self._turn(asking.deadline, most_bars(every, first, last)), watch_departure(exchange) as left:
            count = await self._write(writer, request, asking, ticker, left)
            standing = _standing(asking)
            head = BarsAnswer(ticker, parameters["every"], adjusted, count, standing.age, standing.is_stale, [])
            packing = form in _TEXTS and accepts_gzip(exchange.header(b"accept-encoding") or b"")
            content = await asyncio.to_thread(
                lambda: _content(FORMATS[form].encode("ascii"), writer.finish(head), packing=packing)
            )
        return _answer(exchange, asking, content)

    async def _quality(self, exchange: Exchange, asking: Asking, symbol: str, parameters: Parameters) -> Response:
        first, last = _span(parameters)
        span = Span(
            parse_symbol(symbol),
            parse_every(parameters["every"]),
            first,
            last,
            _flag("adjusted", parameters["adjusted"]),
        )
        comparing = _flag("compare", parameters["compare"])
        asking.deadline = exchange.started_at + WHOLE_FOR
        async with self._turn(asking.deadline, most_bars(span.every, first, last)):
            report = await self._quality_desk.report(span, asking, comparing=comparing and _may_compare(exchange))
        asking.note(Standing(age=0, ttl=0, asked=False))  # it is about what is kept now, and ends with that
        return _json(exchange, asking, report)

    async def _write(
        self, writer: BarWriter, request: VendorRequest, asking: Asking, ticker: str, left: asyncio.Event
    ) -> int:
        """Write page by page, so that only the answer itself is ever in memory; return the number of bars."""
        count = 0
        async for bars in self._questions.pages(request, asking, ticker):
            count += len(bars)
            if count > BARS_MAX:
                hint = "ask for a shorter span or longer bars, or page through the vendor's own path"
                raise BadRequest("to", f"is more than {BARS_MAX} bars after from", hint)
            if left.is_set():
                raise Overloaded("requests")  # nobody reads it: more vendor calls would be wasted
            await asyncio.to_thread(writer.add, bars)
        return count

    @asynccontextmanager
    async def _turn(self, deadline: float, bars: float) -> AsyncIterator[None]:
        """Wait for one's turn: a few long answers at a time are as many as a small pod has memory for.

        Short ones need none: they must not wait behind long ones, which may themselves wait for the vendor's quota.
        """
        if bars <= _SHORT:
            yield
            return
        try:
            async with asyncio.timeout(max(0.0, deadline - self._clock.monotonic())):
                await self._turns.acquire()
        except TimeoutError:
            raise Overloaded("requests") from None
        try:
            yield
        finally:
            self._turns.release()


def read_parameters(operation: Operation, query: bytes) -> dict[str, str]:
    """Return the operation's parameters with their defaults.

    Raises:
        BadRequest: one is unknown, doubled or missing.
    """
    given: dict[str, str] = {}
    known = {parameter.name: parameter for parameter in operation.parameters}
    for name, value in parse_qsl(query.decode("latin-1"), keep_blank_values=True):
        if name.lower() == _CREDENTIAL:
            continue
        if name not in known:
            allowed = ", ".join(known) or "none"
            raise BadRequest(name[:24], "is not a parameter of this route", f"its parameters are: {allowed}")
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


def _may_compare(exchange: Exchange) -> bool:
    """Return whether the asker may have the vendor asked whatever is kept: anybody where nobody has a key."""
    asker = exchange.asker
    return asker is not None and (asker.no_cache or asker.id == ANONYMOUS_ID)


def _standing(asking: Asking) -> Standing:
    """Return how good the answer is; one that needed nobody is as good as can be."""
    return asking.standing or Standing(age=0, ttl=0, asked=False)


def _cache_status(standing: Standing) -> bytes:
    if standing.stale:
        return b"%b; fwd=stale; ttl=%d; detail=%b" % (CACHE_NAME, standing.ttl, standing.stale.encode("ascii"))
    return b"%b; %b; ttl=%d" % (CACHE_NAME, b"fwd=uri-miss" if standing.asked else b"hit", standing.ttl)


def _content(media_type: bytes, body: bytes, *, packing: bool) -> _Content:
    """Return `body` as it is sent; CPU-bound, to be called in a thread when it is large."""
    coding = b"gzip" if packing and len(body) >= GZIP_FROM_BYTES else b""
    if coding:
        body = gzip.compress(body, _GZIP_LEVEL, mtime=0)
    etag = b'"%b"' % blake2b(body, digest_size=8).hexdigest().encode("ascii")
    return _Content(media_type, body, coding, etag)


def _json(exchange: Exchange, asking: Asking, content: Any) -> Response:
    return _answer(exchange, asking, _content(_JSON, msgspec.json.encode(content), packing=False))


def _answer(exchange: Exchange, asking: Asking, content: _Content) -> Response:
    standing = _standing(asking)
    headers = [
        (b"etag", content.etag),
        (b"vary", b"accept-encoding"),
        (b"cache-control", b"private, max-age=%d" % max(0, standing.ttl)),
        (b"age", b"%d" % standing.age),
        (b"cache-status", _cache_status(standing)),
    ]
    cache = "stale" if standing.stale else "miss" if standing.asked else "hit"
    if matches_etag(exchange.header(b"if-none-match") or b"", content.etag):
        return Response(304, headers, cache=cache)
    described = [(b"content-type", content.media_type), (b"content-length", b"%d" % len(content.body))]
    if content.coding:
        described.append((b"content-encoding", content.coding))
    return Response(200, [*described, *headers], content.body, cache)
