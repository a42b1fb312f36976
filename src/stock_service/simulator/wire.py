"""The open connection of one call, for answers no HTTP library would send."""

from __future__ import annotations

import socket
import struct
from collections.abc import Awaitable, Callable

from aiohttp import web
from aiohttp.abc import AbstractStreamWriter

from stock_service.base.clock import Clock

Script = Callable[["Wire"], Awaitable[None]]


class Wire:
    """The open connection of one call: bytes as they are, pauses by the clock, ends of every kind."""

    def __init__(self, request: web.BaseRequest, clock: Clock) -> None:
        assert request.transport is not None
        self._transport = request.transport
        self._drain = request.writer.drain
        self._clock = clock

    @property
    def gone(self) -> bool:
        """Whether the caller left."""
        return self._transport.is_closing()

    async def send(self, data: bytes) -> None:
        """Write, wait until there is room for more, let others run. Raises ConnectionError when the caller left."""
        if self.gone:
            raise ConnectionResetError
        self._transport.write(data)
        await self._drain()
        await self._clock.sleep(0)

    async def pause(self, seconds: float) -> None:
        """Wait, or until the caller left."""
        left = seconds
        while left > 0 and not self.gone:
            step = min(left, 1.0)
            await self._clock.sleep(step)
            left -= step

    def close(self) -> None:
        """End the connection in the ordinary way."""
        self._transport.close()

    def reset(self) -> None:
        """End the connection with a reset instead of a goodbye."""
        raw = self._transport.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._transport.abort()


class RawAnswer(web.StreamResponse):
    """An answer whose bytes a script writes itself; the connection ends with it."""

    def __init__(self, script: Script, clock: Clock) -> None:
        super().__init__()
        self.force_close()
        self._script, self._clock = script, clock

    async def prepare(self, request: web.BaseRequest) -> AbstractStreamWriter | None:
        """Let the script write."""
        wire = Wire(request, self._clock)
        try:
            await self._script(wire)
        finally:
            wire.close()
        return None

    async def write_eof(self, data: bytes = b"") -> None:
        """Nothing more: the script wrote everything."""
