"""How much one client may send: one less, exactly as much, and one more; whole and byte by byte."""

from __future__ import annotations

import pytest

from stock_service.base.events import ConnectionRefused
from stock_service.web.guard_head import HeadLimits
from stock_service.web.guard_limits import Limits
from tests.support.corpus import head
from tests.support.wire import HIT, KEY, Connection, Wire, get

_HOST = "Host: gateway"
_AUTH = f"Authorization: Bearer {KEY}"
_ECHO = "POST /admin/echo HTTP/1.1"


def _url(length: int) -> bytes:
    path = "/admin/".ljust(length, "a")
    return head(f"GET {path} HTTP/1.1", _HOST)


def _header(size: int) -> bytes:
    """A request whose header lines, with their ends and the empty line, take `size` bytes."""
    room = size - len(f"{_HOST}\r\nX: \r\n\r\n")
    return head("GET /health HTTP/1.1", _HOST, "X: " + "a" * room)


def _lines(count: int) -> bytes:
    return head("GET /health HTTP/1.1", _HOST, *(f"X-{number}: y" for number in range(count - 1)))


def _body(size: int) -> bytes:
    return head(f"GET {HIT} HTTP/1.1", _HOST, _AUTH, f"Content-Length: {size}", body=b"x" * size)


def _posted(size: int) -> bytes:
    return head(_ECHO, _HOST, f"Content-Length: {size}", body=b"x" * size)


CASES = {
    "url": (_url, 8 * 1024, 200, 414),
    "header bytes": (_header, 32 * 1024, 200, 431),
    "header lines": (_lines, 100, 200, 431),
    "body of a GET": (_body, 64 * 1024, 200, 413),
    "body of a POST": (_posted, 1024 * 1024, 200, 413),
}


@pytest.mark.parametrize("name", CASES)
async def test_the_limit_is_exact(name: str) -> None:
    """One more ends the connection with a status that says why."""
    build, limit, accepted, refused = CASES[name]
    wire = Wire()
    for size, status in ((limit - 1, accepted), (limit, accepted), (limit + 1, refused)):
        connection = await wire.connect().send(build(size))
        assert [answer.status for answer in connection.answers()] == [status], size
        assert connection.closed is (status == refused)
    assert wire.observer.count(ConnectionRefused) == 1


@pytest.mark.parametrize("name", ["url", "header bytes", "header lines"])
async def test_the_limit_is_counted_while_bytes_arrive(name: str) -> None:
    """Nobody waits for the end of what is too large already, and nothing of it is kept."""
    build, limit, _, refused = CASES[name]
    connection = Wire().connect()
    raw = build(limit * 4)
    sent = 0
    while not connection.closed:
        await connection.send(raw[sent : sent + 512])
        sent += 512
    assert sent < len(raw)
    assert [answer.status for answer in connection.answers()] == [refused]
    assert connection.protocol.rest == b""


async def test_a_target_of_seventy_thousand_bytes_is_refused() -> None:
    """Older parsers took its length modulo 65,536 and invented a query."""
    connection = await Wire().connect().send(head("GET /" + "a" * 70_000 + "?admin=1 HTTP/1.1", _HOST))
    assert [answer.status for answer in connection.answers()] == [414]


async def test_a_body_that_says_it_is_too_large_is_refused_before_it_comes() -> None:
    """The client learns from the head alone."""
    connection = await Wire().connect().send(head(_ECHO, _HOST, "Content-Length: 1048577"))
    assert [answer.status for answer in connection.answers()] == [413]


async def test_chunks_are_counted_with_all_that_comes_with_them() -> None:
    """Endless chunk extensions are no way around the limit (the attack of CVE-2024-22019)."""
    wire = Wire()
    connection = await wire.connect().send(head(f"GET {HIT} HTTP/1.1", _HOST, _AUTH, "Transfer-Encoding: chunked"))
    for _ in range(64):
        await connection.send(b"1;" + b"a" * 4_000 + b"\r\nx\r\n")
    assert [answer.status for answer in connection.answers()] == [413]
    assert connection.closed


async def test_a_large_trailer_is_counted_too() -> None:
    """Trailers are thrown away, but not without bound."""
    connection = await Wire().connect().send(head(_ECHO, _HOST, "Transfer-Encoding: chunked", body=b"0\r\n"))
    for number in range(600):
        if connection.closed:
            break
        await connection.send(b"X-%d: " % number + b"a" * 4_000 + b"\r\n")
    assert connection.closed
    assert connection.output.count(b"HTTP/1.1 ") <= 1


async def test_more_connections_than_allowed_are_told_so() -> None:
    """Accepted, answered and closed: silence would look like a fault of the network."""
    wire = Wire(limits=Limits(connections=2))
    first, second, third = wire.connect(), wire.connect(), wire.connect()
    [answer] = third.answers()
    assert answer.status == 503
    assert answer.header("retry-after") == "1"
    assert third.closed
    await third.send(get())
    assert len(third.answers()) == 1
    for connection in (first, second):
        await connection.send(get())
        assert len(connection.answers()) == 1


async def test_the_refused_may_finish_sending_and_still_read_the_answer() -> None:
    """Closing at once would reset the connection, and the answer would be lost on its way."""
    wire = Wire()
    connection: Connection = await wire.connect().send(_url(9_000))
    assert connection.transport.ended
    assert connection.transport.reading
    await connection.send(b"x" * 100_000, get())
    assert len(connection.answers()) == 1
    wire.clock.shift(1.0)
    connection.protocol.sweep(wire.clock.monotonic())
    assert connection.transport.is_closing()


async def test_smaller_limits_hold_as_well() -> None:
    """The numbers are settings."""
    wire = Wire(limits=Limits(head=HeadLimits(url_bytes=20, header_bytes=100, header_count=2)))
    assert (await wire.connect().send(_url(21))).answers()[0].status == 414
    assert (await wire.connect().send(_lines(3))).answers()[0].status == 431
    assert (await wire.connect().send(_lines(2))).answers()[0].status == 200
