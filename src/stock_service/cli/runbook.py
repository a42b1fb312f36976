"""`stock-service runbook check`: would the runbook's lines work from here, tonight?"""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path

import click

from stock_service.cli.ask import json_option
from stock_service.cli.reports import end_with
from stock_service.cli.tables import write_table
from stock_service.operate.checks import all_good
from stock_service.operate.checks import as_json as checks_as_json
from stock_service.operate.cluster import run_program
from stock_service.operate.runbook_lines import check_lines
from stock_service.operate.runbook_page import TwoSections, sections_of

_PATIENCE = 30.0  # seconds a line


@click.group("runbook")
def runbook() -> None:
    """What can be done with docs/runbook.md on a quiet day."""


@runbook.command("check")
@click.option(
    "--page",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    default="docs/runbook.md",
    show_default=True,
)
@click.option("--context", default="", help="The kubectl context; the current one when left out.")
@json_option
def check(page: Path, context: str, *, as_json: bool) -> None:
    """Run every line of the runbook that only looks, and say which would fail.

    What changes something, or needs a place of yours, is not run; its program has to be installed all the same.

    Exit codes: 0 all lines that were run worked, 1 one did not, 2 wrong call.
    """
    try:
        sections = sections_of(page.read_text())
    except TwoSections as error:
        raise click.UsageError(f"{page} has two sections called #{error.anchor}") from error
    found = check_lines(sections, context, partial(run_program, patience=_PATIENCE))
    if as_json:
        click.echo(json.dumps({"good": all_good(found), "checks": checks_as_json(found)}, indent=2))
    else:
        write_table(("FOUND", "TOLD", "LINE"), [(one.finding.value, one.told, one.name) for one in found])
    end_with(found)
