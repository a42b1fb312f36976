"""Which calls go wrong, and how: rules that can be switched while the simulator runs.

A pure machine: `now` is an argument, chance comes from the rule's seed. The first rule that fits a call decides.
What a fault does on the wire is in `fault_answers.py`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from stock_service.simulator.dice import share

Param = str | int | float


class FaultKind(StrEnum):
    """What goes wrong. The parameters each takes are in `docs/simulator.md`."""

    HANG = "hang"
    SLOW_FIRST_BYTE = "slow-first-byte"
    DRIP = "drip"
    RESET = "reset"
    SHORT_BODY = "short-body"
    UNENDED_CHUNKS = "unended-chunks"
    CUT_JSON = "cut-json"
    HTML = "html"
    ERROR_IN_OK = "error-in-ok"
    EMPTY = "empty"
    STATUS = "status"
    LIMITED = "limited"
    REVOKED = "revoked"
    FORBIDDEN = "forbidden"
    HUGE = "huge"
    ENDLESS = "endless"
    GZIP_BOMB = "gzip-bomb"
    LYING_CODING = "lying-coding"
    BIG_HEADER = "big-header"
    MANY_HEADERS = "many-headers"
    REDIRECT = "redirect"
    OLDER = "older"
    CLOSE_IDLE = "close-idle"


@dataclass(frozen=True, slots=True)
class FaultRule:
    """Calls whose path begins with `prefix` and contains a match of `pattern` go wrong in one way.

    `probability` is the share of them, drawn from `seed`; `count` how many at most (None: no end). With `good_for`
    and `bad_for` (seconds) the rule flaps: good first, then bad, and again. `params` belong to the kind.
    """

    kind: FaultKind
    prefix: str = ""
    pattern: str = ""
    probability: float = 1.0
    count: int | None = None
    seed: int = 0
    good_for: float = 0.0
    bad_for: float = 0.0
    params: Mapping[str, Param] = field(default_factory=dict)

    def number(self, name: str, default: float) -> float:
        """A parameter that is a number."""
        return float(self.params.get(name, default))

    def text(self, name: str, default: str = "") -> str:
        """A parameter that is a text."""
        return str(self.params.get(name, default))


@dataclass(slots=True)
class _Active:
    rule: FaultRule
    since: float
    seen: int = 0
    fired: int = 0


class Faults:
    """The rules in force, in order."""

    def __init__(self) -> None:
        self._active: list[_Active] = []

    def put(self, rules: Sequence[FaultRule], now: float) -> None:
        """Replace all rules; schedules begin at `now`."""
        self._active = [_Active(rule, now) for rule in rules]

    def clear(self) -> None:
        """No faults any more."""
        self._active = []

    def choose(self, path: str, now: float) -> FaultRule | None:
        """The fault this call gets, None when it goes well. Counts it."""
        for active in self._active:
            rule = active.rule
            if not path.startswith(rule.prefix) or (rule.pattern and re.search(rule.pattern, path) is None):
                continue
            if rule.count is not None and active.fired >= rule.count:
                continue
            if rule.bad_for > 0 and (now - active.since) % (rule.good_for + rule.bad_for) < rule.good_for:
                continue
            active.seen += 1
            if share("fault", rule.seed, active.seen) < rule.probability:
                active.fired += 1
                return rule
        return None

    def state(self) -> list[Mapping[str, object]]:
        """The rules with how often each was considered and fired."""
        return [
            {"kind": active.rule.kind.value, "prefix": active.rule.prefix, "pattern": active.rule.pattern}
            | {"seen": active.seen, "fired": active.fired}
            for active in self._active
        ]
