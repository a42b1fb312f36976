"""What a start costs: processor time until ready, and memory right after. The medians of a few starts."""

from __future__ import annotations

import asyncio
import os
import re
import statistics
from pathlib import Path
from typing import Any

from bench.storm.gateway import GatewayProcess

STARTS = 5
CPU_GOAL_SECONDS = 1.0
RESIDENT_GOAL_MIB = 80.0


def run() -> dict[str, Any]:
    """Start the real process a few times; print and return processor seconds and resident MiB."""
    seen = [asyncio.run(_start_once()) for _ in range(STARTS)]
    cpu, resident = (statistics.median(values) for values in zip(*seen, strict=True))
    print("\nstart of `stock-service serve`, medians of", STARTS)
    print(f"  processor time until it listens  {cpu:6.2f} s    goal below {CPU_GOAL_SECONDS:g} s")
    print(f"  resident memory after start      {resident:6.1f} MiB  goal below {RESIDENT_GOAL_MIB:g} MiB")
    return {"cpu_seconds": cpu, "resident_mib": resident}


async def _start_once() -> tuple[float, float]:
    gateway = await GatewayProcess.start("http://127.0.0.1:9")
    try:
        return _cpu_seconds(gateway.pid), gateway.footprint().resident_bytes / 2**20
    finally:
        await gateway.stop()


def _cpu_seconds(pid: int) -> float:
    """Return user and system time of a process so far."""
    fields = re.sub(r"^.*\) ", "", Path(f"/proc/{pid}/stat").read_text()).split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
