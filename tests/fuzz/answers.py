"""Target: any bytes as what the vendor sends on a connection: the protocol class of our client, cut anywhere.

The first byte says into how many pieces the rest is cut, and whether the vendor then closes, resets or waits. Held to
be true: an exchange ends once, with an answer or a fault, and how the bytes were cut changes neither; a connection
that may be asked again stands where an answer ended, and answers the next question with the bytes behind it.
"""

from __future__ import annotations

import asyncio
import gzip

from stock_service.base.clock import SystemClock
from stock_service.upstream.body import BodyLimits
from stock_service.upstream.connection import ConnectionLimits, Received, VendorConnection
from stock_service.upstream.outcome import ExchangeFailed
from tests.fuzz.turns import TurnLoop, make_loop

LIMITS = ConnectionLimits(1.0, 1.0, BodyLimits(max_bytes=64 * 1024, max_ratio=20))
_ENDS = ("waits", "closes", "resets", "waits")
_NEXT = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\nX-Request-Id: next\r\n\r\nnext"

Ended = tuple[str, int, bytes, tuple[tuple[str, str], ...]]

_NEXT_ENDED: Ended = ("answer", 200, b"next", (("content-length", "4"), ("x-request-id", "next")))


class _Wire(asyncio.Transport):
    """Sends nothing; notices being closed."""

    def __init__(self) -> None:
        super().__init__()
        self.closed = False

    def write(self, data: object) -> None:
        pass

    def is_closing(self) -> bool:
        return self.closed

    def abort(self) -> None:
        self.closed = True


class Answers:
    """What the vendor, or whoever answers in its place, may say to a question."""

    words = (
        b"HTTP/1.1 200 OK\r\n", b"HTTP/1.0 200 OK\r\n", b"HTTP/1.1 103 Early Hints\r\n\r\n", b"HTTP/1.1 101 X\r\n",
        b"HTTP/1.1 304 Not Modified\r\n", b"HTTP/1.1 204 No Content\r\n\r\n", b"\r\n\r\n", b"\r\n", b"\n",
        b"Content-Length: 2\r\n", b"Content-Length: 99999999999999999999\r\n", b"Transfer-Encoding: chunked\r\n",
        b"Transfer-Encoding: identity\r\n", b"Content-Encoding: gzip\r\n", b"Connection: close\r\n",
        b"Connection: upgrade\r\nUpgrade: h2c\r\n", b"2\r\n{}\r\n", b"0\r\n\r\n", b"0\r\nX: 1\r\n\r\n", b"2;a=b\r\n",
        b"Retry-After: 7\r\n", b"X-RateLimit-Remaining: 0\r\n", b"X-Request-Id: a\r\n", b"{}", b"\x00",
    )  # fmt: skip

    def __init__(self) -> None:
        head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nX-Request-Id: abc\r\n"
        packed = gzip.compress(b'{"status":"OK"}', mtime=0)
        answers = [
            head + b"Content-Length: 2\r\n\r\n{}",
            head + b"Transfer-Encoding: chunked\r\n\r\n2;a=b\r\n{}\r\n0\r\nX-Trailer: 1\r\n\r\n",
            head + b"\r\n{}",
            head + b"Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n%b" % (len(packed), packed),
            b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" + head + b"Content-Length: 2\r\n\r\n{}",
            b"HTTP/1.1 429 Too Many Requests\r\nRetry-After: 12\r\nContent-Length: 2\r\n\r\n{}",
            b"HTTP/1.1 301 Moved\r\nLocation: /x\r\nContent-Length: 0\r\n\r\n",
            b"HTTP/1.0 200 OK\r\n\r\n<html>",
            head + b"Content-Length: 2\r\n\r\n{}" + head + b"Content-Length: 4\r\n\r\nmore",
        ]
        self.seeds = tuple(bytes([first]) + answer for answer in answers for first in (0, 1, 2, 29))
        self._loop = make_loop()

    def check(self, data: bytes) -> None:
        first, answer = (data[0], data[1:]) if data else (0, b"")
        end = _ENDS[first & 3]
        whole, again = _hear(self._loop, [answer], end)
        pieces, again_in_pieces = _hear(self._loop, _cut(answer, 2 + first // 4), end)
        assert whole == pieces, f"whole {whole}, in pieces {pieces}"
        if again is not None and again_in_pieces is not None:
            assert again == again_in_pieces == _NEXT_ENDED
        assert self._loop.faults == []


def _cut(data: bytes, pieces: int) -> list[bytes]:
    size = len(data) // pieces + 1
    return [data[at : at + size] for at in range(0, len(data), size)]


def _hear(loop: TurnLoop, pieces: list[bytes], end: str) -> tuple[Ended | None, Ended | None]:
    """Return how the exchange ended, and how the next one did if the connection may be asked again."""
    connection, wire = VendorConnection(LIMITS, SystemClock()), _Wire()
    connection.connection_made(wire)
    with loop.current():
        asked = loop.create_task(connection.ask(b"GET / HTTP/1.1\r\n\r\n", 1e12))
        loop.turn()
        for piece in pieces:
            if not wire.closed:
                connection.data_received(piece)
        if not wire.closed and end != "waits":
            if end == "closes":
                connection.eof_received()
            wire.closed = True
            connection.connection_lost(ConnectionResetError() if end == "resets" else None)
        loop.turn()
        ended = _ended(asked)
        if not connection.reusable:
            return ended, None
        following = loop.create_task(connection.ask(b"GET / HTTP/1.1\r\n\r\n", 1e12))
        loop.turn()
        connection.data_received(_NEXT)
        loop.turn()
        return ended, _ended(following)


def _ended(asked: asyncio.Task[Received]) -> Ended | None:
    """Return the answer or the fault; None while the exchange goes on, which only more bytes or time can end."""
    if not asked.done():
        asked.cancel()
        return None
    try:
        received = asked.result()
    except ExchangeFailed as failed:
        return failed.fault.value, 0, b"", ()
    assert len(received.body) <= LIMITS.body.max_bytes
    return "answer", received.status, received.body, tuple(sorted(received.headers.items()))
