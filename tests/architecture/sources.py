"""The source files as syntax trees, and the questions the rules ask of them."""

from __future__ import annotations

import ast
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "src" / "stock_service"


@dataclass(frozen=True, slots=True)
class Source:
    """One Python file. `path` is relative to the repository."""

    path: str
    text: str
    tree: ast.Module


@cache
def sources() -> tuple[Source, ...]:
    """Every module of the service."""
    found = []
    for file in sorted(PACKAGE.rglob("*.py")):
        text = file.read_text("utf-8")
        found.append(Source(file.relative_to(ROOT).as_posix(), text, ast.parse(text)))
    return tuple(found)


@cache
def tracked_files() -> tuple[Path, ...]:
    """Every file under version control, or everything that would be, where there is no git."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=False,
    )
    if listed.returncode != 0:
        return tuple(file for top in ("src", "tests", "docs", "scripts") for file in (ROOT / top).rglob("*.*"))
    names = [name for name in listed.stdout.decode().split("\0") if name]
    return tuple(ROOT / name for name in names if (ROOT / name).is_file())


def dotted(node: ast.expr) -> str:
    """Return `a.b.c` for a chain of names, empty for anything else."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        start = dotted(node.value)
        return f"{start}.{node.attr}" if start else ""
    return ""


def full_names(tree: ast.Module) -> dict[str, str]:
    """Return what each imported name of a module stands for, dotted from its root."""
    names: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                names[alias.asname or alias.name.split(".")[0]] = (
                    alias.name if alias.asname else alias.name.split(".")[0]
                )
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names}
    return names


def uses(tree: ast.AST, names: Mapping[str, str]) -> set[tuple[str, int]]:
    """Return every dotted name in `tree`, resolved through the `full_names` of its module, with the line."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Name | ast.Attribute):
            start, _, rest = dotted(node).partition(".")
            if start in names:
                found.add((f"{names[start]}.{rest}" if rest else names[start], node.lineno))
    return found
