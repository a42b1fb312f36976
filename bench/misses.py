"""Misses: what a question costs that has to go to the vendor, beside nginx passing it on, and beside asking directly.

The service does more with it than pass it on: key, limit, canonical form, flight, pacer, breaker, payload check,
store, render. The vendor is an nginx on the other core, which it shares with the generator.
"""

from __future__ import annotations

import statistics
import tempfile
from pathlib import Path
from typing import Any

from bench.load import Slice, drive, prepare
from bench.peers import KEY, OURS, PASSING, VENDOR, Peer, started

_FRESH = 60_000  # targets of one slice: more than a slice can ask for


def _slices(peers: list[Peer], folder: Path, rounds: int, connections: int) -> dict[str, list[Slice]]:
    slices: dict[str, list[Slice]] = {peer.name: [] for peer in peers}
    for number in range(rounds + 1):
        first = (number + connections * 1_000) * _FRESH
        script = prepare(folder / f"{connections}-{number}.requests", KEY, fresh=range(first, first + _FRESH))
        for peer in peers:
            taken = drive(peer.port, peer.pid, script, connections=connections, tries=1)
            if number:
                slices[peer.name].append(taken)
    return slices


def run(rounds: int) -> dict[str, Any]:
    """Measure throughput with 32 connections and latency with one; print both."""
    figures: dict[str, Any] = {}
    with tempfile.TemporaryDirectory(prefix="bench-") as folder, started((OURS, PASSING), Path(folder), 300) as running:
        peers, missing = running
        for connections in (32, 1):
            figures[f"{connections} connections"] = _figures(_slices(peers, Path(folder), rounds, connections))
    print("\nmisses, 300 B: every question goes to the vendor")
    print(f"  {'server':28}{'req/s, c=32':>13}{'CPU us':>9}{'failed':>8}{'p50 ms, c=1':>13}{'added p50':>11}")
    direct = figures["1 connections"][VENDOR]["p50_ms"]
    for name, busy in figures["32 connections"].items():
        alone = figures["1 connections"][name]
        print(
            f"  {name:28}{busy['per_second']:13,.0f}{busy['cpu_us']:9.1f}{busy['failed'] + alone['failed']:8}"
            f"{alone['p50_ms']:13.3f}{alone['p50_ms'] - direct:11.3f}"
        )
    for reason in missing:
        print(f"  skipped: {reason}")
    return figures


def _figures(slices: dict[str, list[Slice]]) -> dict[str, dict[str, float]]:
    return {
        name: {
            "per_second": statistics.median(each.per_second for each in taken),
            "p50_ms": statistics.median(each.p50_ms for each in taken),
            "p99_ms": statistics.median(each.p99_ms for each in taken),
            "cpu_us": statistics.median(each.cpu_us for each in taken),
            "failed": sum(each.failed for each in taken),
        }
        for name, taken in slices.items()
    }
