"""`stock-service quality`: what is missing from or wrong with the bars of one ticker, and whose fault it is."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from typing import Any

import click

from stock_service.cli.ask import fetch_json, json_option, key_option, url_option, written
from stock_service.cli.exit_codes import ExitCode
from stock_service.cli.tables import write_table

_PATIENCE = 150.0  # seconds; the service takes up to 120 when the vendor's budget makes it wait
_DAY = click.DateTime(["%Y-%m-%d"])
_SHOWN = 20  # lines of one kind


@click.command("quality")
@click.argument("symbol")
@click.option("--from", "first", required=True, type=_DAY, metavar="YYYY-MM-DD", help="First day.")
@click.option("--to", "last", required=True, type=_DAY, metavar="YYYY-MM-DD", help="Last day.")
@click.option("--every", default="1d", show_default=True, help="Size of a bar, a day or shorter: 1m, 5m, 1h, 1d.")
@click.option("--unadjusted", is_flag=True, help="Bars not adjusted for splits.")
@click.option("--no-compare", is_flag=True, help="Do not ask the vendor: gaps only, no verdict.")
@url_option
@key_option
@json_option
def quality(  # one argument for each option
    symbol: str,
    first: Any,
    last: Any,
    every: str,
    url: str,
    key: str | None,
    *,
    unadjusted: bool,
    no_compare: bool,
    as_json: bool,
) -> None:
    """Compare the bars of SYMBOL with the calendar and with what the vendor says now; end with a verdict.

    Exit codes: 0 nothing wrong, 1 something is (or the service refused), 2 wrong call, 3 nobody answers.
    """
    parameters = {
        "from": first.date().isoformat(),
        "to": last.date().isoformat(),
        "every": every,
        "adjusted": "false" if unadjusted else "true",
        "compare": "false" if no_compare else "true",
    }
    report = fetch_json(url, f"/api/stocks/{symbol}/quality", parameters, key, _PATIENCE, needs=("verdict", "gaps"))
    if as_json:
        click.echo(json.dumps(report, indent=2))
    else:
        _show(report)
    wrong = report["gaps"]["missing"] or report["gaps"]["partial"] or (report["changes"] or {}).get("changed")
    sys.exit(ExitCode.FAILED if wrong else ExitCode.DONE)


def _show(report: dict[str, Any]) -> None:
    rows = list(_findings(report))
    if rows:
        write_table(("FOUND", "WHEN", "WHAT"), rows)
        click.echo()
    gaps = report["gaps"]
    click.echo(f"{report['symbol']}, {report['every']}: {report['bars']} bars in {gaps['sessions']} sessions", nl=False)
    before = f", {gaps['before_first']} of them before the first bar" if gaps["before_first"] else ""
    thin = report["bars"] and not gaps["dense"] and not report["every"].endswith("day")
    click.echo(before + ("; it does not trade all day, so short times without a bar are no gap" if thin else ""))
    if report["changes"] is not None:
        click.echo(
            f"{report['changes']['compared']} held bars compared with the vendor, up to {report['compared_until']}"
        )
    if report["request_ids"]:
        click.echo(f"the vendor's request ids: {', '.join(report['request_ids'])}")
    click.echo(f"\nVerdict: {report['verdict']}. {report['told']}\n{report['advice']}")


def _findings(report: dict[str, Any]) -> Iterator[tuple[str, str, str]]:
    gaps, changes = report["gaps"], report["changes"] or {"changed": 0, "examples": []}
    yield from _some("no bars", [(day, "a session without a bar") for day in gaps["missing"]])
    yield from _some(
        "too few bars",
        [
            (each["day"], f"{each['bars']} of {each['expected']}; none from {each['run_first']} to {each['run_last']}")
            for each in gaps["partial"]
        ],
    )
    yield from _some(
        "changed",
        [
            (each["time"], f"{each['field']}: held {written(each['held'])}, vendor {written(each['vendor'])}")
            for each in changes["examples"]
        ],
    )
    for each in report["splits"]:
        yield "split", each["day"], f"{each['split_from']:g} became {each['split_to']:g}"


def _some(found: str, lines: list[tuple[str, str]]) -> Iterator[tuple[str, str, str]]:
    for when, what in lines[:_SHOWN]:
        yield found, when, what
    if len(lines) > _SHOWN:
        yield found, "", f"and {len(lines) - _SHOWN} more; --json lists all"
