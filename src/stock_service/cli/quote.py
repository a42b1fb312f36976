"""`stock-service quote`: latest prices from a running service."""

from __future__ import annotations

import json
import sys
from typing import Any

import click

from stock_service.cli.ask import fetch_json, json_option, key_option, url_option, written
from stock_service.cli.exit_codes import ExitCode
from stock_service.cli.tables import write_table

_HEAD = ("SYMBOL", "PRICE", "CHANGE", "CHANGE %", "LOW", "HIGH", "SESSION", "AGE")
_NUMBERS = frozenset({1, 2, 3, 4, 5, 7})


@click.command("quote")
@click.argument("symbols", nargs=-1, required=True, metavar="SYMBOL…")
@url_option
@key_option
@json_option
def quote(symbols: tuple[str, ...], url: str, key: str | None, *, as_json: bool) -> None:
    """Show the latest price of each SYMBOL.

    Exit codes: 0 all shown, 1 a symbol is unknown or the service refused, 2 wrong call, 3 nobody answers.
    """
    wanted = ",".join(part for symbol in symbols for part in symbol.split(",") if part)
    answer = fetch_json(url, "/api/stocks", {"symbols": wanted}, key, needs=("quotes", "missing"))
    if as_json:
        click.echo(json.dumps(answer, indent=2))
    elif answer["quotes"]:
        write_table(_HEAD, [_row(found) for found in answer["quotes"]], _NUMBERS)
    if answer["missing"]:
        click.echo(f"unknown to the vendor: {', '.join(answer['missing'])}", err=True)
        sys.exit(ExitCode.FAILED)


def _row(found: dict[str, Any]) -> tuple[str, ...]:
    return (
        found["symbol"],
        written(found["price"], "{:,.2f}".format),
        written(found["change"], "{:+,.2f}".format),
        written(found["change_percent"], "{:+.2f}".format),
        written(found["low"], "{:,.2f}".format),
        written(found["high"], "{:,.2f}".format),
        found["session"],
        f"{found['age_seconds']}s{' stale' if found['stale'] else ''}",
    )
