"""How the operators' commands show what they found, and with which code they end."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from typing import NoReturn

import click

from stock_service.cli.exit_codes import ExitCode
from stock_service.cli.tables import write_table
from stock_service.operate.asking import NobodyAnswers
from stock_service.operate.checks import Check, Finding, all_good, as_json
from stock_service.operate.signals import NoMetrics


def show_checks(checks: Sequence[Check], *, as_json_text: bool) -> None:
    """Write the checks as a table, or as JSON for machines."""
    if as_json_text:
        click.echo(json.dumps({"good": all_good(checks), "checks": as_json(checks)}, indent=2))
        return
    rows = [(one.finding.value, one.name, _place(one), one.told) for one in checks]
    write_table(("FOUND", "CHECK", "RUNBOOK", "TOLD"), rows)


def _place(one: Check) -> str:
    """Where to read on, which nobody needs who has nothing wrong."""
    return f"#{one.anchor}" if one.anchor and one.finding is Finding.BAD else ""


def end_with(checks: Sequence[Check]) -> NoReturn:
    """End with 0 when nothing is bad, else with 1."""
    sys.exit(ExitCode.DONE if all_good(checks) else ExitCode.FAILED)


def told_unreachable(error: NobodyAnswers) -> str:
    """Return that nobody answers, in words."""
    return f"no service answers at {error.url} ({error.reason})"


def end_unreachable(error: NobodyAnswers) -> NoReturn:
    """End because nobody answers."""
    click.echo(told_unreachable(error), err=True)
    sys.exit(ExitCode.UNREACHABLE)


def end_without_metrics(url: str, error: NoMetrics) -> NoReturn:
    """End because somebody answers, and does not tell its metrics."""
    click.echo(f"{url}: {error.reason}", err=True)
    sys.exit(ExitCode.FAILED)
