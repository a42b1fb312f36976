"""What an answer of the shared tier costs: one after another, and many within one turn; a server and the local disk."""

from __future__ import annotations

import asyncio
import statistics
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import uvloop

from bench.machine import LOAD_CORE, find_program, free_port, running
from stock_service.base.clock import SystemClock
from stock_service.base.events import Silent
from stock_service.base.reply import Reply
from stock_service.cache.disk_shelf import DiskSettings, DiskShelf
from stock_service.cache.freshness import Lifetime
from stock_service.cache.server_shelf import ServerShelf
from stock_service.cache.shared import SharedCache, SharedSettings
from stock_service.cache.shared_address import parse_address
from stock_service.cache.shared_client import open_wire
from stock_service.cache.shared_store import SharedStore, StoreSettings

_KEYS = 1_000
_ROUNDS = 5
_PATIENT = 2.0  # seconds: a busy machine must not turn a figure into a miss
_LIFETIME = Lifetime(3_600.0)
_BODIES = {"300 B": 300, "50 kB": 50_000, "1 MB": 1_000_000}
_clock = SystemClock()


def run() -> dict[str, Any]:
    """Read what was written; print and return microseconds and reads a second."""
    return uvloop.run(_run())


async def _run() -> dict[str, Any]:
    found: dict[str, Any] = {}
    print("\nan answer of the shared tier: decoding and checks included")
    print("  tier     answer      alone p50    alone p99   together, each: time    ours of it    a second")
    with tempfile.TemporaryDirectory() as folder:
        if find_program("redis-server") is None:
            print("  server: redis-server is not installed")
        else:
            async with _on_server(Path(folder)) as cache:
                found["server"] = await _measure("server", cache)
        async with _on_disk(Path(folder)) as cache:
            found["disk"] = await _measure("disk", cache)
    return found


async def _measure(tier: str, cache: SharedCache) -> dict[str, Any]:
    rows: dict[str, Any] = {}
    for name, size in _BODIES.items():
        keys = [f"{name} {number}" for number in range(max(10, min(_KEYS, 20_000_000 // size)))]
        body = (b'{"t":1700000000000,"c":187.42,"v":12345},' * (size // 41 + 1))[:size]
        for key in keys:
            cache.put(key, Reply(200, "application/json", body, _clock.monotonic()), _LIFETIME, _clock.monotonic(), "")
            await _written(cache)
        alone = sorted([await _time_one(cache, key) for key in keys])
        together, ours = (
            min(each) for each in zip(*[await _time_all(cache, keys) for _ in range(_ROUNDS)], strict=True)
        )
        rows[name] = {
            "alone_p50_us": statistics.median(alone) * 1e6,
            "alone_p99_us": alone[len(alone) * 99 // 100] * 1e6,
            "together_us": together * 1e6,
            "together_cpu_us": ours * 1e6,
        }
        row = rows[name]
        print(
            f"  {tier:8} {name:8} {row['alone_p50_us']:9.0f} µs {row['alone_p99_us']:9.0f} µs"
            f" {row['together_us']:19.1f} µs {row['together_cpu_us']:10.1f} µs {1e6 / row['together_us']:11,.0f}"
        )
    return rows


async def _time_one(cache: SharedCache, key: str) -> float:
    begun = _clock.monotonic()
    if await cache.find(key) is None:
        raise RuntimeError(f"{key} is not there")
    return _clock.monotonic() - begun


async def _time_all(cache: SharedCache, keys: list[str]) -> tuple[float, float]:
    """Return seconds a read, and seconds of this process's own processor time a read."""
    begun, worked = _clock.monotonic(), time.process_time()
    found = await asyncio.gather(*(cache.find(key) for key in keys))
    took = _clock.monotonic() - begun
    if any(each is None for each in found):
        raise RuntimeError("not all are there")
    return took / len(keys), (time.process_time() - worked) / len(keys)


async def _written(cache: SharedCache) -> None:
    while cache.busy:
        await _clock.sleep(0.0005)


@asynccontextmanager
async def _on_server(folder: Path) -> AsyncIterator[SharedCache]:
    port, program = free_port(), find_program("redis-server") or "redis-server"
    command = (program, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", str(folder))
    with running(*command, core=LOAD_CORE, port=port, log=folder / "store.log"):
        wire = open_wire(parse_address(f"redis://127.0.0.1:{port}"), 10 * _PATIENT, 20)
        store = SharedStore(wire, StoreSettings("bench", answer_for=_PATIENT), _clock, Silent())
        async with _kept(store, ServerShelf(store)) as cache:
            yield cache
        await store.aclose()


@asynccontextmanager
async def _on_disk(folder: Path) -> AsyncIterator[SharedCache]:
    shelf = DiskShelf(DiskSettings(folder, 1 << 30, answer_for=_PATIENT), _clock, Silent())
    async with _kept(shelf, shelf) as cache:
        yield cache
    await shelf.aclose(_PATIENT)


@asynccontextmanager
async def _kept(part: SharedStore | DiskShelf, shelf: ServerShelf | DiskShelf) -> AsyncIterator[SharedCache]:
    keeper = asyncio.create_task(part.keep())
    try:
        while not shelf.up:
            await _clock.sleep(0.01)
        cache = SharedCache(shelf, SharedSettings(), _clock, Silent(), lambda: 0.5)
        yield cache
        await cache.aclose(_PATIENT)
    finally:
        keeper.cancel()
        await asyncio.gather(keeper, return_exceptions=True)
