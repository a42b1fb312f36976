"""An answer that leaves in one piece is, on the wire, what uvicorn would have sent of it in two."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

from stock_service.web.guard_cycle import GuardedCycle

LENGTH = (b"content-length", b"5")
BODY = b"hello"
PLAIN = {"type": "http.response.start", "status": 200, "headers": [LENGTH]}

NAMES = st.sampled_from(
    [b"content-length", b"Content-Length", b"transfer-encoding", b"connection", b"x-y", b"a:b", b""]
)
VALUES = st.sampled_from([b"5", b"0", b"4", b"chunked", b"close", b"keep-alive", b"a\r\nb: c", b"\0", b"\xe9 \t", b""])
MESSAGES = st.lists(
    st.one_of(
        st.fixed_dictionaries(
            {
                "type": st.just("http.response.start"),
                "status": st.sampled_from([200, 204, 304, 404, 503]),
                "headers": st.lists(st.one_of(st.just(LENGTH), st.tuples(NAMES, VALUES)), max_size=3),
            }
        ),
        st.fixed_dictionaries(
            {"type": st.just("http.response.body")},
            optional={"body": st.sampled_from([BODY, b"", b"x" * 20_000]), "more_body": st.booleans()},
        ),
    ),
    max_size=3,
)
"""What an application may send, in any order; most of it is not plain, and some is no answer at all."""


class Heard:
    """A transport that keeps the writes apart."""

    def __init__(self) -> None:
        self.writes: list[bytes] = []
        self.closed = False

    def write(self, data: bytes) -> None:
        self.writes.append(bytes(data))

    def close(self) -> None:
        self.closed = True

    def is_closing(self) -> bool:
        return self.closed


async def answer(
    kind: type[RequestResponseCycle],
    messages: list[Any],
    *,
    method: str = "GET",
    keep_alive: bool = True,
    default_headers: tuple[tuple[bytes, bytes], ...] = (),
) -> tuple[Heard, RequestResponseCycle, list[str]]:
    """Run an application that sends `messages`; return what it wrote, its cycle, and how its sends ended."""
    heard = Heard()
    transport: Any = heard
    ended: list[str] = []
    cycle = kind(
        scope={"type": "http", "method": method},  # type: ignore[typeddict-item]
        transport=transport,
        flow=FlowControl(transport),
        logger=logging.getLogger("tests.cycle"),
        access_logger=logging.getLogger("tests.cycle"),
        access_log=False,
        default_headers=list(default_headers),
        message_event=asyncio.Event(),
        expect_100_continue=False,
        keep_alive=keep_alive,
        on_response=lambda: ended.append("complete"),
    )

    async def app(scope: Any, receive: Any, send: Any) -> None:
        for message in messages:
            try:
                await send(message)
            except RuntimeError as error:
                ended.append(str(error))
                raise

    await cycle.run_asgi(app)
    return heard, cycle, ended


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    logging.getLogger("tests.cycle").setLevel(logging.CRITICAL)
    yield
    logging.getLogger("tests.cycle").setLevel(logging.NOTSET)


@settings(max_examples=300, deadline=None)
@example(
    messages=[PLAIN, {"type": "http.response.body", "body": BODY}], method="HEAD", keep_alive=True, default_headers=()
)
@given(
    messages=MESSAGES,
    method=st.sampled_from(["GET", "HEAD"]),
    keep_alive=st.booleans(),
    default_headers=st.sampled_from([(), ((b"connection", b"keep-alive"),)]),
)
def test_both_write_the_same_bytes_and_refuse_the_same_messages(messages: list[Any], **how: Any) -> None:
    """Save where nothing follows a head: it is not out yet then."""
    assume([message["type"] for message in messages] != ["http.response.start"])

    async def both() -> None:
        ours, our_cycle, our_end = await answer(GuardedCycle, messages, **how)
        theirs, their_cycle, their_end = await answer(RequestResponseCycle, messages, **how)
        assert b"".join(ours.writes) == b"".join(theirs.writes)
        assert (our_end, ours.closed) == (their_end, theirs.closed)
        assert our_cycle.response_complete == their_cycle.response_complete

    asyncio.run(both())


@pytest.mark.parametrize(("size", "writes"), [(5, 1), (16 * 1024, 1), (16 * 1024 + 1, 2)])
async def test_a_plain_answer_is_one_write_and_a_large_body_is_not_copied_for_it(size: int, writes: int) -> None:
    """The second write is the body itself."""
    start = {"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % size)]}
    heard, cycle, _ = await answer(GuardedCycle, [start, {"type": "http.response.body", "body": b"x" * size}])
    assert len(heard.writes) == writes
    assert cycle.response_complete


@pytest.mark.parametrize("value", [b"a\r\nset-cookie: b", b"a\nb", b"a\0b"])
async def test_a_value_that_would_be_another_line_is_never_written(value: bytes) -> None:
    """The application gets the error uvicorn gives, and the connection ends."""
    start = {"type": "http.response.start", "status": 200, "headers": [LENGTH, (b"x-y", value)]}
    heard, _, ended = await answer(GuardedCycle, [start, {"type": "http.response.body", "body": BODY}])
    assert ended == ["Invalid HTTP header value."]
    assert (heard.writes, heard.closed) == ([], True)


async def test_an_application_that_fails_after_its_head_is_answered_for() -> None:
    """The head had not left yet."""
    heard, _, _ = await answer(GuardedCycle, [PLAIN])
    assert b"".join(heard.writes).startswith(b"HTTP/1.1 500 Internal Server Error\r\n")
