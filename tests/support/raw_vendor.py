"""A vendor of raw sockets on loopback that behaves as badly as a test wants."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import socket
import ssl
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

Script = Callable[["Talk"], Awaitable[None]]


class Talk:
    """One request that arrived, and the means to answer it."""

    def __init__(self, head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.head = head
        self.reader = reader
        self.writer = writer

    def header(self, name: str) -> str | None:
        for line in self.head.decode("latin-1").split("\r\n")[1:]:
            key, _, value = line.partition(":")
            if key.lower() == name.lower():
                return value.strip()
        return None

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def answer(self, body: bytes = b'{"status":"OK"}', status: str = "200 OK", **headers: str) -> None:
        """Send a well-formed answer; `content_type` and others as keyword arguments."""
        fields = {"content_type": "application/json", "content_length": str(len(body)), **headers}
        lines = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in fields.items())
        await self.send(f"HTTP/1.1 {status}\r\n{lines}\r\n".encode() + body)

    def reset(self) -> None:
        """End the connection with a reset instead of a goodbye."""
        raw = self.writer.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()


class RawVendor:
    """Counts connections and requests; plays the next of `scripts` while there are any, then `script`, per request."""

    def __init__(self, script: Script) -> None:
        self.script = script
        self.scripts: list[Script] = []
        self.connections = 0
        self.open = 0
        self.most_open = 0
        self.heads: list[bytes] = []
        self.port = 0
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def requests(self) -> int:
        return len(self.heads)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self.connections += 1
        self.open += 1
        self.most_open = max(self.most_open, self.open)
        try:
            with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
                while True:
                    head = await reader.readuntil(b"\r\n\r\n")
                    self.heads.append(head)
                    script = self.scripts.pop(0) if self.scripts else self.script
                    await script(Talk(head, reader, writer))
                    if writer.transport.is_closing():
                        return
        finally:
            self.open -= 1
            self._tasks.discard(task)
            writer.transport.abort()

    async def close(self) -> None:
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


@asynccontextmanager
async def raw_vendor(
    script: Script, address: str = "127.0.0.1", tls: ssl.SSLContext | None = None
) -> AsyncIterator[RawVendor]:
    """Serve on a free port of loopback."""
    vendor = RawVendor(script)
    server = await asyncio.start_server(vendor.serve, address, 0, ssl=tls)
    vendor.port = server.sockets[0].getsockname()[1]
    try:
        yield vendor
    finally:
        server.close()
        await vendor.close()


async def good(talk: Talk) -> None:
    await talk.answer()


async def hang(talk: Talk) -> None:
    """Say nothing until the asker leaves."""
    await talk.reader.read()
    talk.writer.close()


def answering(body: bytes = b'{"status":"OK"}', status: str = "200 OK", **headers: str) -> Script:
    """Return a script that always answers this."""

    async def script(talk: Talk) -> None:
        await talk.answer(body, status, **headers)

    return script


def sending(data: bytes, then: str = "close") -> Script:
    """Return a script that sends raw bytes and then closes, resets, hangs or stays for the next request."""

    async def script(talk: Talk) -> None:
        await talk.send(data)
        if then == "close":
            talk.writer.close()
        elif then == "reset":
            await asyncio.sleep(0.02)  # let the bytes arrive: a reset would discard them
            talk.reset()
        elif then == "hang":
            await asyncio.Event().wait()

    return script


def bomb(mebibytes: int) -> bytes:
    """Return that much nothing, compressed."""
    return gzip.compress(b" " * (mebibytes * 1024 * 1024), 9)
