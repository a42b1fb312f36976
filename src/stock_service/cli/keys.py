"""`stock-service keys`: make, list, replace and withdraw client keys, in a file or at a running service, and show what
each has used.

A key is shown once, when it is made, and nowhere else; what is kept is its hash. Exit codes: 0 done, 1 no such key or
the service refused, 2 the request or the file is faulty or cannot be written, 3 nobody answers.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from stock_service.access.key_orders import GRACE_FOR, KeyOrder, RotateOrder
from stock_service.access.keys import KeysFaulty
from stock_service.base.clock import SystemClock
from stock_service.base.errors import BadRequest, NotFound
from stock_service.cli.ask import fetch, fetch_json, json_option, key_option, url_option
from stock_service.cli.exit_codes import ExitCode
from stock_service.cli.key_places import FilePlace, Place, ServicePlace, Shown
from stock_service.cli.tables import write_table

_HEAD = ("ID", "NAME", "STATE", "LIMIT", "RIGHTS", "EXPIRES")

_file = click.option(
    "--file",
    "file",
    envvar="STOCKS_ACCESS__KEYS_FILE",
    show_envvar=True,
    type=click.Path(dir_okay=False, path_type=Path),
    help="The keys file.",
)
_url = click.option("--url", metavar="URL", help="A running service that keeps the keys, instead of --file.")


def _placed(command: Callable[..., None]) -> Callable[..., None]:
    """Give `command` the options that say where the keys are."""
    return _file(_url(key_option(command)))


def _place(file: Path | None, url: str | None, key: str | None) -> Place:
    if url is not None:
        return ServicePlace(url, key)
    if file is None:
        raise click.UsageError("say where the keys are: --file FILE, or --url URL and an admin key")
    return FilePlace(file, SystemClock())


@click.group("keys")
def keys() -> None:
    """Make, list, replace and withdraw client keys."""


@keys.command()
@click.argument("name")
@click.option("--admin", is_flag=True, help="May use /admin.")
@click.option("--no-cache", is_flag=True, help="May force a vendor call with Cache-Control: no-cache.")
@click.option("--rate", default="", metavar="N/SPAN", help="Request limit: 100/s, 5/m, 1000/h. Default: none.")
@click.option("--burst", type=click.IntRange(min=1), help="Requests at once. Default: the count of --rate.")
@click.option("--expires", default="", metavar="SPAN", help="Valid for 90d, 12w or 1y. Default: until revoked.")
@_placed
def create(
    name: str,
    *,
    admin: bool,
    no_cache: bool,
    rate: str,
    burst: int | None,
    expires: str,
    file: Path | None,
    url: str | None,
    key: str | None,
) -> None:
    """Make a key for NAME and print it, alone, on standard output."""
    rights = tuple(right for right, wanted in (("admin", admin), ("no_cache", no_cache)) if wanted)
    order = KeyOrder(name=name, limit=rate, burst=burst, rights=rights, expires_after=expires)
    with _faults_told():
        shown, made = _place(file, url, key).create(order)
        click.echo(made)
        click.echo(f"Made key {shown['id']} for {name}. It is shown only now; running services take it.", err=True)


@keys.command("list")
@json_option
@_placed
def list_keys(*, as_json: bool, file: Path | None, url: str | None, key: str | None) -> None:
    """List the keys. With --json one object a line, for machines."""
    with _faults_told():
        shown = _place(file, url, key).listed()
    if as_json:
        for each in shown:
            click.echo(json.dumps(each, ensure_ascii=False))
        return
    if shown:
        write_table(_HEAD, [_row(each) for each in shown])
    else:
        click.echo("There are no keys in this file, or no such file yet.", err=True)


@keys.command()
@click.argument("key_id", metavar="ID")
@click.option("--grace", default=GRACE_FOR, metavar="SPAN", show_default=True, help="How long the old key still works.")
@_placed
def rotate(*, key_id: str, grace: str, file: Path | None, url: str | None, key: str | None) -> None:
    """Replace the key ID by a new one like it, and print that, alone, on standard output."""
    with _faults_told():
        fresh, old, made = _place(file, url, key).rotate(key_id, RotateOrder(grace))
        click.echo(made)
        click.echo(f"Made key {fresh['id']} instead of {old['id']}, which works until {old['expires']}.", err=True)


@keys.command()
@click.argument("key_id", metavar="ID")
@_placed
def revoke(*, key_id: str, file: Path | None, url: str | None, key: str | None) -> None:
    """Withdraw the key ID; running services refuse it within 5 s."""
    with _faults_told():
        shown = _place(file, url, key).revoke(key_id)
    click.echo(f"Revoked key {shown['id']} of {shown['name']}.")


@keys.command()
@click.option("--from", "first", default="", metavar="DAY", help="First day, YYYY-MM-DD. Default: a month back.")
@click.option("--to", "last", default="", metavar="DAY", help="Last day. Default: today.")
@click.option("--csv", "as_csv", is_flag=True, help="Every day of every key as CSV.")
@json_option
@url_option
@key_option
def usage(*, first: str, last: str, as_csv: bool, as_json: bool, url: str, key: str | None) -> None:
    """Show what each key has used: requests, and the vendor calls they caused. Needs an admin key."""
    span = {"from": first, "to": last}
    if as_csv:
        click.echo(fetch(url, "/admin/usage", {**span, "format": "csv"}, key, 30.0).decode(), nl=False)
        return
    report = fetch_json(url, "/admin/usage", span, key, needs=("scope", "totals", "from", "to"))
    if as_json:
        click.echo(json.dumps(report, indent=2, ensure_ascii=False))
        return
    head = ("ID", "NAME", "REQUESTS", "VENDOR CALLS", "LIMITED")
    write_table(head, [_used(each) for each in report["totals"]], frozenset({2, 3, 4}))
    whose = "by all instances" if report["scope"] == "fleet" else "by the instance that answered, since it started"
    click.echo(f"{report['from']} to {report['to']}, {whose}", err=True)


def _used(total: dict[str, Any]) -> tuple[str, ...]:
    counts = (total[name] for name in ("requests", "vendor_calls", "limited"))
    return (total["client"], total["name"] or "-", *map(str, counts))


@contextmanager
def _faults_told() -> Iterator[None]:
    try:
        yield
    except NotFound as error:
        click.echo(f"No key has the id {error.name!r}.", err=True)
        sys.exit(ExitCode.FAILED)
    except BadRequest as error:
        click.echo(f"`{error.field}` {error.problem}" + (f"; {error.hint}" if error.hint else ""), err=True)
        sys.exit(ExitCode.FAULTY)
    except KeysFaulty as error:
        for fault in error.faults:
            click.echo(f"keys file: {fault}", err=True)
        sys.exit(ExitCode.FAULTY)
    except OSError as error:
        click.echo(f"keys file: cannot be written: {error.strerror}", err=True)
        sys.exit(ExitCode.FAULTY)


def _row(shown: Shown) -> tuple[str, ...]:
    limit = shown["limit"] + (f" burst {shown['burst']}" if shown["burst"] is not None else "")
    rights = ",".join(shown["rights"]) or "-"
    return (shown["id"], shown["name"], shown["state"], limit or "none", rights, (shown["expires"] or "never")[:10])
