"""The simulated vendor as a process of its own: it counts calls when they arrive, however busy the test is."""

from __future__ import annotations

import asyncio
import re
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import aiohttp

_STARTS_WITHIN = 20.0


@dataclass(frozen=True, slots=True)
class VendorProcess:
    """A running one, by its switchboard."""

    url: str
    session: aiohttp.ClientSession

    async def total(self) -> int:
        """How many calls arrived."""
        return int((await self._state())["calls"])

    async def busiest(self, window: float = 1.0) -> int:
        """The most calls that arrived within any `window` seconds."""
        return int((await self._state(window))["busiest"])

    async def count(self, path: str) -> int:
        """How many calls asked for `path`."""
        async with self.session.get(f"{self.url}/__simulator__/calls", params={"prefix": path}) as response:
            return len(await response.json())

    async def break_with(self, **rule: object) -> None:
        """Let calls go wrong by one rule, in the words of `FaultRule`."""
        async with self.session.post(f"{self.url}/__simulator__/faults", json=[rule]) as response:
            assert response.status == 200, await response.text()

    async def _state(self, window: float = 1.0) -> dict[str, Any]:
        async with self.session.get(f"{self.url}/__simulator__/state", params={"window": str(window)}) as response:
            state: dict[str, Any] = await response.json()
            return state


@asynccontextmanager
async def vendor_process(session: aiohttp.ClientSession, key: str) -> AsyncIterator[VendorProcess]:
    """A vendor that counts calls and refuses none."""
    command = ("simulate", "--port", "0", "--key", key)
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "stock_service", *command, stderr=asyncio.subprocess.PIPE
    )
    assert process.stderr is not None
    try:
        async with asyncio.timeout(_STARTS_WITHIN):
            said = await process.stderr.readline()
        found = re.search(rb"http://[\d.:]+", said)
        assert found is not None, said
        yield VendorProcess(found[0].decode(), session)
    finally:
        process.terminate()
        await process.wait()
