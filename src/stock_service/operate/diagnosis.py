"""From what is seen of a service to its likely cause and the section of the runbook that helps. Pure.

The causes are tried in the order in which one explains the others: a refused key also opens the breaker, an open
breaker also makes errors, errors also make a bad ratio.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import nan

from stock_service.operate.checks import Check, Finding, check
from stock_service.operate.signals import Counts, Scrape, signals_of, total

_STATES = ("closed", "half-open", "open")
_OPEN = 2
_ENOUGH = 20  # answers between two looks; below, those since the start are more telling
Pods = Mapping[str, Scrape]


@dataclass(frozen=True, slots=True)
class Cause:
    """What is likely wrong, in a sentence, and where to read on."""

    told: str
    anchor: str


def examine(before: Pods, after: Pods, seconds: float) -> list[Check]:
    """Return one check for each thing that may be wrong, over all pods.

    Args:
        before: a first look at them, by name.
        after: a second one, `seconds` later; what happened in between counts more than what was.
    """
    asked = any(count for pod in after.values() for count in pod.counts.vendor_buckets.values())
    vendor = "answers" if asked else "not asked yet"
    memory = ", ".join(f"{name} {pod.memory_bytes / 2**20:.0f} MiB" for name, pod in _fullest(after))
    return [
        _each("vendor key", after, lambda pod: pod.key_refused, ("accepted", "refused"), "vendor-key-refused"),
        _rights(after),
        _each("vendor", after, lambda pod: not pod.vendor_reachable, (vendor, "silent"), "vendor-unreachable"),
        _breaker(after),
        _each("shared store", after, lambda pod: pod.shared_away, ("not away", "away"), "shared-store"),
        _quota(after),
        *_traffic(*_recent(before, after, seconds)),
        check("memory", not any(pod.memory_share > 0.9 for pod in after.values()), memory, "high-memory-usage"),
        Check("version", Finding.GOOD, ", ".join(sorted({pod.version for pod in after.values()}))),
    ]


def _traffic(counts: Counts, when: str) -> list[Check]:
    """Return the checks of what clients got. A comparison with NaN is false: what nobody asked for is not bad."""
    signals = signals_of(counts)
    if signals.answers < _ENOUGH:
        return [Check("traffic", Finding.UNKNOWN, f"only {signals.answers:.0f} answers {when}")]
    vendor = f"p95 {signals.vendor_p95:.3f} s {when}"
    answers = f"{signals.error_ratio:.2%} of {signals.answers:.0f} answers {when}"
    waits = f"p95 {signals.p95:.3f} s, p99 {signals.p99:.3f} s {when}"
    return [
        check("errors", not signals.error_ratio > 0.1, answers, "high-error-rate"),
        check("vendor time", not signals.vendor_p95 > 2, vendor, "high-latency"),
        check("latency", not signals.p95 > 2, waits, "high-latency"),
        check("hit ratio", not signals.hit_ratio < 0.5, f"{signals.hit_ratio:.0%} {when}", "low-cache-hit-rate"),
    ]


def _recent(before: Pods, after: Pods, seconds: float) -> tuple[Counts, str]:
    """Return what was counted between the looks when that is enough, else since the start, and the word for it."""
    recent = total(
        pod.counts.since(before[name].counts)
        for name, pod in after.items()
        if name in before and before[name].started_at == pod.started_at
    )
    if recent.answers >= _ENOUGH:
        return recent, f"in the last {seconds:g} s"
    return total(pod.counts for pod in after.values()), "since the start"


def _each(name: str, pods: Pods, is_bad: Callable[[Scrape], bool], words: tuple[str, str], anchor: str) -> Check:
    bad = [pod for pod, scrape in pods.items() if is_bad(scrape)]
    told = f"{words[1]} in {len(bad)} of {len(pods)}: {', '.join(bad)}" if bad else words[0]
    return check(name, not bad, told, anchor)


def _breaker(pods: Pods) -> Check:
    """Each pod has its own: name those that are not closed, and those that somebody overruled."""
    not_closed = [f"{_STATES[pod.breaker]} in {name}" for name, pod in pods.items() if pod.breaker]
    forced = [f"forced in {name}" for name, pod in pods.items() if pod.forced]
    told = "; ".join(not_closed + forced) or f"closed in all {len(pods)}"
    return check("breaker", not any(pod.breaker == _OPEN for pod in pods.values()), told, "circuit-breaker-open")


def _quota(pods: Pods) -> Check:
    """Calls left, who waits, and who spends them: the client to speak to."""
    waiting = sum(pod.quota_waiting for pod in pods.values())
    left = min((pod.quota_remaining for pod in pods.values()), default=nan)
    calls: Counter[str] = Counter()
    for pod in pods.values():
        calls.update(pod.calls_by_client)
    spent = sum(calls.values())
    spenders = [f"{client} {made / spent:.0%}" for client, made in calls.most_common(3) if made]
    told = f"{left:.0f} calls left, {waiting:.0f} wait; spent by {', '.join(spenders) or 'nobody yet'}"
    return check("quota", not waiting > 0, told, "vendor-quota")


def _rights(pods: Pods) -> Check:
    """What the key may do, as far as somebody has asked: a 403 that reaches clients is the plan's."""
    may = sorted({kind for pod in pods.values() for kind in pod.answered})
    not_all = sorted({kind for pod in pods.values() for kind in pod.refused})
    told = f"answered: {', '.join(may) or 'nothing yet'}; refused by the plan: {', '.join(not_all) or 'nothing'}"
    return Check("key may", Finding.GOOD, told)


def _fullest(pods: Pods) -> list[tuple[str, Scrape]]:
    """Return up to three pods, the largest first."""
    return sorted(pods.items(), key=lambda item: item[1].memory_bytes, reverse=True)[:3]


# The order in which one trouble explains the others.
_CAUSES = {
    "service-absent": "There is no pod at all: the Deployment is gone, or a Secret it needs is missing.",
    "service-down": "The service does not answer, or not every pod of it.",
    "rollout-stuck": "A pod restarts or does not become ready, or the last deployment did not end well.",
    "vendor-key-refused": "The vendor refuses our own key; all other signs may follow from it.",
    "vendor-unreachable": "No HTTP answer comes from the vendor: DNS, egress, NetworkPolicy, or the vendor is down.",
    "circuit-breaker-open": "The vendor answers, and fails; the breaker keeps us from asking.",
    "shared-store": "The shared store is away: each pod keeps to its own share of the vendor's plan.",
    "vendor-quota": "More is asked than the vendor's plan allows.",
    "high-memory-usage": "A pod is near its memory limit.",
    "high-error-rate": "Errors without a sign of the vendor's: look for 500 in the log.",
    "high-latency": "Answers are slow. If the vendor's own time is not, look at CPU and the event loop.",
    "at-the-ceiling": "The autoscaler cannot add another pod.",
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
