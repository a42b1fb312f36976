"""Leaving without losing a request, on real sockets."""

from __future__ import annotations

import asyncio
import re
import signal
import socket
import sys

import pytest

from stock_service.base.events import DrainFinished, DrainStarted
from stock_service.web.drain import Drain
from stock_service.web.listener import HANDSHAKE_FOR, accept_waiting, bind, turn_newcomers_away
from stock_service.web.server import EXIT_INTERRUPTED, EXIT_TERMINATED, ServerSettings
from tests.support.clock import settle
from tests.support.corpus import head
from tests.support.serving import Client, Serving, serving, until
from tests.support.wire import HIT, KEY, LOST, SLOW, get

_QUICK = ServerSettings(port=0, lame_for=5.0, linger_for=0.05, finish_for=5.0)


async def _leave(running: Serving) -> None:
    """End the lame time."""
    await running.wire.clock.advance(_QUICK.lame_for + HANDSHAKE_FOR)
    await until(lambda: all(not each.is_serving() for each in running.server.servers))


async def test_a_hit_on_a_real_socket_is_whole() -> None:
    """GET, HEAD, 304 and 404, each taught first."""
    async with serving(_QUICK) as running:
        client = await Client.open(running.port)
        etag = ""
        for _ in range(3):
            status, headers, body = await client.ask(get())
            assert (status, len(body)) == (200, int(headers["content-length"]))
            etag = headers["etag"]
            assert (await client.ask(get(method="HEAD"), method="HEAD"))[0] == 200
            assert (await client.ask(get(HIT, f"If-None-Match: {etag}")))[0] == 304
            assert (await client.ask(get(LOST)))[0] == 404
        assert running.wire.hits == 9
        await client.close()


async def test_while_lame_every_answer_says_close_and_listening_goes_on() -> None:
    """Hits and misses alike; the connection ends after each."""
    async with serving(_QUICK) as running:
        await running.wire.warm(get())
        kept = await Client.open(running.port)
        for _ in range(3):
            await kept.ask(get())
        running.server.begin_drain("SIGTERM")
        assert running.wire.observer.count(DrainStarted) == 1
        for client in (kept, await Client.open(running.port), await Client.open(running.port)):
            status, headers, _ = await client.ask(get())
            assert (status, headers["connection"]) == (200, "close")
            assert await client.ended()
            await client.close()


@pytest.mark.parametrize("version", ["1.1", "1.0"])
async def test_a_request_under_way_at_the_signal_is_told_close_too(version: str) -> None:
    """Else its client asks again on a connection that will soon be closed as idle."""
    async with serving(_QUICK) as running:
        client = await Client.open(running.port)
        await client.send(get(SLOW, "Connection: keep-alive").replace(b"HTTP/1.1", f"HTTP/{version}".encode()))
        await until(lambda: bool(running.wire.vendor.held))
        running.server.begin_drain("SIGTERM")
        running.wire.vendor.release()
        whole = await asyncio.wait_for(client.reader.read(), 20)  # to the end, which comes by itself
        assert whole.startswith(b"HTTP/1.1 200 ")
        assert re.findall(rb"\r\nconnection: ([a-z-]+)", whole) == [b"close"]
        await client.close()


async def test_a_connection_that_only_looks_idle_is_still_answered() -> None:
    """Its request was in the socket when listening ended; stock uvicorn loses one on every busy connection."""
    slow_to_close = ServerSettings(port=0, lame_for=5.0, linger_for=2.0, finish_for=5.0)
    async with serving(slow_to_close) as running:
        client = await Client.open(running.port)
        await client.ask(get())
        running.server.begin_drain("SIGTERM")
        await _leave(running)
        with pytest.raises(ConnectionRefusedError):
            await Client.open(running.port)
        status, headers, _ = await client.ask(get())
        assert (status, headers["connection"]) == (200, "close")
        assert await client.ended()
        await client.close()


async def test_a_request_the_loop_has_not_read_yet_keeps_its_connection() -> None:
    """A busy loop looks at its clock before its sockets; closing over unread bytes resets the connection."""
    patient = ServerSettings(port=0, lame_for=5.0, linger_for=5.0, finish_for=5.0)
    async with serving(patient) as running:
        client = await Client.open(running.port)
        await client.ask(get())
        running.server.begin_drain("SIGTERM")
        await _leave(running)
        [connection] = running.server.connections
        client.writer.write(get())  # goes out at once, and the loop gets no turn before its clock says: close
        connection._close_if_idle(0.0)
        assert not connection.transport.is_closing()
        status, headers, _ = await client.read()
        assert (status, headers["connection"]) == (200, "close")
        await client.close()


def _has_address(host: str) -> bool:
    try:
        bind(host, 0).close()
    except OSError:
        return False
    return True


_NO_IPV6 = pytest.mark.skipif(not _has_address("::1"), reason="this machine has no IPv6 loopback")


@pytest.mark.parametrize("host", ["127.0.0.1", pytest.param("::1", marks=_NO_IPV6)])
async def test_newcomers_are_turned_away_and_whoever_waits_is_answered(host: str) -> None:
    """Before listening ends: a connection in the kernel's queue would be reset with its request."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with bind(host, 0) as listening, socket.socket(family) as waits, socket.socket(family) as late:
        listening.listen()
        waits.connect(listening.getsockname())
        turn_newcomers_away(listening)
        late.settimeout(0.1)
        with pytest.raises(TimeoutError):
            late.connect(listening.getsockname())
        [accepted] = accept_waiting(listening)
        with accepted:
            waits.sendall(b"?")
            accepted.setblocking(True)
            assert accepted.recv(1) == b"?"
        assert list(accept_waiting(listening)) == []


async def test_an_idle_connection_ends_after_its_moment() -> None:
    """Without a byte."""
    async with serving(_QUICK) as running:
        client = await Client.open(running.port)
        await client.ask(get())
        running.server.begin_drain("SIGTERM")
        await _leave(running)
        assert await client.ended()
        await client.close()
        await running.ended
        assert running.server.aborted == 0


async def test_what_is_under_way_is_finished() -> None:
    """However late it was asked."""
    async with serving(_QUICK) as running:
        client = await Client.open(running.port)
        await client.send(get(SLOW))
        await until(lambda: bool(running.wire.vendor.held))
        running.server.begin_drain("SIGTERM")
        await _leave(running)
        running.wire.vendor.release()
        status, headers, _ = await client.read()
        assert (status, headers["connection"]) == (200, "close")
        await client.close()
        await running.ended
        [finished] = [event for event in running.wire.observer.events if isinstance(event, DrainFinished)]
        assert finished.aborted == 0


async def test_what_takes_too_long_is_cut_off_and_counted() -> None:
    """After `finish_for`; the client sees the end of the connection."""
    hasty = ServerSettings(port=0, lame_for=5.0, linger_for=0.0, finish_for=0.05)
    async with serving(hasty) as running:
        client = await Client.open(running.port)
        await client.send(get(SLOW))
        await until(lambda: bool(running.wire.vendor.held))
        running.server.begin_drain("SIGTERM")
        await _leave(running)
        await running.ended
        assert running.server.aborted == 1
        with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
            await client.read()
        await client.close()


async def test_the_second_signal_ends_the_process_at_once() -> None:
    """With the code of the signal."""
    async with serving(_QUICK) as running:
        running.server.handle_exit(signal.SIGTERM, None)
        await settle()
        assert running.wire.drain.started
        assert running.left == []
        running.server.handle_exit(signal.SIGTERM, None)
        running.server.handle_exit(signal.SIGINT, None)
        assert running.left == [EXIT_TERMINATED, EXIT_INTERRUPTED]


def test_a_drain_starts_once_and_tells_everyone_in_order() -> None:
    """Readiness first, background work next."""
    told: list[str] = []
    drain = Drain()
    drain.on_start(lambda: told.append("first"))
    drain.on_start(lambda: told.append("second"))
    drain.start()
    drain.start()
    assert told == ["first", "second"]


def test_a_taken_port_is_an_error_of_the_caller() -> None:
    """Not a message and an exit from inside a library."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(OSError, match="in use"):
            bind("127.0.0.1", taken.getsockname()[1])


class _Load:
    """Clients that ask in a closed loop and connect again whenever they are told to close."""

    def __init__(self, port: int, raw: bytes) -> None:
        self._port = port
        self._raw = raw
        self.answered = self.lost = self.refused = 0

    async def run(self) -> None:
        while True:
            try:
                client = await Client.open(self._port)
            except ConnectionRefusedError:
                self.refused += 1
                return
            try:
                await self._ask_on(client)
            except (ConnectionError, asyncio.IncompleteReadError):
                self.lost += 1
            finally:
                await client.close()

    async def _ask_on(self, client: Client) -> None:
        while True:
            status, headers, _ = await client.ask(self._raw)
            assert status == 200
            self.answered += 1
            if headers.get("connection") == "close":
                return


async def test_a_signal_under_load_loses_nothing() -> None:
    """A process of its own, on uvloop, forty clients that never pause; then it is gone with code 0."""
    command = [sys.executable, "-m", "tests.support.serving", "0.4", "0.3", "5"]
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    assert process.stdout is not None
    port = int(await process.stdout.readline())
    hits = _Load(port, get())
    others = _Load(port, head(f"GET {HIT} HTTP/1.1", "Host: gateway", f"Authorization: Bearer {KEY}", "Range: x"))
    clients = [asyncio.ensure_future(load.run()) for load in (hits, others) for _ in range(20)]
    await until(lambda: hits.answered >= 2_000)
    process.send_signal(signal.SIGTERM)
    await asyncio.wait_for(asyncio.gather(*clients), 20)
    assert await asyncio.wait_for(process.wait(), 20) == 0
    assert (hits.lost, others.lost) == (0, 0)
    assert hits.refused + others.refused == 40
    assert (await process.stdout.read()).split() == [b"aborted", b"0"]
