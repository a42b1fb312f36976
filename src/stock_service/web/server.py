"""Listens, serves until told to leave, and leaves without losing a request.

Leaving (measured: stock uvicorn loses a request on every busy connection): first everyone is told, and for
`lame_for` seconds we listen on while every answer carries `Connection: close`; then listening ends (`listener`),
connections that merely look idle get a moment because a request may already be in their socket, and what is under way
is finished, up to `finish_for`. A second signal ends the process at once.
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from types import FrameType
from typing import Any

import uvicorn

from stock_service.base.clock import Clock
from stock_service.base.events import DrainFinished, DrainStarted, Observer
from stock_service.web.drain import Drain
from stock_service.web.guard_connection import GuardedConnection
from stock_service.web.guard_sweeper import Sweeper
from stock_service.web.listener import BACKLOG, HANDSHAKE_FOR, accept_waiting, turn_newcomers_away
from stock_service.web.watchdog import Heartbeat, Watchdog, WatchdogSettings

EXIT_TERMINATED = 1
EXIT_INTERRUPTED = 130


@dataclass(frozen=True, slots=True)
class ServerSettings:
    """Where to listen and how to leave. Seconds; the pod's grace period must exceed their sum."""

    host: str = "127.0.0.1"
    port: int = 8080  # 0: any free one
    lame_for: float = 5.0  # listening on after the signal: routers learn of it later than we do
    linger_for: float = 1.0
    finish_for: float = 15.0


class Server(uvicorn.Server):
    """uvicorn's server with our way of leaving."""

    def __init__(
        self,
        config: uvicorn.Config,
        settings: ServerSettings,
        *,
        clock: Clock,
        drain: Drain,
        observer: Observer,
        leave: Callable[[int], None] = os._exit,
    ) -> None:
        super().__init__(config)
        self._settings = settings
        self._clock = clock
        self._drain = drain
        self._observer = observer
        self._leave = leave
        self._leaving: asyncio.Task[None] | None = None
        self._drained_at = 0.0
        self._listening: list[socket.socket] = []
        self._loop: asyncio.AbstractEventLoop | None = None
        self.aborted = 0

    @property
    def connections(self) -> list[GuardedConnection]:
        """The open connections."""
        return [each for each in self.server_state.connections if isinstance(each, GuardedConnection)]

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to listen."""
        self._loop = asyncio.get_running_loop()
        self._listening = sockets or []
        await super().startup(sockets)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Begin to leave on the first signal; on the second be gone."""
        if self._drain.started or self._loop is None:
            self._leave(EXIT_INTERRUPTED if sig == signal.SIGINT else EXIT_TERMINATED)
            return
        self._loop.call_soon_threadsafe(self.begin_drain, signal.Signals(sig).name)

    def begin_drain(self, reason: str) -> None:
        """Start leaving; a second call changes nothing."""
        if self._drain.started:
            return
        self._drained_at = self._clock.monotonic()
        self._drain.start()
        for connection in self.connections:
            connection.note_drain()
        self._observer.notify(DrainStarted(reason))
        self._leaving = asyncio.get_running_loop().create_task(self._leave_later())

    async def _leave_later(self) -> None:
        await self._clock.sleep(self._settings.lame_for)
        for listening in self._listening:
            turn_newcomers_away(listening)
        await self._clock.sleep(HANDSHAKE_FOR)
        self.should_exit = True

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End listening, finish what is under way, cut off what takes too long."""
        accepted = [waiting for listening in self._listening for waiting in accept_waiting(listening)]
        for server in self.servers:
            server.close()
        loop = asyncio.get_running_loop()
        await asyncio.gather(
            *(loop.connect_accepted_socket(self._make_protocol, waiting) for waiting in accepted),
            return_exceptions=True,  # a client that is gone again is no concern of the others
        )
        for connection in self.connections:
            connection.leave(self._settings.linger_for)
        with suppress(TimeoutError):
            async with asyncio.timeout(self._settings.linger_for + self._settings.finish_for):
                await self._wait_tasks_to_complete()
        self.aborted = len(self.server_state.tasks)
        for task in self.server_state.tasks:
            task.cancel()
        for connection in self.connections:
            connection.transport.abort()
        self._observer.notify(DrainFinished(self._clock.monotonic() - self._drained_at, self.aborted))

    def _make_protocol(self) -> asyncio.Protocol:
        protocol: Any = self.config.http_protocol_class
        made: asyncio.Protocol = protocol(self.config, self.server_state, self.lifespan.state)
        return made


def make_server(
    app: Any,
    settings: ServerSettings,
    protocol: type[GuardedConnection],
    *,
    clock: Clock,
    drain: Drain,
    observer: Observer,
) -> Server:
    """Return a server for the ASGI application `app` on connections of class `protocol`."""
    config = uvicorn.Config(
        app,
        http=protocol,
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        date_header=False,
        proxy_headers=False,
        backlog=BACKLOG,
    )
    return Server(config, settings, clock=clock, drain=drain, observer=observer)


async def serve(
    server: Server,
    listening: socket.socket,
    *,
    clock: Clock,
    observer: Observer,
    watchdog: WatchdogSettings | None = None,
    heartbeat: Heartbeat | None = None,
) -> None:
    """Serve on the bound socket `listening` until the drain has ended. Closes the socket.

    Args:
        heartbeat: to read the loop's lag from; made here when not given.
    """
    settings = watchdog or WatchdogSettings()
    beating = heartbeat or Heartbeat(clock, observer, settings)
    dog = Watchdog(beating, settings)
    sweeper = Sweeper(lambda: server.connections, clock, observer)
    loop = asyncio.get_running_loop()
    running = [loop.create_task(beating.run()), loop.create_task(sweeper.run())]
    dog.start()
    try:
        await server.serve([listening])
    finally:
        dog.stop()
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
        listening.close()
