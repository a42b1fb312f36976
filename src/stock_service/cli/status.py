"""`stock-service status`: the snapshot a running service gives of itself."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import click

from stock_service.cli.ask import fetch_json, json_option, key_option, url_option, written
from stock_service.cli.tables import write_table


@click.command("status")
@click.argument("address", metavar="[URL]", default="")
@url_option
@key_option
@json_option
def status(address: str, url: str, key: str | None, *, as_json: bool) -> None:
    """Show the state of the service at URL, which may also be given as --url.

    Exit codes: 0 shown, 1 the service refused, 2 wrong call, 3 nobody answers.
    """
    snapshot = fetch_json(address or url, "/status", {}, key, needs=("version", "readiness"))
    if as_json:
        click.echo(json.dumps(snapshot, indent=2))
        return
    write_table(("PART", "STATE"), list(_lines("", snapshot)))


def _lines(name: str, value: Any) -> Iterator[tuple[str, str]]:
    """Yield one line for each leaf, named by its path."""
    if isinstance(value, dict) and value:
        for key, part in value.items():
            yield from _lines(f"{name}.{key}" if name else str(key), part)
    elif isinstance(value, list) and any(isinstance(part, dict | list) for part in value):
        for index, part in enumerate(value):
            yield from _lines(f"{name}.{index}", part)
    elif isinstance(value, list):
        yield name, ", ".join(map(str, value)) or "none"
    elif isinstance(value, bool):
        yield name, "yes" if value else "no"
    else:
        yield name, "none" if value == {} else written(value)
