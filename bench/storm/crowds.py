"""Clients that hold connections: silent ones, slow ones, floods that never read, and a shutdown among busy ones."""

from __future__ import annotations

import asyncio
import contextlib
import resource
import signal

from bench.storm.gateway import GatewayProcess, pause
from bench.storm.herds import Outcome
from bench.storm.load import make_load
from stock_service.base.clock import SystemClock
from stock_service.simulator.server import Simulator

_MIB = 2**20
_PATH = "/v2/aggs/ticker/CROWD/range/1/day/2024-01-02/2024-01-05"
_GET = f"GET {_PATH} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode()
_FLOOD_GROWTH_MAX = 24 * _MIB  # of the whole process, for a client that sends 8 MiB of requests and reads nothing
_IDLE_BYTES_MAX = 15 * 1024
_clock = SystemClock()

Stream = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def run_crowds(simulator: Simulator, idle: int, rounds: int) -> list[Outcome]:
    """Run every crowd; `idle` connections are opened, as far as this process may."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    gateway = await GatewayProcess.start(simulator.url)
    try:
        outcomes = [
            await _idle(gateway, min(idle, hard - 500)),
            *await asyncio.gather(_slow_heads(gateway), _flood(gateway)),
        ]
    finally:
        await gateway.stop()
    return [*outcomes, await _leave_busy(simulator, rounds)]


async def _open(gateway: GatewayProcess) -> Stream:
    return await asyncio.open_connection("127.0.0.1", gateway.port)


async def _idle(gateway: GatewayProcess, count: int) -> Outcome:
    """Silent connections cost little, do not slow anyone, and are closed when their time is over."""
    before = gateway.footprint()
    streams: list[Stream] = []
    for start in range(0, count, 500):
        streams += await asyncio.gather(*(_open(gateway) for _ in range(min(500, count - start))))
    grown = (gateway.footprint().resident_bytes - before.resident_bytes) / max(1, count)
    async with make_load(gateway.url, 1) as load:
        slowest = max([(await load.ask(_PATH)).seconds for _ in range(50)][1:])
    began = _clock.monotonic()
    while gateway.footprint().files > before.files + 10 and _clock.monotonic() - began < 30:
        await pause(0.2)
    left = max(0, gateway.footprint().files - before.files)
    for _, writer in streams:
        writer.close()
    seen = f"{count}: {grown / 1024:.1f} KiB each, a hit meanwhile at most {slowest * 1e3:.0f} ms, {left} left open"
    kept = grown <= _IDLE_BYTES_MAX and left <= 10
    return Outcome("silent connections", seen, "" if kept else "silent connections")


async def _slow_heads(gateway: GatewayProcess) -> Outcome:
    """A head that never ends is given up when its time is over, however regularly bytes arrive."""

    async def drip() -> float:
        reader, writer = await _open(gateway)
        began = _clock.monotonic()
        with contextlib.suppress(OSError):
            writer.write(b"GET / HTTP/1.1\r\nX-Slow: ")
            while not reader.at_eof() and _clock.monotonic() - began < 20:
                writer.write(b"a")
                await writer.drain()
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(0.3):
                        await reader.read()
        return _clock.monotonic() - began

    lasted = await asyncio.gather(*(drip() for _ in range(100)))
    seen = f"100 clients, a byte every 0.3 s: closed after {min(lasted):.1f} to {max(lasted):.1f} s (limit 3 s)"
    return Outcome("slow heads", seen, "" if max(lasted) < 6 else "slow heads")


async def _flood(gateway: GatewayProcess) -> Outcome:
    """A client that sends without end and never reads must not make us grow."""
    before = gateway.footprint().resident_bytes
    _, writer = await _open(gateway)
    sent = 0
    with contextlib.suppress(TimeoutError, OSError):
        async with asyncio.timeout(5):
            while sent < 8 * _MIB:
                writer.write(_GET * 100)
                sent += len(_GET) * 100
                await writer.drain()
    grown = gateway.footprint().resident_bytes - before
    writer.transport.abort()
    seen = f"{sent / _MIB:.1f} MiB of requests pushed, nothing read: grown by {grown / _MIB:.1f} MiB"
    return Outcome("flood", seen, "" if grown <= _FLOOD_GROWTH_MAX else "flood")


async def _leave_busy(simulator: Simulator, rounds: int) -> Outcome:
    """SIGTERM under 100 busy keep-alive connections: every request that was sent is answered."""
    asked = lost = 0
    codes = []
    for _ in range(rounds):
        gateway = await GatewayProcess.start(simulator.url)
        clients = [asyncio.create_task(_ask_until_closed(gateway)) for _ in range(100)]
        await pause(0.5)
        gateway.tell(signal.SIGTERM)
        for answered, cut in await asyncio.gather(*clients):
            asked, lost = asked + answered, lost + cut
        codes.append(await gateway.ended(30))
    seen = f"{rounds} rounds, {asked} requests, {lost} lost, exit codes {sorted(set(codes))}"
    return Outcome("SIGTERM among busy clients", seen, "" if lost == 0 and set(codes) == {0} else "SIGTERM")


async def _ask_until_closed(gateway: GatewayProcess) -> tuple[int, int]:
    """Ask on one connection until an answer says that it closes; return how many were answered, how many lost."""
    reader, writer = await _open(gateway)
    answered = 0
    try:
        while True:
            writer.write(_GET)
            head = (await reader.readuntil(b"\r\n\r\n")).lower()
            length = int(head.split(b"content-length: ")[1].split(b"\r\n")[0])
            await reader.readexactly(length)
            answered += 1
            if b"connection: close" in head:
                return answered, 0
    except (asyncio.IncompleteReadError, OSError):
        return answered, 1
    finally:
        writer.close()
