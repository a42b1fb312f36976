"""The gateway under test: a process of its own, started with short clocks so that a phase fits into seconds."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import aiohttp

from stock_service.base.clock import SystemClock

VENDOR_KEY = "storm-vendor-key"
REQUEST_FOR = 3.0
CALLS_PER_SECOND = 150
# The simulator counts a call when it gets round to it, up to a second late while it shares its core with the load.
COUNTED_OVER = 4.0
CALLS_COUNTED_MAX = int((COUNTED_OVER + 1) * CALLS_PER_SECOND)
STARTS_WITHIN = 60.0

# Shorter than production by about three, in the same proportions.
SETTINGS: Mapping[str, str] = {
    "STOCKS_SERVER__PORT": "0",
    "STOCKS_SERVER__REQUEST_TIMEOUT": f"{REQUEST_FOR:g}s",
    "STOCKS_SERVER__HEADER_TIMEOUT": "3s",
    "STOCKS_SERVER__DRAIN_WAIT": "1s",
    "STOCKS_UPSTREAM__API_KEY": VENDOR_KEY,
    "STOCKS_UPSTREAM__CONNECT_TIMEOUT": "500ms",
    "STOCKS_UPSTREAM__FIRST_BYTE_TIMEOUT": "1200ms",
    "STOCKS_UPSTREAM__IDLE_TIMEOUT": "800ms",
    "STOCKS_UPSTREAM__ATTEMPT_TIMEOUT": "1500ms",
    "STOCKS_QUOTA__CALLS": str(CALLS_PER_SECOND),
    "STOCKS_QUOTA__PER": "1s",
    "STOCKS_QUOTA__MAX_WAIT": "1500ms",
    "STOCKS_BREAKER__SLEEP": "1s",
    "STOCKS_BREAKER__SLEEP_MAX": "4s",
    "STOCKS_LOG__LEVEL": "WARNING",
    "STOCKS_LOG__FORMAT": "json",
}


@dataclass(frozen=True, slots=True)
class Footprint:
    """What the process holds: open files, resident bytes."""

    files: int
    resident_bytes: int


class GatewayProcess:
    """One `stock-service serve`."""

    def __init__(self, process: asyncio.subprocess.Process, url: str) -> None:
        self._process = process
        self.url = url

    @classmethod
    async def start(cls, vendor_url: str, **settings: str) -> GatewayProcess:
        """Start it in front of `vendor_url` and return once it listens."""
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("STOCKS_")}
        environment = {**inherited, **SETTINGS, "STOCKS_UPSTREAM__URL": vendor_url, **settings}
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "stock_service",
            "serve",
            env=environment,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
        )
        assert process.stderr is not None
        async with asyncio.timeout(STARTS_WITHIN):
            address = await _read_address(process.stderr)
        return cls(process, address)

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self.url.rsplit(":", 1)[1])

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.pid

    async def work(self) -> int:
        """Return how much is under way inside: requests beside the one that asks, fetches, calls, and who waits."""
        async with aiohttp.ClientSession() as session, session.get(f"{self.url}/status") as answer:
            told = await answer.json()
        requests, calls = told["requests"], told["calls"]
        inside = requests["running"] - 1 + requests["fetches"] + calls["under_way"] + calls["queued"]
        return int(inside + told["quota"]["waiting"])

    def footprint(self) -> Footprint:
        """Return what the process holds now."""
        proc = Path(f"/proc/{self.pid}")
        resident = re.search(r"VmRSS:\s+(\d+) kB", (proc / "status").read_text())
        return Footprint(len(list((proc / "fd").iterdir())), int(resident[1]) * 1024 if resident else 0)

    def tell(self, number: signal.Signals) -> None:
        """Send a signal."""
        self._process.send_signal(number)

    async def ended(self, within: float) -> int:
        """Return the exit code, killing the process when it takes longer."""
        try:
            async with asyncio.timeout(within):
                return await self._process.wait()
        except TimeoutError:
            self._process.kill()
            return await self._process.wait()

    async def stop(self) -> int:
        """End it the friendly way; return the exit code."""
        if self._process.returncode is None:
            self.tell(signal.SIGTERM)
        return await self.ended(30.0)


async def _read_address(stderr: asyncio.StreamReader) -> str:
    """Return the address of the first screen, and keep reading behind it so that the pipe never fills."""
    seen = b""
    while True:
        line = await stderr.readline()
        seen += line
        if not line:
            raise RuntimeError(f"the gateway did not start: {seen.decode(errors='replace')}")
        found = re.search(rb"address\s+(http://\S+)", line)
        if found is not None:
            _drainers.add(task := asyncio.create_task(_discard(stderr)))
            task.add_done_callback(_drainers.discard)
            return found[1].decode()


async def _discard(stream: asyncio.StreamReader) -> None:
    while await stream.read(65_536):
        pass


_drainers: set[asyncio.Task[None]] = set()
pause = SystemClock().sleep
