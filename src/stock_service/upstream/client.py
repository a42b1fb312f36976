"""One HTTP exchange with the vendor, within limits.

Sends exactly once: no redirects, no cookies, no retries of its own, no proxy. The vendor key exists here and nowhere
else, and never in an error. Limits are the client's own; nobody cancels an exchange from outside, save at shutdown.

Why not a library: an exchange by aiohttp, the leanest that fits, takes 90 us of processor time, a third of a whole
miss, and its import a fifth of the process's memory; this takes 22 us (docs/dependencies.md). What a library is good
at is still left to one: llhttp parses, Python's `ssl` secures, aiohappyeyeballs races addresses.
"""

from __future__ import annotations

import re
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from stock_service.base.clock import Clock
from stock_service.base.record import record
from stock_service.upstream.body import BodyLimits
from stock_service.upstream.connection import ConnectionLimits, Received
from stock_service.upstream.dial import DEFAULT_PORTS, Dialer
from stock_service.upstream.pool import Pool
from stock_service.upstream.vendor_limits import parse_retry_after, parse_spent_for
from stock_service.vendor.edge import EDGE_HEADERS

_TARGET = re.compile(r"/[!-~]*\Z")
_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}\Z")
_FIELD_VALUE = re.compile(r"[\t -~\x80-\xff]*\Z")


@dataclass(frozen=True, slots=True)
class ClientSettings:
    """Where the vendor is and how long it may take. Lengths in seconds.

    `connect_for` covers name, TCP and TLS. `attempt_for` covers everything, so a drip that keeps every other limit
    still ends. `keep_for` is how long an idle connection is trusted, `renew_after` how old one may become before it is
    made anew (0: any age). `connections` bounds the calls under way.
    """

    url: str = "https://api.polygon.io"
    connect_for: float = 1.0
    first_byte_for: float = 4.5
    between_bytes_for: float = 2.0
    attempt_for: float = 5.0
    keep_for: float = 15.0
    renew_after: float = 300.0
    names_for: float = 30.0
    connections: int = 16
    body: BodyLimits = field(default_factory=BodyLimits)


@record
class Exchange:
    """A complete answer: decoded body, and of the headers only what is on this list.

    `retry_after` and `spent_for` are seconds from the moment the headers were read, None when the vendor is silent.
    """

    status: int
    content_type: str
    body: bytes
    request_id: str = ""
    retry_after: float | None = None
    spent_for: float | None = None


class VendorClient:
    """The device. Its connections live on the event loop of the first exchange."""

    def __init__(
        self, settings: ClientSettings, api_key: str, clock: Clock, trust: ssl.SSLContext | None = None
    ) -> None:
        self._clock = clock
        self._attempt_for = settings.attempt_for
        limits = ConnectionLimits(settings.first_byte_for, settings.between_bytes_for, settings.body)
        dialer = Dialer(
            settings.url,
            connect_for=settings.connect_for,
            names_for=settings.names_for,
            limits=limits,
            clock=clock,
            trust=trust,
        )
        self._pool = Pool(dialer, settings.keep_for, settings.renew_after, clock)
        key_line = f"Authorization: Bearer {api_key}\r\n" if api_key else ""
        self._usual_lines = (
            f"Host: {_host_of(settings.url)}\r\nAccept-Encoding: gzip\r\nUser-Agent: stock-service\r\n{key_line}"
        )

    async def exchange(
        self, target: str, *, accept: str, within: float, edge: Mapping[str, str] | None = None
    ) -> Exchange:
        """Ask for `target` (path and query, percent-encoded) and return the whole answer.

        `within` seconds everything must be over; it never exceeds the settings' `attempt_for`.

        Raises:
            ExchangeFailed: no complete answer within the limits.
        """
        if not _TARGET.match(target):
            raise ValueError("a target is an encoded path and query")
        request = f"GET {target} HTTP/1.1\r\n{self._usual_lines}Accept: {accept}\r\n{_edge_lines(edge)}\r\n"
        deadline = self._clock.monotonic() + min(within, self._attempt_for)
        connection = await self._pool.take(deadline)
        try:
            received = await connection.ask(request.encode("latin-1"), deadline)
        finally:
            self._pool.give_back(connection)
        return self._read(received)

    async def aclose(self) -> None:
        """Close all connections."""
        self._pool.close()

    def _read(self, received: Received) -> Exchange:
        headers = received.headers
        request_id, retry_after = headers.get("x-request-id", ""), headers.get("retry-after")
        return Exchange(
            status=received.status,
            content_type=headers.get("content-type", ""),
            body=received.body,
            request_id=request_id if _REQUEST_ID.match(request_id) else "",
            retry_after=None if retry_after is None else parse_retry_after(retry_after, self._clock.wall()),
            spent_for=parse_spent_for(headers),
        )


def _host_of(url: str) -> str:
    """Return what names an origin's host: without the port that goes without saying, as servers expect it."""
    parts = urlsplit(url)
    host = parts.netloc.lower().removesuffix(f":{parts.port}")
    return host if parts.port in (None, DEFAULT_PORTS[parts.scheme]) else f"{host}:{parts.port}"


def _edge_lines(edge: Mapping[str, str] | None) -> str:
    """Return the lines that name the end user of a call; the vendor asks its partners to pass them on (facts 1.6)."""
    if not edge:
        return ""
    allowed = ((name, value) for name, value in edge.items() if name in EDGE_HEADERS and _FIELD_VALUE.match(value))
    return "".join(f"{name}: {value}\r\n" for name, value in allowed)
