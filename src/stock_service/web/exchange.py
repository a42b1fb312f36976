"""One request and its response, as every handler sees them: plain values, no framework.

The head is frozen here, once: what arrives later on the connection (trailers, the next request) cannot change who
asked or what was asked.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

from stock_service.base.errors import BadRequest
from stock_service.base.record import record

Scope = dict[str, Any]
Message = dict[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Headers = list[tuple[bytes, bytes]]


class Asker(Protocol):
    """The client behind a request, as far as answering concerns it."""

    id: str
    admin: bool
    no_cache: bool
    requests: int
    vendor_calls: int

    def take(self, now: float) -> bool:
        """Charge one request; False when the client's limit is used up."""
        ...

    def limit_headers(self, now: float) -> Headers:
        """Return the client's `RateLimit` fields, empty when unlimited."""
        ...


@dataclass(slots=True)
class Exchange:
    """A request being answered. Times are monotonic seconds."""

    method: str
    path: str  # as received, still percent-encoded
    query: bytes
    headers: tuple[tuple[bytes, bytes], ...]  # names in lower case
    peer: str
    scheme: str
    local: bytes  # host:port this request came in on, for clients that name no host
    started_at: float
    deadline: float
    receive: Receive
    request_id: str = ""  # set by the app, which reads it from the headers or makes it
    asker: Asker | None = None  # set by the doorkeeper as soon as it knows
    credential: str | None = field(default=None, repr=False)  # likewise
    route: str = ""  # its closed name for metrics and logs; set by a handler that has found it out
    _first: dict[bytes, bytes] = field(init=False, repr=False)  # the first value of each header

    def __post_init__(self) -> None:
        self._first = dict(reversed(self.headers))

    def header(self, name: bytes) -> bytes | None:
        """Return the first value of the header `name` (lower case)."""
        return self._first.get(name)

    def fields(self, names: frozenset[bytes]) -> Headers:
        """Return all headers of these names (lower case), in order; of most names there are none."""
        if names.isdisjoint(self._first):
            return []
        return [each for each in self.headers if each[0] in names]

    async def body(self, at_most_bytes: int) -> bytes | None:
        """Return the request's body, or None when it is longer than `at_most_bytes`.

        Raises:
            BadRequest: it will never be whole; nobody hears of it, but nothing may be done for half a request.
        """
        body = bytearray()
        while True:
            message = await self.receive()
            if message["type"] == "http.disconnect":
                raise BadRequest("body", "did not arrive whole", "send it again")
            body += message.get("body", b"")
            if len(body) > at_most_bytes:
                return None
            if not message.get("more_body", False):
                return bytes(body)


@record
class Response:
    """What goes back. `cache` is the word for the log; `headers` lacks what the app adds: date, limit, request id."""

    status: int
    headers: Headers = field(default_factory=list)
    body: bytes = b""
    cache: str = ""


Handler = Callable[[Exchange], Awaitable[Response]]


def text_response(status: int, content_type: bytes, body: bytes, *extra: tuple[bytes, bytes]) -> Response:
    """Return a response that must not be cached, with its length."""
    headers: Headers = [
        (b"content-type", content_type),
        (b"content-length", b"%d" % len(body)),
        (b"cache-control", b"no-store"),
        *extra,
    ]
    return Response(status, headers, body)
