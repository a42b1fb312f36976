"""docs/runbook.md as tests see it: its commands, its sections, its numbers, and who answers for each.

A test that runs a command calls `typed(command)`, a test that holds a number calls `promised(section, words)`. Both
refuse what the page does not say. `tests/runbook/test_coverage.py` reads these calls out of the tests' source and
refuses a page that says more than the tests hold: so nothing is mapped by hand.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from stock_service.operate.runbook_page import Section, folded, sections_of
from tests.support.tools import ROOT

PAGE = ROOT / "docs" / "runbook.md"
TESTS = ROOT / "tests"


@cache
def sections() -> dict[str, Section]:
    """Return the sections by their anchor, in order."""
    return sections_of(PAGE.read_text())


def commands() -> set[str]:
    """Return every command of the page."""
    return {command for section in sections().values() for command in section.commands}


def typed(command: str) -> str:
    """Return the command, which must be on the page as it stands."""
    assert command in commands(), f"docs/runbook.md does not say: {command}"
    return command


def promised(anchor: str, *words: str) -> None:
    """Hold that the section says these words."""
    text = sections()[anchor].text
    for part in words:
        assert folded(part) in text, f"docs/runbook.md#{anchor} does not say: {part}"


@dataclass(frozen=True, slots=True)
class Claim:
    """A call of `typed` or `promised` in a test."""

    function: str
    arguments: tuple[str, ...]


@cache
def claims() -> tuple[Claim, ...]:
    """Return what the tests say they hold; only literal arguments count."""
    return tuple(claim for path in sorted(TESTS.rglob("test_*.py")) for claim in _claims_in(path))


def _claims_in(path: Path) -> Iterator[Claim]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("typed", "promised"):
            words = tuple(a.value for a in node.args if isinstance(a, ast.Constant) and isinstance(a.value, str))
            yield Claim(node.func.id, words)
