"""What a body contains is never taken for a request, and the fast lane never disturbs the parser: the known traps."""

from __future__ import annotations

from itertools import product

import pytest

from tests.support.corpus import head
from tests.support.wire import HIT, KEY, LOST, SLOW, Wire, get, parse_answers

_ECHO = head("POST /admin/echo HTTP/1.1", "Host: gateway", "Content-Length: 3", body=b"abc")


async def test_a_body_that_copies_its_own_request_is_never_answered() -> None:
    """Remembering header lines before the message was whole answered every second body as a request."""
    wire = Wire()
    await wire.warm(get())

    def request(length: int) -> bytes:
        return head(f"GET {HIT} HTTP/1.1", "Host: gateway", f"Content-Length: {length}", f"Authorization: Bearer {KEY}")

    same = request(len(request(100)))
    assert len(request(len(same))) == len(same)
    connection = wire.connect()
    counts = []
    for _ in range(12):
        before = len(connection.answers())
        await connection.send(same)
        counts.append(len(connection.answers()) - before)
    assert counts == [0, 1] * 6  # a body on GET is thrown away first, then the request is answered


async def test_a_chunked_body_is_awaited_however_often_its_head_came_before() -> None:
    """A block that announces a body is not remembered, not even when the body was empty each time."""
    wire = Wire()
    await wire.warm(get())
    request = head(f"GET {HIT} HTTP/1.1", "Host: gateway", "Transfer-Encoding: chunked", f"Authorization: Bearer {KEY}")
    connection = wire.connect()
    counts = []
    for _ in range(6):
        for piece in (request, b"0\r\n\r\n"):
            before = len(connection.answers())
            await connection.send(piece)
            counts.append(len(connection.answers()) - before)
    assert counts == [0, 1] * 6


async def test_a_remembered_block_inside_a_body_is_a_body() -> None:
    """The very bytes that are a hit between messages are nothing within one."""
    wire = Wire()
    await wire.warm(get())
    connection = await wire.connect().send(get(), get(), get())
    hits = wire.hits
    inner = get()
    await connection.send(head("POST /admin/echo HTTP/1.1", "Host: gateway", f"Content-Length: {len(inner)}"))
    await connection.send(inner)
    assert wire.hits == hits
    assert len(connection.answers()) == 4
    assert connection.answers()[-1].body.startswith(b"POST|%d|" % len(inner))


async def test_a_request_line_is_no_request_while_its_header_lines_are_missing() -> None:
    """Nor when they are remembered: what is left of a message without them is the message."""
    wire = Wire()
    await wire.warm(get())
    connection = await wire.connect().send(get(), get(), get())
    hits = wire.hits
    line, end, lines = get().partition(b"\r\n")
    for segments in ((line, end + lines), (line + b"\r", b"\n" + lines), (line + end, lines)):
        await connection.send(segments[0])
        assert wire.hits == hits
        await connection.send(segments[1])
        hits += 1
        assert wire.hits == hits
    assert [answer.status for answer in connection.answers()] == [200] * 6


async def test_a_hit_leaves_the_parser_ready_for_the_next_message() -> None:
    """Trap 1: a naive hit is followed by a second answer, 400."""
    wire = Wire()
    await wire.warm(get())
    connection = await wire.connect().send(get())
    assert wire.hits == 1 + 1  # the second of the warming, and this
    assert [answer.status for answer in connection.answers()] == [200]
    await connection.send(_ECHO, get(LOST), get())
    assert [answer.status for answer in connection.answers()] == [200, 200, 404, 200]
    assert not connection.closed


async def test_a_hit_arms_no_timer_that_could_cut_a_slow_answer() -> None:
    """Trap 2: a hit's keep-alive timer closed the connection in the middle of the miss behind it."""
    wire = Wire()
    await wire.warm(get())
    connection = await wire.connect().send(get() + get(SLOW))
    assert connection.protocol.timeout_keep_alive_task is None
    wire.clock.shift(500.0)
    connection.protocol.sweep(wire.clock.monotonic())
    assert not connection.closed
    wire.vendor.release()
    await connection.send()
    assert [answer.status for answer in connection.answers()] == [200, 200]


async def test_a_hit_behind_a_pending_miss_waits_for_it() -> None:
    """Trap 3: order. It is then answered like any hit."""
    wire = Wire()
    await wire.warm(get())
    connection = await wire.connect().send(get(SLOW), get(), get())
    assert connection.output == b""
    wire.vendor.release()
    await connection.send()
    bodies = [answer.body for answer in connection.answers()]
    assert len(bodies) == 3
    assert bodies[0] != bodies[1] == bodies[2]


async def test_nothing_is_answered_while_the_client_does_not_read() -> None:
    """Trap 4: a client that never reads makes buffers grow."""
    wire = Wire()
    await wire.warm(get())
    connection = await wire.connect().send(get(), get(), get())
    connection.transport.stalled = True
    for _ in range(2_000):
        await connection.send(get())
    assert connection.transport.unsent < 2 * connection.transport.HIGH
    assert not connection.transport.reading
    answered = len(connection.answers())
    connection.transport.drained()
    await connection.send()
    assert len(connection.answers()) > answered


ORDERS = [order for length in range(1, 5) for order in product(("hit", "slow", "head", "lost", "post"), repeat=length)]
MESSAGES = {
    "hit": get(),
    "slow": get(SLOW),
    "head": get(method="HEAD"),
    "lost": get(LOST),
    "post": _ECHO,
}
STATUSES = {"hit": 200, "slow": 200, "head": 200, "lost": 404, "post": 200}


@pytest.mark.parametrize("length", [1, 2, 3, 4])
async def test_every_order_of_pipelined_messages_keeps_its_order(length: int) -> None:
    """All sequences up to four in one segment: answers come in the order asked, each whole, none twice."""
    wire = Wire()
    await wire.warm(get(), get(LOST), get(method="HEAD"))
    expected: dict[str, bytes] = {}
    for name, raw in MESSAGES.items():
        connection = await wire.connect().send(raw)
        wire.vendor.release()
        await connection.send()
        expected[name] = connection.answers("HEAD" if name == "head" else "GET")[0].body
    for order in (order for order in ORDERS if len(order) == length):
        connection = await wire.connect().send(b"".join(MESSAGES[name] for name in order))
        while wire.vendor.held:
            wire.vendor.release()
            await connection.send()
        methods = ["HEAD" if name == "head" else "GET" for name in order]
        answers = parse_answers(connection.output, methods)
        assert [answer.status for answer in answers] == [STATUSES[name] for name in order], order
        assert [answer.body for answer in answers] == [expected[name] for name in order], order
        assert not connection.closed


async def test_two_header_blocks_may_take_turns() -> None:
    """Remembering one block per connection costs the other speed only."""
    wire = Wire()
    await wire.warm(get())
    connection = wire.connect()
    for _ in range(4):
        await connection.send(get(), get(HIT, "X-Other: 1"))
    assert len(connection.answers()) == 8
