"""`stock-service purge`: have one ticker, or everything, forgotten by all instances, and say who was reached."""

from __future__ import annotations

import json
import sys
from typing import Any

import click

from stock_service.cli.ask import fetch_json, json_option, key_option, url_option
from stock_service.cli.exit_codes import ExitCode


@click.command("purge")
@click.argument("ticker", required=False)
@click.option("--everything", is_flag=True, help="All tickers, instead of one.")
@click.option("--preview", is_flag=True, help="Forget nothing; only say what that would be.")
@url_option
@key_option
@json_option
def purge(ticker: str | None, url: str, key: str | None, *, everything: bool, preview: bool, as_json: bool) -> None:
    """Forget what is kept of TICKER: what comes next is fetched from the vendor. Needs an admin key.

    Exit codes: 0 all instances that share a store or a folder with the one that was told are reached, 1 only that one
    (or it refused), 2 wrong call, 3 nobody answers.
    """
    if bool(ticker) is everything:
        raise click.UsageError("name one TICKER, or say --everything")
    order: dict[str, Any] = {"everything": True} if everything else {"ticker": ticker}
    needs = ("answers", "series", "bytes", "reached", "note")
    report = fetch_json(url, "/admin/purge", {}, key, order=order | {"preview": preview}, needs=needs)
    if as_json:
        click.echo(json.dumps(report, indent=2))
    else:
        of = "everything" if everything else ticker
        held = f"{report['answers']} answers and {report['series']} series of bars, {report['bytes']} bytes"
        click.echo(f"{of}: {held}\n{report['note']}")
    sys.exit(ExitCode.FAILED if report["reached"] == "cut_off" else ExitCode.DONE)
