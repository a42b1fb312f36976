"""docs/runbook.md as tests see it: its commands, its sections, its numbers, and who answers for each.

A test that runs a command calls `typed(command)`, a test that holds a number calls `promised(section, words)`. Both
refuse what the page does not say. `tests/runbook/test_coverage.py` reads these calls out of the tests' source and
refuses a page that says more than the tests hold: so nothing is mapped by hand.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from tests.support.tools import ROOT

PAGE = ROOT / "docs" / "runbook.md"
TESTS = ROOT / "tests"
_FENCE = re.compile(r"^ *```bash\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True, slots=True)
class Section:
    """A heading and the text under it, up to the next heading; commands in fences are left out of `text`."""

    anchor: str
    text: str
    commands: tuple[str, ...]


@cache
def sections() -> dict[str, Section]:
    """Return the sections by their anchor, in order."""
    found: dict[str, Section] = {}
    parts = re.split(r"^(#{1,4} .*)$", PAGE.read_text(), flags=re.MULTILINE)
    for heading, body in zip(parts[1::2], parts[2::2], strict=True):
        anchor = anchor_of(heading.lstrip("# "))
        lines = [line.strip() for fence in _FENCE.findall(body) for line in fence.splitlines() if line.strip()]
        assert anchor not in found, f"two sections are called {anchor}"
        found[anchor] = Section(anchor, _folded(_FENCE.sub("", body)), tuple(lines))
    return found


def anchor_of(heading: str) -> str:
    """Return the anchor GitHub gives a heading."""
    return re.sub(r"[^a-z0-9 -]", "", heading.strip().lower()).replace(" ", "-")


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
        assert _folded(part) in text, f"docs/runbook.md#{anchor} does not say: {part}"


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


def _folded(text: str) -> str:
    return " ".join(text.split())
