"""What an operator's command found, one line each, and what all of them say together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any


class Finding(StrEnum):
    """How one check ended. `unknown` is not good: somebody has to look."""

    GOOD = "good"
    BAD = "bad"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Check:
    """One line of a report. `anchor` is the section of the runbook that helps."""

    name: str
    finding: Finding
    told: str
    anchor: str = ""


def check(name: str, good: bool, told: str, anchor: str = "") -> Check:
    """Return a check that is good or bad."""
    return Check(name, Finding.GOOD if good else Finding.BAD, told, anchor)


def all_good(checks: Sequence[Check]) -> bool:
    """Whether no check is bad; unknown ones do not fail a gate."""
    return all(one.finding is not Finding.BAD for one in checks)


def as_json(checks: Sequence[Check]) -> list[dict[str, Any]]:
    """Return the checks for machines."""
    return [asdict(one) for one in checks]
