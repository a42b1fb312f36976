"""What a connection keeps of its last request while it is idle: next to nothing, however much the request said."""

from __future__ import annotations

import asyncio
import gc
import tracemalloc

import pytest

from tests.support.wire import HIT, Wire, get

_CONNECTIONS = 20
_KEPT_MAX_BYTES = 10_000  # each, with what the cache has learnt from a miss
_NEW = "/v2/aggs/ticker/NEW{}/prev"


@pytest.mark.parametrize(
    ("target", "version", "fields", "method"),
    [
        (HIT, b"1.1", (), "GET"),
        (HIT, b"1.1", (), "HEAD"),
        (HIT, b"1.0", ("Connection: keep-alive",), "GET"),
        (_NEW, b"1.1", (), "GET"),
    ],
    ids=["hit", "HEAD", "of HTTP/1.0", "miss"],
)
async def test_an_idle_connection_holds_no_long_head(
    target: str, version: bytes, fields: tuple[str, ...], method: str
) -> None:
    """Strangers could otherwise fill the memory with connections that stay: 30 KB of header lines on each."""
    wire = Wire()
    await wire.warm(get())
    connections = [await wire.connect().send(get()) for _ in range(_CONNECTIONS)]
    gc.collect()
    tracemalloc.start()
    try:
        for number, connection in enumerate(connections):
            padding = f"X-Padding: {number:030000}"
            request = get(target.format(number), padding, *fields, method=method).replace(b"1.1", version, 1)
            await connection.send(request, request, request)
            connection.transport.written.clear()
            assert not connection.protocol.waiting
        await asyncio.sleep(0)  # the tasks end
        gc.collect()
        assert tracemalloc.get_traced_memory()[0] < _CONNECTIONS * _KEPT_MAX_BYTES
    finally:
        tracemalloc.stop()
