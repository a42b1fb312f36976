"""The ASGI application: one frame around every handler.

It freezes the head, names the request, limits what runs at once, translates errors, sends, and reports. Handlers
return values and raise errors of the family; nothing else writes to a client on this path.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from itertools import count

from stock_service.base.clock import Clock
from stock_service.base.errors import Broken, NotFound, Overloaded, ServiceError, WrongMethod
from stock_service.base.events import Faulted, Observer, RequestFinished
from stock_service.web.error_bodies import problem, vendor_error
from stock_service.web.exchange import Exchange, Handler, Message, Receive, Response, Scope, Send
from stock_service.web.http_date import HttpDate
from stock_service.web.origin import local_authority
from stock_service.web.routes import OPS_ROUTES, Part, part_of

_REQUEST_ID = re.compile(rb"[A-Za-z0-9._-]{1,64}\Z")
_ID_FIELDS = frozenset({b"x-request-id"})
_READ_METHODS = ("GET", "HEAD")


class RequestIds:
    """Names requests: a prefix of this process and a counter."""

    def __init__(self, prefix: str) -> None:
        self._prefix = prefix
        self._numbers = count(1)

    def next(self) -> str:
        """Return a new request id."""
        return f"{self._prefix}-{next(self._numbers):x}"


class App:
    """Dispatches by path and frames each handler.

    Args:
        handlers: who answers each part.
        route_of: the closed metric name of a gateway or API path.
        request_for: seconds a request may take before it is answered with an error.
        requests_max: how many requests may run at once; operational routes are exempt.
    """

    def __init__(
        self,
        *,
        handlers: Mapping[Part, Handler],
        route_of: Callable[[Part, str], str],
        ids: RequestIds,
        clock: Clock,
        date: HttpDate,
        observer: Observer,
        request_for: float,
        requests_max: int,
    ) -> None:
        self._handlers = handlers
        self._route_of = route_of
        self._ids = ids
        self._clock = clock
        self._date = date
        self._observer = observer
        self._request_for = request_for
        self._requests_max = requests_max
        self.running = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one HTTP request."""
        if scope["type"] != "http":
            return
        exchange = self._open(scope, receive)
        part = part_of(exchange.path)
        self.running += 1
        try:
            response = await self._answer(exchange, part)
        finally:
            self.running -= 1
        await self._send(exchange, response, send)
        self._report(exchange, part, response)

    def _open(self, scope: Scope, receive: Receive) -> Exchange:
        method, query, scheme = scope["method"], scope["query_string"], scope["scheme"]
        path = scope["raw_path"].decode("latin-1")
        headers = tuple(scope["headers"])
        client = scope.get("client")
        peer = client[0] if client else ""
        local = local_authority(scope.get("server"))
        now = self._clock.monotonic()
        exchange = Exchange(method, path, query, headers, peer, scheme, local, now, now + self._request_for, receive)
        exchange.request_id = self._name(exchange)
        return exchange

    def _name(self, exchange: Exchange) -> str:
        """Return the caller's own request id when it is harmless, else a new one."""
        for _, value in exchange.fields(_ID_FIELDS):
            if _REQUEST_ID.match(value):
                return value.decode("ascii")
        return self._ids.next()

    async def _answer(self, exchange: Exchange, part: Part) -> Response:
        try:
            self._check(exchange, part)
            return await self._handlers[part](exchange)
        except ServiceError as error:
            told = error
        except Exception as error:  # noqa: BLE001 - the boundary: the client gets an answer, the log a traceback
            self._observer.notify(Faulted("request", error))
            told = Broken()
        shape = problem if part in (Part.API, Part.ADMIN) else vendor_error
        answer = shape(told, exchange.request_id)
        sent = [(b"content-length", b"%d" % len(answer.body)), (b"cache-control", b"no-store")]
        return Response(answer.status, [*answer.headers, *sent], answer.body)

    def _check(self, exchange: Exchange, part: Part) -> None:
        """Raise what `exchange` is refused for before anybody looks into it."""
        if exchange.method not in _READ_METHODS and part is not Part.ADMIN:
            raise WrongMethod(*_READ_METHODS)
        if part is Part.NOBODY:
            raise NotFound("route", exchange.path)
        if self.running > self._requests_max and part is not Part.OPS:
            raise Overloaded("requests")

    async def _send(self, exchange: Exchange, response: Response, send: Send) -> None:
        asker = exchange.asker
        headers = [
            *response.headers,
            (b"date", self._date.value()),
            *(asker.limit_headers(self._clock.monotonic()) if asker is not None else ()),
            (b"x-request-id", exchange.request_id.encode("ascii")),
        ]
        start: Message = {"type": "http.response.start", "status": response.status, "headers": headers}
        await send(start)
        body = b"" if exchange.method == "HEAD" else response.body
        await send({"type": "http.response.body", "body": body})

    def _report(self, exchange: Exchange, part: Part, response: Response) -> None:
        path, asker = exchange.path, exchange.asker
        method = exchange.method if exchange.method in _READ_METHODS else "OTHER"
        route = exchange.route or OPS_ROUTES.get(path) or self._route_of(part, path)
        seconds = self._clock.monotonic() - exchange.started_at
        client = asker.id if asker else ""
        traceparent = (exchange.header(b"traceparent") or b"").decode("latin-1")
        self._observer.notify(
            RequestFinished(
                method, route, response.status, seconds, response.cache, client, exchange.request_id, path, traceparent
            )
        )
