"""Plain tables for a terminal: columns as wide as their widest cell, two spaces between."""

from __future__ import annotations

from collections.abc import Sequence

import click


def write_table(head: Sequence[str], rows: Sequence[Sequence[str]], right: frozenset[int] = frozenset()) -> None:
    """Write `head` and `rows` to standard output; the columns in `right` are aligned to the right."""
    lines = [head, *rows]
    widths = [max(len(line[column]) for line in lines) for column in range(len(head))]
    for line in lines:
        cells = (
            cell.rjust(widths[column]) if column in right else cell.ljust(widths[column])
            for column, cell in enumerate(line)
        )
        click.echo("  ".join(cells).rstrip())
