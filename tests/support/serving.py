"""A real server on a real socket around the wire harness, in this process or in one of its own.

As a program (`python -m tests.support.serving LAME_FOR LINGER_FOR FINISH_FOR`): prints its port, serves until told to
leave. It runs on uvloop, as the service does.
"""

from __future__ import annotations

import asyncio
import socket
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from unittest import mock

from stock_service.base.clock import SystemClock
from stock_service.web.listener import bind
from stock_service.web.server import Server, ServerSettings, make_server, serve
from stock_service.web.watchdog import WatchdogSettings
from tests.support import wire as harness
from tests.support.wire import Wire, get


@dataclass(slots=True)
class Serving:
    """A running server and the harness behind it."""

    wire: Wire
    server: Server
    port: int
    left: list[int]
    ended: asyncio.Task[None]


async def until(condition: Callable[[], bool]) -> None:
    """Wait for what other tasks or the kernel bring about."""
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110 - what is waited for has no event
            await asyncio.sleep(0.002)


@asynccontextmanager
async def serving(settings: ServerSettings, wire: Wire | None = None) -> AsyncIterator[Serving]:
    """Serve in this process on a free port; the clock is the wire's."""
    wire = wire or Wire()
    listening = bind(settings.host, settings.port)
    server = make_server(
        wire.app, settings, wire.protocol_class, clock=wire.clock, drain=wire.drain, observer=wire.observer
    )
    left: list[int] = []
    server._leave = left.append
    port = listening.getsockname()[1]
    task = asyncio.get_running_loop().create_task(
        serve(server, listening, clock=wire.clock, observer=wire.observer, watchdog=WatchdogSettings(look_every=0.01))
    )
    await until(lambda: server.started)
    try:
        yield Serving(wire, server, port, left, task)
    finally:
        server.should_exit = True
        wire.vendor.release()
        await asyncio.wait_for(task, 10)


class Client:
    """A plain HTTP client on one connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    @classmethod
    async def open(cls, port: int) -> Client:
        return cls(*await asyncio.open_connection("127.0.0.1", port))

    async def send(self, raw: bytes) -> None:
        self.writer.write(raw)
        await self.writer.drain()

    async def read(self, *, method: str = "GET") -> tuple[int, dict[str, str], bytes]:
        """Return one response; IncompleteReadError when the connection ends first."""
        head = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        status_line, *lines = head.split("\r\n")
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines if line)}
        status = int(status_line.split(" ")[1])
        bodiless = method == "HEAD" or status in (204, 304)
        body = b"" if bodiless else await self.reader.readexactly(int(headers["content-length"]))
        return status, headers, body

    async def ask(self, raw: bytes, *, method: str = "GET") -> tuple[int, dict[str, str], bytes]:
        await self.send(raw)
        return await self.read(method=method)

    async def ended(self) -> bool:
        """Wait for the server to close, and say whether nothing came before."""
        return await self.reader.read() == b""

    async def close(self) -> None:
        self.writer.close()
        with suppress(OSError):
            await self.writer.wait_closed()


async def _serve_alone(settings: ServerSettings) -> None:
    with mock.patch.object(harness, "ManualClock", SystemClock):
        wire = Wire()
    listening: socket.socket = bind(settings.host, settings.port)
    server = make_server(
        wire.app, settings, wire.protocol_class, clock=wire.clock, drain=wire.drain, observer=wire.observer
    )
    await wire.warm(get())
    task = asyncio.get_running_loop().create_task(serve(server, listening, clock=wire.clock, observer=wire.observer))
    await until(lambda: server.started)
    print(listening.getsockname()[1], flush=True)
    await task
    print("aborted", server.aborted, flush=True)


def main() -> None:
    """Run on uvloop until told to leave."""
    import uvloop

    lame_for, linger_for, finish_for = map(float, sys.argv[1:4])
    settings = ServerSettings(port=0, lame_for=lame_for, linger_for=linger_for, finish_for=finish_for)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve_alone(settings))


if __name__ == "__main__":
    main()
