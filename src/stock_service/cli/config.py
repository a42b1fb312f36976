"""`stock-service config`: the settings in force, each with where it comes from; stars for secrets."""

from __future__ import annotations

import json
from pathlib import Path

import click

from stock_service.cli.loading import config_option, load_or_exit
from stock_service.cli.tables import write_table
from stock_service.config.load import Loaded
from stock_service.config.sections import FIELDS


@click.command("config")
@config_option
@click.option("--json", "as_json", is_flag=True, help="One JSON object, for machines.")
def config(config_path: Path | None, *, as_json: bool) -> None:
    """Show the settings in force and where each comes from.

    Exit codes: 0 usable, 2 faulty (every fault is listed).
    """
    loaded = load_or_exit(config_path)
    if as_json:
        click.echo(json.dumps(_as_object(loaded), indent=2))
        return
    rows = [(field.variable, field.written_in(loaded.settings), loaded.sources[field.name]) for field in FIELDS]
    write_table(("VARIABLE", "VALUE", "FROM"), rows)
    for warning in loaded.warnings:
        click.echo(f"warning: {warning}", err=True)


def _as_object(loaded: Loaded) -> dict[str, object]:
    described = {
        field.name: {
            "value": field.written_in(loaded.settings),
            "source": loaded.sources[field.name],
            "variable": field.variable,
        }
        for field in FIELDS
    }
    return {"settings": described, "warnings": list(loaded.warnings)}
