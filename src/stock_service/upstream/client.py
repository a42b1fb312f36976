"""One HTTP exchange with the vendor, within limits.

Sends exactly once: no redirects, no cookies, no retries of its own, no proxy unless one is set. The vendor key
exists here and nowhere else, and never in an error: what the library raises (its `repr` quotes the request's
headers) ends in this file. Limits are the client's own; nobody cancels an exchange from outside, save at shutdown.
"""

from __future__ import annotations

import asyncio
import math
import re
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from weakref import WeakSet

import aiohttp
from yarl import URL

from stock_service.base.clock import Clock
from stock_service.upstream.body import BodyCollector, BodyLimits
from stock_service.upstream.outcome import ExchangeFailed, Fault
from stock_service.upstream.vendor_limits import parse_retry_after, parse_spent_for
from stock_service.vendor.edge import EDGE_HEADERS

# Launchpad's headers name the end user of a call; the vendor asks its partners to pass them on (facts 1.6).

_TARGET = re.compile(r"/[!-~]*\Z")
_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}\Z")
_FIELD_MAX_BYTES = 8 * 1024


@dataclass(frozen=True, slots=True)
class ClientSettings:
    """Where the vendor is and how long it may take. Lengths in seconds.

    `connect_for` covers name, TCP and TLS. `attempt_for` covers everything, so a drip that keeps every other limit
    still ends. `keep_for` is how long an idle connection is trusted. `proxy_url` empty: none, whatever the
    environment says.
    """

    url: str = "https://api.polygon.io"
    connect_for: float = 1.0
    first_byte_for: float = 4.5
    between_bytes_for: float = 2.0
    attempt_for: float = 5.0
    keep_for: float = 15.0
    names_for: float = 30.0
    connections: int = 16
    body: BodyLimits = field(default_factory=BodyLimits)
    proxy_url: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
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
        self._settings = settings
        self._base = settings.url.rstrip("/")
        self._clock = clock
        self._trust = trust
        self._usual_limits = self._limits(settings.attempt_for)
        self._headers = {"Accept-Encoding": "gzip", "User-Agent": "stock-service"}
        if api_key:
            self._headers["Authorization"] = f"Bearer {api_key}"
        self._session: aiohttp.ClientSession | None = None

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
        headers = {**self._headers, "Accept": accept}
        headers.update((name, value) for name, value in (edge or {}).items() if name in EDGE_HEADERS)
        response = await self._send(target, headers, within)
        try:
            return await self._receive(response)
        finally:
            response.close()  # a connection whose answer was read to its end has gone back to the pool before

    async def aclose(self) -> None:
        """Close all connections."""
        if self._session is not None:
            await self._session.close()

    async def _send(self, target: str, headers: dict[str, str], within: float) -> aiohttp.ClientResponse:
        limits = self._usual_limits if within >= self._settings.attempt_for else self._limits(within)
        url = URL(self._base + target, encoded=True)
        try:
            return await self._opened().get(url, headers=headers, timeout=limits, allow_redirects=False)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            fault = _classify_error(error)
        raise ExchangeFailed(fault)  # outside the handler, so that the library's error is not chained

    def _limits(self, total: float) -> aiohttp.ClientTimeout:
        return aiohttp.ClientTimeout(
            total=total,
            connect=self._settings.connect_for,
            # No `sock_read`: after a large answer aiohttp leaves that timer running on the pooled connection, where
            # it ends the next call the moment it is sent. Ours are around the awaits instead.
            ceil_threshold=math.inf,  # aiohttp rounds long limits up to whole seconds otherwise
        )

    async def _receive(self, response: aiohttp.ClientResponse) -> Exchange:
        if 300 <= response.status <= 399:
            raise ExchangeFailed(Fault.REDIRECTED)
        if (response.content_length or 0) > self._settings.body.max_bytes:
            raise ExchangeFailed(Fault.TOO_LARGE)
        collector = BodyCollector(response.headers.get("Content-Encoding", ""), self._settings.body)
        while chunk := await self._next_chunk(response.content):
            collector.feed(chunk)
        request_id = response.headers.get("X-Request-Id", "")
        return Exchange(
            status=response.status,
            content_type=response.headers.get("Content-Type", ""),
            body=collector.finish(),
            request_id=request_id if _REQUEST_ID.match(request_id) else "",
            retry_after=parse_retry_after(response.headers.get("Retry-After"), self._clock.wall()),
            spent_for=parse_spent_for(response.headers),
        )

    async def _next_chunk(self, content: aiohttp.StreamReader) -> bytes:
        try:
            here = content.read_nowait()  # a small answer has come with its head: no timer for it
            if here or content.at_eof():
                return here
            async with asyncio.timeout(self._settings.between_bytes_for):
                return await content.readany()
        except TimeoutError:
            fault = Fault.TIMEOUT
        except (aiohttp.ClientError, OSError):
            fault = Fault.LOST_LATE
        raise ExchangeFailed(fault)

    def _opened(self) -> aiohttp.ClientSession:
        if self._session is None:
            connector = aiohttp.TCPConnector(
                limit=self._settings.connections,
                keepalive_timeout=self._settings.keep_for,
                ttl_dns_cache=math.ceil(self._settings.names_for),
                timeout_ceil_threshold=math.inf,
                ssl=self._trust or True,
            )
            self._session = aiohttp.ClientSession(
                connector=connector,
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=False,
                trust_env=False,
                proxy=self._settings.proxy_url or None,
                max_line_size=_FIELD_MAX_BYTES,
                max_field_size=_FIELD_MAX_BYTES,
                middlewares=(_send_once,),
                response_class=_waiting_for_first_byte(self._settings.first_byte_for),
            )
        return self._session


def _waiting_for_first_byte(seconds: float) -> type[aiohttp.ClientResponse]:
    """Return the class of responses whose head must come within so many seconds of the request being sent.

    It knows which connections have served before: the vendor may close such a one just as we send.
    """
    served: WeakSet[object] = WeakSet()

    class Response(aiohttp.ClientResponse):
        async def start(self, connection: aiohttp.connector.Connection) -> aiohttp.ClientResponse:
            kept = connection.protocol in served
            served.add(connection.protocol)
            try:
                async with asyncio.timeout(seconds):
                    return await super().start(connection)
            except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError):
                if not kept:
                    raise
            raise ExchangeFailed(Fault.LOST_KEPT)  # outside the handler, so that the library's error is not chained

    return Response


async def _send_once(request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
    """Hide a lost connection from aiohttp, which would send a GET again: unpaced, uncounted, on no budget."""
    try:
        return await handler(request)
    except aiohttp.ClientConnectorError:
        raise
    except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError):
        fault = Fault.LOST_EARLY
    raise ExchangeFailed(fault)


# The first that fits decides: aiohttp's classes derive from one another.
_ERRORS: tuple[tuple[tuple[type[BaseException], ...], Fault], ...] = (
    ((aiohttp.ConnectionTimeoutError,), Fault.CONNECT_TIMEOUT),
    ((aiohttp.ClientConnectorSSLError, aiohttp.ClientConnectorCertificateError), Fault.CERTIFICATE),
    ((aiohttp.ClientConnectorError, aiohttp.ClientHttpProxyError), Fault.UNREACHABLE),
    ((TimeoutError,), Fault.TIMEOUT),
    ((aiohttp.ClientPayloadError,), Fault.LOST_LATE),
    ((aiohttp.ClientResponseError, aiohttp.InvalidURL), Fault.MALFORMED),
)


def _classify_error(error: BaseException) -> Fault:
    return next((fault for kinds, fault in _ERRORS if isinstance(error, kinds)), Fault.LOST_EARLY)
