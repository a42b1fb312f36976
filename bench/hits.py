"""Hits beside peers: one-second slices take turns, and only ratios of the same round count.

Absolute figures of one server move by a third within minutes on a shared machine; the ratio of two servers in the
same few seconds does not. The ratio of their processor time for one answer (`by CPU`) moves least: it is what to read
where others use the machine.
"""

from __future__ import annotations

import statistics
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from bench.load import CLIENT_FIELDS, CONNECTIONS, TARGETS, Slice, drive, prepare, target
from bench.peers import DEFAULT, FASTAPI, GIN, KEY, OPEN, OURS, RAW, STATIC, TUNED, VARNISH, Peer, started

_TRACE = "traceparent: 00-{trace}-00f067aa0ba902b7-01"
_HOST = "Host: 127.0.0.1:8080"
_BROWSER = (
    _HOST,
    "Connection: keep-alive",
    'sec-ch-ua: "Chromium";v="130", "Not?A_Brand";v="99"',
    "sec-ch-ua-mobile: ?0",
    'sec-ch-ua-platform: "Linux"',
    "Upgrade-Insecure-Requests: 1",
    "User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0.0.0 Safari/537.36",
    "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8",
    "Sec-Fetch-Site: none",
    "Sec-Fetch-Mode: navigate",
    "Accept-Encoding: gzip, deflate, br, zstd",
    "Accept-Language: en-US,en;q=0.9",
    "Cookie: theme=dark; session=0123456789abcdef",
)


@dataclass(frozen=True)
class Scenario:
    """What is asked, of whom, and how. Ratios are of the first peer to each."""

    name: str
    size: int
    peers: tuple[str, ...] = (OURS, TUNED)
    sent: tuple[str, ...] = CLIENT_FIELDS
    fields: tuple[str, ...] = ()
    key_in: str = "header"
    etag: bool = False
    connections: int = CONNECTIONS
    pause_ms: int = 0


SCENARIOS = (
    Scenario("300 B", 300, (OURS, TUNED, DEFAULT, STATIC, VARNISH, GIN, RAW, FASTAPI)),
    Scenario("300 B, traceparent changes", 300, fields=(_TRACE,)),
    Scenario("300 B, an unknown field changes", 300, fields=("X-Changing: {trace}",)),
    Scenario("300 B, a field that is read changes", 300, fields=('If-None-Match: "{trace}"',)),
    Scenario("10 KB", 10_000),
    Scenario("500 KB, 8 connections", 500_000, connections=8),
    Scenario("500 KB", 500_000),
    Scenario("500 KB, 128 connections", 500_000, connections=128),
    Scenario("304", 300, etag=True),
    Scenario("key in the query", 300, key_in="query"),
    Scenario("no keys in force, Host only", 300, (OPEN, TUNED), sent=(_HOST,), key_in="nowhere"),
    Scenario("no keys in force, a browser's fields", 300, (OPEN, TUNED), sent=_BROWSER, key_in="nowhere"),
    Scenario("a connection for each request", 300, sent=(_HOST, "Connection: close")),
    Scenario("1,000 requests a second", 300, connections=10, pause_ms=9),
)


def run(rounds: int, tries: int, only: str = "") -> list[dict[str, Any]]:
    """Measure and print the scenarios whose name contains `only`.

    Args:
        rounds: slices of each server in each scenario.
        tries: how often a slice is taken, at most, that other programs disturb.
    """
    results = []
    for scenario in SCENARIOS:
        if only in scenario.name:
            results.append(run_scenario(scenario, rounds, tries))
            print_scenario(results[-1])
    return results


def _warm(peer: Peer, key_in: str) -> str:
    """Have every target kept and known; return the validator of the answers."""
    etag = ""
    headers = {"Accept-Encoding": "identity"} | ({"Authorization": f"Bearer {KEY}"} if key_in == "header" else {})
    with httpx.Client(base_url=f"http://127.0.0.1:{peer.port}") as client:
        for number in range(TARGETS):
            path = target(number) + (f"?apiKey={KEY}" if key_in == "query" else "")
            answer = client.get(path, headers=headers)
            answer.raise_for_status()
            etag = answer.headers.get("etag", "")
    return etag


def run_scenario(scenario: Scenario, rounds: int, tries: int) -> dict[str, Any]:
    """Return medians and ratios of one scenario."""
    with (
        tempfile.TemporaryDirectory(prefix="bench-") as folder,
        started(scenario.peers, Path(folder), scenario.size) as ((*peers, _vendor), missing),
    ):
        scripts = {}
        for peer in peers:
            etag = _warm(peer, scenario.key_in)
            fields = (*scenario.fields, *([f"If-None-Match: {etag}"] if scenario.etag else []))
            scripts[peer] = prepare(
                Path(folder) / f"{peer.port}.requests",
                KEY,
                sent=scenario.sent,
                fields=fields,
                key_in=scenario.key_in,
                pause_ms=scenario.pause_ms,
            )
        slices: dict[str, list[Slice]] = {peer.name: [] for peer in peers}
        for peer in peers:  # a first slice teaches both sides
            drive(peer.port, peer.pid, scripts[peer], connections=scenario.connections, tries=1)
        for _ in range(rounds):
            for peer in peers:
                taken = drive(peer.port, peer.pid, scripts[peer], connections=scenario.connections, tries=tries)
                slices[peer.name].append(taken)
    return {"scenario": scenario.name, "missing": missing, "peers": _figures(slices)}


def _figures(slices: dict[str, list[Slice]]) -> dict[str, Any]:
    figures: dict[str, Any] = {}
    ours = next(iter(slices.values()))
    for name, taken in slices.items():
        ratios = [mine.per_second / theirs.per_second for mine, theirs in zip(ours, taken, strict=True)]
        figures[name] = {
            "per_second": statistics.median(each.per_second for each in taken),
            "ours_to_this": statistics.median(ratios),
            "ratios": [round(ratio, 3) for ratio in ratios],
            "cpu_this_to_ours": statistics.median(
                theirs.cpu_us / mine.cpu_us for mine, theirs in zip(ours, taken, strict=True)
            ),
            "p50_ms": statistics.median(each.p50_ms for each in taken),
            "p99_ms": statistics.median(each.p99_ms for each in taken),
            "cpu_us": statistics.median(each.cpu_us for each in taken),
            "rss_mib": max(each.rss_mib for each in taken),
            "failed": sum(each.failed for each in taken),
            "disturbed": sum(not each.clean for each in taken),
        }
    return figures


_COLUMNS = ("req/s", "ours/this", "IQR", "by CPU", "p99 ms", "CPU us", "RSS MiB", "failed", "disturbed")


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
            f"{each['cpu_this_to_ours']:.2f}",
            f"{each['p99_ms']:.2f}",
            f"{each['cpu_us']:.1f}",
            f"{each['rss_mib']:.0f}",
            f"{each['failed']}",
            f"{each['disturbed']}",
        )
        print(f"  {name:28}" + "".join(f"{cell:>11}" for cell in cells))
    for reason in result["missing"]:
        print(f"  skipped: {reason}")
