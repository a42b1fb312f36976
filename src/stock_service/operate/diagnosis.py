"""From what is seen of a service to its likely cause and the section of the runbook that helps. Pure.

The causes are tried in the order in which one explains the others: a refused key also opens the breaker, an open
breaker also makes errors, errors also make a bad ratio.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from stock_service.operate.checks import Check, Finding, check
from stock_service.operate.signals import Scrape, signals_between

_OPEN = 2


@dataclass(frozen=True, slots=True)
class Cause:
    """What is likely wrong, in a sentence, and where to read on."""

    told: str
    anchor: str


def examine_pod(pod: str, scrape: Scrape) -> list[Check]:
    """Return the checks of one pod, from its start to this scrape."""
    signals = signals_between(None, scrape)
    quota = f"{scrape.quota_remaining:.0f} calls left, {scrape.quota_waiting:.0f} wait"
    memory = f"{scrape.memory_bytes / 2**20:.0f} MiB, {signals.memory_share:.0%} of the limit"
    rows = (
        ("vendor key", not scrape.key_refused, ("refused", "accepted"), "vendor-key-refused"),
        ("vendor", scrape.vendor_reachable, ("gives no HTTP answer", "answers"), "vendor-unreachable"),
        ("breaker", scrape.breaker != _OPEN, ("open", "not open"), "circuit-breaker-open"),
        ("quota", not scrape.quota_waiting > 0, (quota, quota), "vendor-quota"),
        # A comparison with NaN is false: what nobody asked for is not bad.
        ("errors", not signals.error_ratio > 0.1, (f"{signals.error_ratio:.2%}",) * 2, "high-error-rate"),
        ("latency", not signals.p95 > 2, (f"p95 {signals.p95:.3f} s, p99 {signals.p99:.3f} s",) * 2, "high-latency"),
        ("hit ratio", not signals.hit_ratio < 0.5, (f"{signals.hit_ratio:.0%}",) * 2, "low-cache-hit-rate"),
        ("memory", not signals.memory_share > 0.9, (memory, memory), "high-memory-usage"),
    )
    return [check(f"{pod}: {name}", good, told[good], anchor) for name, good, told, anchor in rows]


# The order in which one trouble explains the others.
_CAUSES = {
    "service-down": "Not every pod answers.",
    "rollout-stuck": "A pod restarts or does not become ready.",
    "vendor-key-refused": "The vendor refuses our own key; all other signs may follow from it.",
    "vendor-unreachable": "No HTTP answer comes from the vendor: DNS, egress, NetworkPolicy, or the vendor is down.",
    "circuit-breaker-open": "The vendor answers, and fails; the breaker keeps us from asking.",
    "vendor-quota": "More is asked than the vendor's plan allows.",
    "high-memory-usage": "A pod is near its memory limit.",
    "high-error-rate": "Errors without a sign of the vendor's: look for 500 in the log.",
    "high-latency": "Slow answers without a sign of the vendor's: look at CPU and the event loop.",
    "low-cache-hit-rate": "Ever new questions, or a cache too small.",
    "certificate-expiry": "The certificate ends soon.",
}


def likely_cause(checks: Sequence[Check]) -> Cause:
    """Return the trouble that explains the others."""
    bad = {one.anchor for one in checks if one.finding is Finding.BAD}
    for anchor, told in _CAUSES.items():
        if anchor in bad:
            return Cause(told, anchor)
    return Cause("Nothing wrong is visible from here.", "alerts")
