"""One connection to the vendor: sends a request, collects the answer, keeps its time limits.

Which bytes are an answer is llhttp's to say; what is bounded here is their number and the time they take. Always
holds: one exchange at a time, over exactly once, with a whole answer or a fault; a connection that failed in any way,
was left in the middle of an exchange, or heard a byte nobody asked for is closed and never asked again.
"""

from __future__ import annotations

import asyncio
import math
from dataclasses import dataclass
from typing import cast

import httptools

from stock_service.base.clock import Clock
from stock_service.base.record import record
from stock_service.upstream.body import BodyCollector, BodyLimits
from stock_service.upstream.outcome import ExchangeFailed, Fault

# The vendor and its content network send twenty fields in one or two thousand bytes.
FIELDS_MAX = 256
FIELD_MAX_BYTES = 8 * 1024
FRAMING_MAX_BYTES = 64 * 1024  # a head, or whatever else lies between two pieces of a body
_HEARD = frozenset({"content-type", "content-length", "x-request-id", "retry-after"})
_LIMIT_FIELD = "ratelimit"
_LISTS = frozenset({"content-encoding", "transfer-encoding"})  # what stands on two lines is one list


@dataclass(frozen=True, slots=True)
class ConnectionLimits:
    """Lengths in seconds. `first_byte_for` is the time of the whole head, counted from the request."""

    first_byte_for: float
    between_bytes_for: float
    body: BodyLimits


@record
class Received:
    """A whole answer. `headers`: those we listen to, names in lower case; of equals the first, of codings all."""

    status: int
    headers: dict[str, str]
    body: bytes


class VendorConnection(asyncio.Protocol):
    """The protocol of one connection; `reusable` says whether it may be asked again."""

    __slots__ = (
        "_awaited",
        "_clock",
        "_collector",
        "_deadline",
        "_ended",
        "_fields",
        "_framing_bytes",
        "_headers",
        "_heard",
        "_limits",
        "_parser",
        "_rings_at",
        "_served",
        "_stays",
        "_timer",
        "_transport",
        "_until",
        "_until_close",
        "_whole",
        "idle_since",
        "made_at",
        "reusable",
    )

    def __init__(self, limits: ConnectionLimits, clock: Clock) -> None:
        self._limits = limits
        self._clock = clock
        self._parser = httptools.HttpResponseParser(self)
        self._transport: asyncio.Transport | None = None
        self._served = False
        self._ended = False  # by the vendor's word: over TLS, uvloop passes on its goodbye and not that it was cut off
        self.reusable = False
        self.made_at = clock.monotonic()
        self.idle_since = 0.0  # the pool's
        self._timer: asyncio.TimerHandle | None = None
        self._rings_at = math.inf  # when the timer does, if it is set
        self._awaited: asyncio.Future[Received] | None = None
        self._begin(0.0)

    def _begin(self, deadline: float) -> None:
        self._deadline = deadline
        self._until = 0.0
        self._heard = False  # whether anything of the answer has come
        self._collector: BodyCollector | None = None  # once the head is whole
        self._until_close = False  # whether only the end of the connection ends the body
        self._whole: bytes | None = None
        self._stays = False
        self._fields = 0
        self._framing_bytes = 0  # that have come since the last piece of a body
        self._headers: dict[str, str] = {}

    async def ask(self, request: bytes, deadline: float) -> Received:
        """Send `request` and return the answer; to be called when `reusable`, or right after connecting.

        Raises:
            ExchangeFailed: no whole answer before `deadline` (monotonic) and within the limits.
        """
        now = self._clock.monotonic()
        if now >= deadline:
            raise ExchangeFailed(Fault.TIMEOUT)  # unsent, so the connection stays what it was
        self._begin(deadline)
        self.reusable = False
        if self._transport is None or self._transport.is_closing():
            raise ExchangeFailed(self._lost_fault())
        self._awaited = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        self._wait_until(now + self._limits.first_byte_for, now)
        try:
            return await self._awaited
        finally:
            self._awaited = None

    def close(self) -> None:
        """End the connection at once."""
        self.reusable = False
        if self._transport is not None:
            self._transport.abort()

    # --- the transport's calls ---

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        if self._awaited is None or self._awaited.done():
            self.close()
            return
        self._heard = True
        self._framing_bytes += len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            if self._whole is None:
                self._fail(_fault_of(error))
                return
            self.close()  # the answer is whole; what follows it is not ours
        if self._whole is not None:
            self._finish(self._whole)
        elif self._framing_bytes > FRAMING_MAX_BYTES:
            self._fail(Fault.MALFORMED)
        elif self._collector is not None:
            now = self._clock.monotonic()
            self._wait_until(now + self._limits.between_bytes_for, now)

    def eof_received(self) -> None:
        self.reusable = False
        self._ended = True

    def connection_lost(self, exc: Exception | None) -> None:
        self.reusable = False
        if self._timer is not None:
            self._timer.cancel()
        if self._awaited is None or self._awaited.done():
            return
        if self._collector is None or not self._until_close or not self._ended or exc is not None:
            self._fail(self._lost_fault())
            return
        try:
            body = self._collector.finish()
        except ExchangeFailed as failed:
            self._fail(failed.fault)
        else:
            self._finish(body)

    # --- the parser's calls; what they raise ends the parsing ---

    def on_message_begin(self) -> None:
        if self._whole is not None:
            raise ExchangeFailed(Fault.MALFORMED)

    def on_header(self, name: bytes, value: bytes) -> None:
        self._fields += 1
        if self._fields > FIELDS_MAX or len(name) + len(value) > FIELD_MAX_BYTES:
            raise ExchangeFailed(Fault.MALFORMED)
        if self._collector is not None:
            return  # a trailer
        key = name.lower().decode("latin-1")
        if key in _HEARD or _LIMIT_FIELD in key:
            self._headers.setdefault(key, value.decode("latin-1").strip())
        elif key in _LISTS:
            codings = value.decode("latin-1").strip()
            before = self._headers.get(key)
            self._headers[key] = f"{before}, {codings}" if before else codings

    def on_headers_complete(self) -> None:
        status = self._parser.get_status_code()
        if status < 100 or status == 101:
            raise ExchangeFailed(Fault.MALFORMED)
        if status < 200:
            return
        if 300 <= status <= 399:
            raise ExchangeFailed(Fault.REDIRECTED)
        headers, limits = self._headers, self._limits.body
        length = headers.get("content-length")
        if length is not None and int(length) > limits.max_bytes:
            raise ExchangeFailed(Fault.TOO_LARGE)
        transfer = headers.get("transfer-encoding")
        if transfer is not None and transfer.lower() != "chunked":
            raise ExchangeFailed(Fault.CODING)
        self._until_close = length is None and transfer is None
        self._collector = BodyCollector(headers.get("content-encoding", ""), limits)

    def on_body(self, data: bytes) -> None:
        assert self._collector is not None  # an interim answer has no body
        self._framing_bytes = 0
        self._collector.feed(data)

    def on_message_complete(self) -> None:
        if self._collector is None:
            self._headers = {}  # of an interim answer (1xx): the final one follows
            return
        self._whole = self._collector.finish()
        self._stays = self._parser.should_keep_alive()  # llhttp knows it only now

    # --- how an exchange ends ---

    def _finish(self, body: bytes) -> None:
        self._served = True
        self.reusable = self._stays and self._transport is not None and not self._transport.is_closing()
        if self._awaited is not None:
            self._awaited.set_result(Received(self._parser.get_status_code(), self._headers, body))
        self._whole = self._collector = None  # an idle connection would hold its last answer, twice

    def _fail(self, fault: Fault) -> None:
        if self._awaited is not None and not self._awaited.done():
            self._awaited.set_exception(ExchangeFailed(fault))
        self.close()

    def _lost_fault(self) -> Fault:
        if self._collector is not None:
            return Fault.LOST_LATE
        return Fault.LOST_KEPT if self._served and not self._heard else Fault.LOST_EARLY

    def _wait_until(self, instant: float, now: float) -> None:
        """Wait for what comes next until `instant` or the deadline.

        One timer serves all exchanges: it is not set anew for each of them, nor for every piece of a body, but looks
        again when it rings.
        """
        self._until = min(self._deadline, instant)
        if not now < self._rings_at <= self._until:  # one that is overdue has not run while the machine slept
            self._ring_at(self._until, now)

    def _ring_at(self, instant: float, now: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._rings_at = instant
        self._timer = asyncio.get_running_loop().call_later(max(0.0, instant - now), self._ring)

    def _ring(self) -> None:
        self._timer, self._rings_at = None, math.inf
        if self._awaited is None:
            return
        now = self._clock.monotonic()
        if now < self._until:
            self._ring_at(self._until, now)
        else:
            self._fail(Fault.TIMEOUT)


def _fault_of(error: Exception) -> Fault:
    """Return the fault one of our callbacks raised, or that of bytes that are not HTTP."""
    ours = error.__context__
    return ours.fault if isinstance(ours, ExchangeFailed) else Fault.MALFORMED
