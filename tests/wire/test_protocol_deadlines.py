"""Who takes too long is let go; who is waiting for us is not. Stock uvicorn waits for all of these for ever."""

from __future__ import annotations

import asyncio

import pytest

from stock_service.base.events import ConnectionRefused, Faulted, RequestFinished
from stock_service.web.guard_deadlines import Overdue, Phase, judge_deadline
from stock_service.web.guard_limits import Limits
from stock_service.web.guard_sweeper import Sweeper
from tests.support.clock import ManualClock, settle
from tests.support.corpus import head
from tests.support.reading import Recorder
from tests.support.wire import LOST, SLOW, Connection, Wire, get

_ECHO = head("POST /admin/echo HTTP/1.1", "Host: gateway", "Content-Length: 10")


async def _after(wire: Wire, connection: Connection, seconds: float) -> Connection:
    wire.clock.shift(seconds)
    connection.protocol.sweep(wire.clock.monotonic())
    await settle()
    return connection


BEGUN = {
    "half a request line": (b"GET /x HT", 408),
    "half a header": (b"GET /x HTTP/1.1\r\nHost: a\r\nX: ", 408),
    "one byte after an answer": (get("/health") + b"G", 408),
    "a body that does not come": (_ECHO + b"abc", 408),
    "a chunk that does not come": (
        head("POST /admin/echo HTTP/1.1", "Host: gateway", "Transfer-Encoding: chunked", body=b"3\r\na"),
        408,
    ),
}


@pytest.mark.parametrize("name", BEGUN)
async def test_a_message_that_does_not_end_is_refused_after_ten_seconds(name: str) -> None:
    """Not a second earlier."""
    raw, status = BEGUN[name]
    wire = Wire()
    connection = await wire.connect().send(raw)
    before = len(connection.answers())
    await _after(wire, connection, 9.9)
    assert not connection.closed
    await _after(wire, connection, 0.1)
    assert [answer.status for answer in connection.answers()[before:]] == [status]
    assert connection.closed


@pytest.mark.parametrize("end", ["nothing", "no size\r\n", "hang up"])
async def test_what_did_not_arrive_whole_is_never_acted_on(end: str) -> None:
    """An order to rotate a key cut off behind its head would be one without its grace, its new key told to nobody."""
    wire = Wire()
    raw = head("POST /admin/echo HTTP/1.1", "Host: gateway", "Transfer-Encoding: chunked", body=b"3\r\nabc\r\n")
    connection = await wire.connect().send(raw)
    if end == "nothing":
        await _after(wire, connection, 10.0)
    elif end == "hang up":
        connection.protocol.connection_lost(None)
        await settle()
    else:
        await connection.send(end.encode())
    assert [each.status for each in wire.observer.events if isinstance(each, RequestFinished)] == [400]
    told = {"nothing": [408], "no size\r\n": [400], "hang up": []}[end]
    assert [answer.status for answer in connection.answers()] == told


async def test_dripping_bytes_do_not_extend_the_deadline() -> None:
    """It counts from the first byte of the head."""
    wire = Wire()
    connection = wire.connect()
    for byte in get()[:5]:
        await connection.send(bytes([byte]))
        await _after(wire, connection, 2.0)
    assert [answer.status for answer in connection.answers()] == [408]


async def test_a_silent_connection_is_closed_without_a_word() -> None:
    """It asked nothing, so there is nothing to answer."""
    wire = Wire()
    connection = wire.connect()
    await _after(wire, connection, 9.9)
    assert not connection.closed
    await _after(wire, connection, 0.1)
    assert connection.closed
    assert connection.output == b""


@pytest.mark.parametrize("warm", [False, True])
async def test_an_idle_connection_is_kept_for_its_time(warm: bool) -> None:
    """After a slow answer and after a hit alike, counted from the answer."""
    wire = Wire()
    if warm:
        await wire.warm(get())
    connection = await wire.connect().send(get(), get(), get())
    await _after(wire, connection, 74.0)
    assert not connection.closed
    await connection.send(get())
    await _after(wire, connection, 74.0)
    assert not connection.closed
    await _after(wire, connection, 1.0)
    assert connection.closed
    assert len(connection.answers()) == 4


async def test_empty_lines_do_not_keep_a_connection() -> None:
    """They are not the beginning of a request."""
    wire = Wire()
    connection = await wire.connect().send(get("/health"))
    for _ in range(8):
        await connection.send(b"\r\n")
        await _after(wire, connection, 10.0)
    assert connection.closed
    assert len(connection.answers()) == 1


async def test_a_client_waiting_for_us_is_never_let_go() -> None:
    """However long the vendor takes; the request has a deadline of its own."""
    wire = Wire()
    connection = await wire.connect().send(get(SLOW) + get()[:20])
    await _after(wire, connection, 1_000.0)
    assert not connection.closed
    wire.vendor.release()
    await connection.send()
    await _after(wire, connection, 9.0)
    assert not connection.closed
    await _after(wire, connection, 1.0)
    assert [answer.status for answer in connection.answers()] == [200, 408]


async def test_a_client_that_reads_nothing_is_cut_off() -> None:
    """After twenty seconds without taking a byte, not merely without taking all."""
    wire = Wire()
    await wire.warm(get())
    connection = wire.connect()
    connection.transport.stalled = True
    await connection.send(*[get()] * 400)
    await _after(wire, connection, 0.0)
    await _after(wire, connection, 19.0)
    connection.transport.unsent -= 1
    await _after(wire, connection, 1.0)
    assert not connection.transport.aborted
    await _after(wire, connection, 20.0)
    assert connection.transport.aborted
    assert [event.kind for event in wire.observer.events if isinstance(event, ConnectionRefused)] == ["unread"]


async def test_a_closed_connection_whose_last_bytes_are_never_read_is_cut_off() -> None:
    """The end waits for the buffer; a client that never reads would hold it for ever."""
    wire = Wire()
    connection = wire.connect()
    connection.transport.stalled = True
    await connection.send(get(LOST, "Connection: close"))
    await _after(wire, connection, 0.0)
    assert connection.closed
    await _after(wire, connection, 19.0)
    assert not connection.transport.is_closing()
    await _after(wire, connection, 20.0)
    assert connection.transport.aborted


async def test_after_the_last_answer_what_still_comes_is_thrown_away_until_its_time_is_over() -> None:
    """Closing with a byte unread would reset the connection, and the answer on its way with it."""
    wire = Wire()
    connection = wire.connect()
    connection.transport.stalled = True
    await connection.send(get(LOST, "Connection: close") + get(), get())
    assert connection.closed
    await _after(wire, connection, 1.0)
    assert connection.transport.reading
    assert not connection.transport.is_closing()
    connection.transport.drained()
    await connection.send(b"x" * 1_000)
    await _after(wire, connection, 1.0)
    assert connection.transport.is_closing()
    assert [answer.header("connection") for answer in connection.answers()] == ["close"]


async def test_the_sweeper_looks_once_a_second_and_survives_a_fault() -> None:
    """One odd connection must not leave the others unguarded."""

    class Odd:
        looks = 0

        def sweep(self, now: float) -> None:
            self.looks += 1
            raise RuntimeError

    clock, recorder, odd, second = ManualClock(), Recorder(), Odd(), Odd()
    task = asyncio.get_running_loop().create_task(Sweeper(lambda: [odd, second], clock, recorder).run())
    await clock.advance(3.0)
    task.cancel()
    assert (odd.looks, second.looks) == (3, 3)
    assert recorder.count(Faulted) == 6


@pytest.mark.parametrize(
    ("phase", "seconds", "begun", "expected"),
    [
        (Phase.OVER, 0.9, False, None),
        (Phase.OVER, 1.0, False, Overdue.LINGERING),
        (Phase.BODY, 9.9, True, None),
        (Phase.BODY, 10.0, False, Overdue.BODY),
        (Phase.HEAD, 10.0, True, Overdue.HEAD),
        (Phase.HEAD, 74.0, False, None),
        (Phase.HEAD, 75.0, False, Overdue.IDLE),
    ],
)
def test_the_verdict_is_a_table(phase: Phase, seconds: float, begun: bool, expected: Overdue | None) -> None:
    """The pure part."""
    limits = Limits()
    verdict = judge_deadline(phase, for_seconds=seconds, begun=begun, idle_for=limits.keep_alive_for, limits=limits)
    assert verdict is expected
