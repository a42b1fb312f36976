"""Hits beside peers: one-second slices take turns, and only ratios of the same round count.

Absolute figures of one server move by a third within minutes on a shared machine; the ratio of two servers in the
same few seconds does not.
"""

from __future__ import annotations

import statistics
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from bench.load import TARGETS, Slice, drive, prepare, target
from bench.peers import DEFAULT, FASTAPI, KEY, OURS, RAW, STATIC, TUNED, VARNISH, Peer, started

_TRACE = "traceparent: 00-{trace}-00f067aa0ba902b7-01"


@dataclass(frozen=True)
class Scenario:
    """What is asked, of whom. Ratios are against `reference`."""

    name: str
    size: int
    peers: tuple[str, ...]
    fields: tuple[str, ...] = ()
    query_key: bool = False
    etag: bool = False


SCENARIOS = (
    Scenario("300 B", 300, (OURS, TUNED, DEFAULT, STATIC, VARNISH, RAW, FASTAPI)),
    Scenario("300 B, traceparent changes", 300, (OURS, TUNED), fields=(_TRACE,)),
    Scenario("300 B, an unknown field changes", 300, (OURS, TUNED), fields=("X-Changing: {trace}",)),
    Scenario("10 KB", 10_000, (OURS, TUNED)),
    Scenario("500 KB", 500_000, (OURS, TUNED)),
    Scenario("304", 300, (OURS, TUNED), etag=True),
    Scenario("key in the query", 300, (OURS, TUNED), query_key=True),
)


def run(rounds: int, only: str = "") -> list[dict[str, Any]]:
    """Measure and print the scenarios whose name contains `only`."""
    results = []
    for scenario in SCENARIOS:
        if only in scenario.name:
            results.append(run_scenario(scenario, rounds))
            print_scenario(results[-1])
    return results


def _warm(peer: Peer, *, query_key: bool) -> str:
    """Have every target kept and known; return the validator of the answers."""
    etag = ""
    headers = {"Authorization": f"Bearer {KEY}", "Accept-Encoding": "identity"}
    with httpx.Client(base_url=f"http://127.0.0.1:{peer.port}") as client:
        for number in range(TARGETS):
            path = target(number) + (f"?apiKey={KEY}" if query_key else "")
            answer = client.get(path, headers={} if query_key else headers)
            answer.raise_for_status()
            etag = answer.headers.get("etag", "")
    return etag


def run_scenario(scenario: Scenario, rounds: int) -> dict[str, Any]:
    """Return medians and ratios of one scenario."""
    with (
        tempfile.TemporaryDirectory(prefix="bench-") as folder,
        started(scenario.peers, Path(folder), scenario.size) as ((*peers, _vendor), missing),
    ):
        scripts = {}
        for peer in peers:
            etag = _warm(peer, query_key=scenario.query_key)
            fields = (*scenario.fields, *([f"If-None-Match: {etag}"] if scenario.etag else []))
            path = Path(folder) / f"{peer.port}.requests"
            scripts[peer] = prepare(path, KEY, fields=fields, query_key=scenario.query_key)
        slices: dict[str, list[Slice]] = {peer.name: [] for peer in peers}
        for peer in peers:  # a first slice teaches both sides
            drive(peer.port, peer.pid, scripts[peer])
        for _ in range(rounds):
            for peer in peers:
                slices[peer.name].append(drive(peer.port, peer.pid, scripts[peer]))
    return {"scenario": scenario.name, "missing": missing, "peers": _figures(slices)}


def _figures(slices: dict[str, list[Slice]]) -> dict[str, Any]:
    figures: dict[str, Any] = {}
    for name, taken in slices.items():
        ratios = [mine.per_second / theirs.per_second for mine, theirs in zip(slices[OURS], taken, strict=True)]
        figures[name] = {
            "per_second": statistics.median(each.per_second for each in taken),
            "ours_to_this": statistics.median(ratios),
            "ratios": [round(ratio, 3) for ratio in ratios],
            "p99_ms": statistics.median(each.p99_ms for each in taken),
            "cpu_us": statistics.median(each.cpu_us for each in taken),
            "rss_mib": max(each.rss_mib for each in taken),
            "failed": sum(each.failed for each in taken),
            "disturbed": sum(not each.clean for each in taken),
        }
    return figures


_COLUMNS = ("req/s", "ours/this", "IQR", "p99 ms", "CPU us", "RSS MiB", "failed", "disturbed")


def print_scenario(result: dict[str, Any]) -> None:
    """Print one table."""
    print(f"\nhits, {result['scenario']}")
    print(f"  {'server':28}" + "".join(f"{column:>11}" for column in _COLUMNS))
    for name, each in result["peers"].items():
        ratios = sorted(each["ratios"])
        low, high = ratios[len(ratios) // 4], ratios[(3 * len(ratios) - 1) // 4]
        cells = (
            f"{each['per_second']:,.0f}",
            f"{each['ours_to_this']:.2f}",
            f"{low:.2f}-{high:.2f}",
            f"{each['p99_ms']:.2f}",
            f"{each['cpu_us']:.1f}",
            f"{each['rss_mib']:.0f}",
            f"{each['failed']}",
            f"{each['disturbed']}",
        )
        print(f"  {name:28}" + "".join(f"{cell:>11}" for cell in cells))
    for reason in result["missing"]:
        print(f"  skipped: {reason}")
