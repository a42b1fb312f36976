"""What must hold for every single answer, whatever the vendor does. The judge of the storm; pure.

I1 and I2: a body is one the vendor really gave for that question, whole. I3: a question that was answered before and
is within its bounds never gets a 5xx. I4: a question never asked before gets an answer or a typed error in time.
I5: staleness is visible. I6 (the vendor's limit) and I7 (recovery) are judged from the vendor's log and at the end.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from bench.storm.gateway import REQUEST_FOR

LATE_AFTER = REQUEST_FOR + 0.25
_TYPED = frozenset({429, 502, 503, 504})
_WITH_RETRY = frozenset({429, 503})


@dataclass(frozen=True, slots=True)
class Answer:
    """What a client saw. `status` 0: no answer at all."""

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    seconds: float = 0.0
    problem: str = ""


@dataclass(slots=True)
class Tally:
    """Counts of a phase. Every broken promise is in `broken`, by its name."""

    answers: int = 0
    statuses: Counter[int] = field(default_factory=Counter)
    stale: int = 0
    slowest: float = 0.0
    broken: Counter[str] = field(default_factory=Counter)
    examples: list[str] = field(default_factory=list)

    def judge_known(self, path: str, answer: Answer, truth: bytes) -> None:
        """Judge the answer to a question that was answered before and is within its bounds."""
        self._count(answer)
        if answer.status == 0:
            self._break("I3 no answer", path, answer)
        elif answer.status != 200:
            self._break(f"I3 {answer.status} on a known question", path, answer)
        elif answer.body != truth:
            self._break("I2 wrong body", path, answer)
        self._judge_marks(path, answer)

    def judge_new(self, path: str, answer: Answer, ticker: str, held_up: float = 0.0) -> None:
        """Judge the answer to a question nobody asked before; `held_up` seconds of its time were the machine's."""
        self._count(answer)
        if answer.status == 0:
            self._break("I4 no answer", path, answer)
        elif answer.status == 200:
            if not _speaks_of(answer.body, ticker):
                self._break("I2 foreign body", path, answer)
        elif answer.status not in _TYPED or not _is_typed(answer.body):
            self._break(f"I4 {answer.status} without type", path, answer)
        elif answer.status in _WITH_RETRY and not answer.headers.get("retry-after", "").isdigit():
            self._break("I4 no Retry-After", path, answer)
        if answer.seconds > LATE_AFTER + held_up:
            self._break("I4 late", path, answer)
        self._judge_marks(path, answer)

    def _count(self, answer: Answer) -> None:
        self.answers += 1
        self.statuses[answer.status] += 1
        self.slowest = max(self.slowest, answer.seconds)
        if "fwd=stale" in answer.headers.get("cache-status", "") or "ttl=-" in answer.headers.get("cache-status", ""):
            self.stale += 1

    def _judge_marks(self, path: str, answer: Answer) -> None:
        if answer.status != 200:
            return
        marks = answer.headers
        if not {"age", "cache-status", "etag", "cache-control"} <= set(marks):
            self._break("I5 unmarked", path, answer)
        elif "fwd=stale" in marks["cache-status"] and "max-age=0" not in marks["cache-control"]:
            self._break("I5 stale taken for fresh", path, answer)

    def _break(self, promise: str, path: str, answer: Answer) -> None:
        self.broken[promise] += 1
        if len(self.examples) < 20:
            shown = answer.body[:160].decode(errors="replace") or answer.problem
            self.examples.append(f"{promise}: {path} -> {answer.status} after {answer.seconds:.2f} s: {shown}")


def _is_typed(body: bytes) -> bool:
    try:
        return bool(json.loads(body)["error"])
    except (ValueError, KeyError, TypeError):
        return False


def _speaks_of(body: bytes, ticker: str) -> bool:
    try:
        return bool(json.loads(body)["ticker"] == ticker)
    except (ValueError, KeyError, TypeError):
        return False
