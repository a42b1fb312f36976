"""A wire under the test's control between a client and a server on loopback: late, slow, cut, silent or garbled."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Iterator
from contextlib import suppress


class TcpProxy:
    """Passes bytes on to `port`. Its ways may be changed while connections are open.

    `delay` seconds before every piece of an answer; `slice_bytes` and `slice_every` cut answers into pieces; `spoil`
    changes the answers' bytes; `silent` swallows everything; `refuse` closes new connections at once.
    """

    def __init__(self, port: int) -> None:
        self.target = port
        self.delay = 0.0
        self.slice_bytes = 0
        self.slice_every = 0.0
        self.spoil: Callable[[bytes], bytes] | None = None
        self.silent = False
        self.refuse = False
        self.accepted = 0
        self._writers: set[asyncio.StreamWriter] = set()
        self._handlers: set[asyncio.Task[object]] = set()
        self._server: asyncio.Server | None = None

    @property
    def port(self) -> int:
        assert self._server is not None
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}"

    async def __aenter__(self) -> TcpProxy:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        self.cut()
        await asyncio.gather(*self._handlers, return_exceptions=True)

    def cut(self) -> None:
        """Reset every open connection."""
        for writer in self._writers:
            writer.transport.abort()

    def heal(self) -> None:
        """Pass everything on again, as it is."""
        self.delay, self.slice_bytes, self.slice_every, self.spoil = 0.0, 0, 0.0, None
        self.silent = self.refuse = False

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.accepted += 1
        task = asyncio.current_task()
        assert task is not None
        self._handlers.add(task)
        task.add_done_callback(self._handlers.discard)
        if self.refuse:
            writer.transport.abort()
            return
        try:
            onward, back = await asyncio.open_connection("127.0.0.1", self.target)
        except OSError:
            writer.transport.abort()
            return
        pair = {writer, back}
        self._writers |= pair
        try:
            await asyncio.gather(self._pass(reader, back, answers=False), self._pass(onward, writer, answers=True))
        finally:
            self._writers -= pair
            for each in pair:
                each.transport.abort()

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, answers: bool) -> None:
        with suppress(OSError):
            while data := await reader.read(65_536):
                if self.silent:
                    continue
                if not answers:
                    writer.write(data)
                    continue
                if self.delay:
                    await asyncio.sleep(self.delay)
                for piece in self._pieces(data if self.spoil is None else self.spoil(data)):
                    writer.write(piece)
                    await writer.drain()
                    if self.slice_every:
                        await asyncio.sleep(self.slice_every)
        writer.transport.abort()

    def _pieces(self, data: bytes) -> Iterator[bytes]:
        size = self.slice_bytes or len(data)
        yield from (data[at : at + size] for at in range(0, len(data), max(1, size)))


def flip_bits(seed: int, share: float) -> Callable[[bytes], bytes]:
    """Return a spoiler that flips one bit in `share` of the pieces."""
    draw = random.Random(seed)

    def spoil(data: bytes) -> bytes:
        if not data or draw.random() >= share:
            return data
        changed = bytearray(data)
        at = draw.randrange(len(changed) * 8)
        changed[at // 8] ^= 1 << at % 8
        return bytes(changed)

    return spoil
