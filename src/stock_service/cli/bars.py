"""`stock-service bars`: bars from a running service, as a table or in a form for files."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from stock_service.cli.ask import fetch, fetch_json, key_option, url_option, written
from stock_service.cli.exit_codes import ExitCode
from stock_service.cli.tables import write_table

_HEAD = ("TIME", "OPEN", "HIGH", "LOW", "CLOSE", "VOLUME")
_BINARY = frozenset({"arrow", "parquet"})
_PATIENCE = 150.0  # seconds; the service takes up to 120 when its pages wait for the vendor's quota
_DAY = click.DateTime(["%Y-%m-%d"])


@click.command("bars")
@click.argument("symbol")
@click.option("--from", "first", required=True, type=_DAY, metavar="YYYY-MM-DD", help="First day.")
@click.option("--to", "last", required=True, type=_DAY, metavar="YYYY-MM-DD", help="Last day.")
@click.option("--every", default="1d", show_default=True, help="Size of a bar: 1m, 5m, 1h, 1d, 1w, 1mo, 1q, 1y.")
@click.option("--unadjusted", is_flag=True, help="Not adjusted for splits.")
@click.option(
    "--format",
    "form",
    type=click.Choice(["table", "json", "csv", "arrow", "parquet"]),
    default="table",
    show_default=True,
    help="Form of the output.",
)
@click.option("--output", type=click.Path(dir_okay=False, path_type=Path), help="File to write instead of the screen.")
@url_option
@key_option
def bars(  # one argument for each option
    symbol: str,
    first: Any,
    last: Any,
    every: str,
    form: str,
    output: Path | None,
    url: str,
    key: str | None,
    *,
    unadjusted: bool,
) -> None:
    """Show the bars of SYMBOL from a first to a last day, all of them.

    Exit codes: 0 shown, 1 the service refused, 2 wrong call, 3 nobody answers.
    """
    path = f"/api/stocks/{symbol}/bars"
    parameters = {
        "from": first.date().isoformat(),
        "to": last.date().isoformat(),
        "every": every,
        "adjusted": "false" if unadjusted else "true",
    }
    if form == "table":
        if output is not None:
            raise click.UsageError("a table goes to the screen; choose --format csv, json, arrow or parquet for a file")
        answer = fetch_json(url, path, parameters, key, _PATIENCE, needs=("bars",))
        if answer["bars"]:
            write_table(_HEAD, [_row(bar) for bar in answer["bars"]], frozenset(range(1, len(_HEAD))))
        else:
            click.echo(f"no bars of {symbol} from {parameters['from']} to {parameters['to']}", err=True)
        return
    if form in _BINARY and output is None and is_terminal():
        raise click.UsageError(f"{form} is not for the screen; name a file with --output")
    body = fetch(url, path, {**parameters, "format": form}, key, _PATIENCE)
    if output is not None:
        _write(output, body)
        return
    sys.stdout.buffer.write(body)


def _write(output: Path, body: bytes) -> None:
    try:
        output.write_bytes(body)
    except OSError as error:
        click.echo(f"cannot write {output}: {error.strerror}", err=True)
        sys.exit(ExitCode.FAILED)


def is_terminal() -> bool:
    """Return whether standard output is a screen."""
    return sys.stdout.isatty()


def _row(bar: dict[str, Any]) -> tuple[str, ...]:
    prices = (written(bar[name], "{:,.2f}".format) for name in ("open", "high", "low", "close"))
    return (bar["time"], *prices, written(bar["volume"], "{:,.0f}".format))
