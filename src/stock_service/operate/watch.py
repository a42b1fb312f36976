"""Watching a service for a while after a deployment: what is too much, judged reading by reading. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from math import isnan

from stock_service.operate.checks import Check, Finding, check
from stock_service.operate.signals import Signals


@dataclass(frozen=True, slots=True)
class Bounds:
    """What may not be exceeded: shares from 0 to 1, seconds. Fewer answers than `at_least` say nothing."""

    max_error_ratio: float = 0.01
    max_p95: float = 2.0
    max_memory_share: float = 0.9
    at_least: int = 20


def judge_watch(signals: Signals, bounds: Bounds) -> list[Check]:
    """Return one check for each bound; unknown where too little was asked or no limit is set."""
    few = f"only {signals.answers:.0f} answers" if signals.answers < bounds.at_least else ""
    limitless = "the container has no limit" if isnan(signals.memory_share) else ""
    return [
        _bounded("error ratio", signals.error_ratio, bounds.max_error_ratio, ".2%", few, "high-error-rate"),
        _bounded("p95", signals.p95, bounds.max_p95, ".3f", few, "high-latency"),
        _bounded("memory share", signals.memory_share, bounds.max_memory_share, ".0%", limitless, "high-memory-usage"),
    ]


def _bounded(name: str, value: float, bound: float, form: str, unknown: str, anchor: str) -> Check:
    if unknown:
        return Check(name, Finding.UNKNOWN, unknown)
    return check(name, value <= bound, f"{value:{form}} of at most {bound:{form}}", anchor)
