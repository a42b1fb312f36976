"""What a connection knows of its two ends, on real sockets: the same as uvicorn finds out at greater cost."""

from __future__ import annotations

import asyncio
import gc
import weakref
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
import uvloop
from uvicorn.protocols.utils import get_local_addr, get_remote_addr

from stock_service.web.guard_ends import Ends, ends_of
from tests.support.wire import HIT, Wire, get

Dial = Callable[[Path], Awaitable[Ends]]


class _Listening(asyncio.Protocol):
    """Takes one connection, looks at its ends, and again when the client has gone."""

    def __init__(self) -> None:
        self.seen: asyncio.Future[Ends] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: Any) -> None:  # uvloop's own class
        self.transport, self.uvicorns = transport, (get_local_addr(transport), get_remote_addr(transport))

    def connection_lost(self, exc: Exception | None) -> None:
        self.seen.set_result(ends_of(self.transport))


async def _by_tcp(_folder: Path, host: str = "127.0.0.1") -> Ends:
    taken = _Listening()
    server = await asyncio.get_running_loop().create_server(lambda: taken, host, 0)
    local = server.sockets[0].getsockname()
    _, writer = await asyncio.open_connection(*local[:2])
    peer = writer.get_extra_info("sockname")
    writer.close()
    ends = await asyncio.wait_for(taken.seen, 10.0)
    server.close()
    assert (ends.server, ends.client) == taken.uvicorns
    assert (ends.server, ends.client, ends.scheme) == (tuple(local[:2]), tuple(peer[:2]), "http")
    return ends


async def _by_tcp6(folder: Path) -> Ends:
    return await _by_tcp(folder, "::1")


async def _by_path(folder: Path) -> Ends:
    taken, path = _Listening(), str(folder / "socket")
    server = await asyncio.get_running_loop().create_unix_server(lambda: taken, path)
    _, writer = await asyncio.open_unix_connection(path)
    writer.close()
    ends = await asyncio.wait_for(taken.seen, 10.0)
    server.close()
    assert (ends.server, ends.client) == taken.uvicorns
    assert (ends.server, ends.client, ends.scheme) == ((path, None), None, "http")
    return ends


@pytest.mark.parametrize("dial", [_by_tcp, _by_tcp6, _by_path])
@pytest.mark.parametrize("loop_factory", [uvloop.new_event_loop, asyncio.new_event_loop])
def test_the_ends_are_those_uvicorn_sees(
    dial: Dial, loop_factory: Callable[[], asyncio.AbstractEventLoop], tmp_path: Path
) -> None:
    """Over IPv4, IPv6 and a socket in the file system, on both loops, and when the client has gone."""
    with asyncio.Runner(loop_factory=loop_factory) as runner:
        runner.run(dial(tmp_path))  # type: ignore[arg-type]  # all of them are coroutines


async def test_a_connection_that_only_had_hits_is_gone_when_it_is_over() -> None:
    """Without waiting for the collector of cycles: with a connection for each request that is a tenth of the work."""
    wire = Wire()
    await wire.warm(get())
    gc.collect()
    gc.disable()
    try:
        connection = await wire.connect().send(get(HIT, "Connection: close"))
        left = weakref.ref(connection.protocol)
        connection.protocol.connection_lost(None)
        del connection.transport._protocol
        del connection
        assert left() is None
    finally:
        gc.enable()
