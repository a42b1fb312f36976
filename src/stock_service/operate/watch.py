"""Watching a service for a while after a deployment: what each process did since the watch began, and what is too much.

Pure. Behind one address stand several pods, and a look reaches any of them: their counters are never mixed, because a
process is known by the moment it started.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from math import isnan, nan

from stock_service.operate.checks import Check, Finding, check
from stock_service.operate.signals import Scrape, signals_of, total


@dataclass(frozen=True, slots=True)
class Bounds:
    """What may not be exceeded: shares from 0 to 1, seconds, cores. Fewer answers than `at_least` say nothing."""

    max_error_ratio: float = 0.01
    max_p95: float = 2.0
    max_memory_share: float = 0.9
    max_cores: float = 0.9  # of the one that an event loop can use
    at_least: int = 20


@dataclass(slots=True)
class _Process:
    first: Scrape
    first_at: float
    latest: Scrape
    latest_at: float

    def cores(self) -> float:
        """CPU seconds a second; NaN before the second look."""
        passed = self.latest_at - self.first_at
        return (self.latest.cpu_seconds - self.first.cpu_seconds) / passed if passed else nan


@dataclass(slots=True)
class Watch:
    """What was seen so far. `now` is monotonic seconds."""

    bounds: Bounds
    _processes: dict[float, _Process] = field(default_factory=dict)

    def see(self, scrapes: Iterable[Scrape], now: float) -> None:
        """Take in one look; a process counts from the first time it is seen."""
        for scrape in scrapes:
            process = self._processes.setdefault(scrape.started_at, _Process(scrape, now, scrape, now))
            process.latest, process.latest_at = scrape, now

    def judge(self) -> list[Check]:
        """Return one check for each bound; unknown where too little was asked or no limit is set."""
        seen = list(self._processes.values())
        signals = signals_of(total(one.latest.counts.since(one.first.counts) for one in seen))
        bounds = self.bounds
        few = f"only {signals.answers:.0f} answers" if signals.answers < bounds.at_least else ""
        memory, cores = _most(one.latest.memory_share for one in seen), _most(one.cores() for one in seen)
        limitless = "the container has no limit" if isnan(memory) else ""
        once = "seen once" if isnan(cores) else ""
        return [
            Check("processes", Finding.GOOD, f"{len(seen)} seen, {signals.answers:.0f} answers"),
            _bounded("error ratio", signals.error_ratio, bounds.max_error_ratio, ".2%", few, "high-error-rate"),
            _bounded("p95", signals.p95, bounds.max_p95, ".3f", few, "high-latency"),
            _bounded("memory share", memory, bounds.max_memory_share, ".0%", limitless, "high-memory-usage"),
            _bounded("cores", cores, bounds.max_cores, ".2f", once, "at-the-ceiling"),
        ]


def _most(values: Iterable[float]) -> float:
    """Return the largest number; NaN when there is none."""
    return max((value for value in values if not isnan(value)), default=nan)


def _bounded(name: str, value: float, bound: float, form: str, unknown: str, anchor: str) -> Check:
    if unknown:
        return Check(name, Finding.UNKNOWN, unknown)
    return check(name, value <= bound, f"{value:{form}} of at most {bound:{form}}", anchor)
