"""`stock-service keys`: make, list and revoke client keys.

A key is shown once, when it is made, and nowhere else; the file holds its hash. Exit codes: 0 done, 1 no such key,
2 the request or the file is faulty or cannot be written.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import click
import msgspec

from stock_service.access.key_store import KeyStore
from stock_service.access.keys import KeyRecord, KeysFaulty, Right, hash_key, make_key
from stock_service.access.quota import parse_limit
from stock_service.base.clock import Clock, SystemClock
from stock_service.base.errors import NotFound
from stock_service.cli.exit_codes import ExitCode
from stock_service.cli.tables import write_table

_HEAD = ("ID", "NAME", "STATE", "LIMIT", "RIGHTS", "EXPIRES")
_DAYS = {"d": 1, "w": 7, "y": 365}
_SPAN = re.compile(r"(\d{1,5})([dwy])\Z", re.ASCII)


def _store_of(_context: click.Context, _option: click.Parameter, path: Path) -> KeyStore:
    return KeyStore(path)


_file = click.option(
    "--file",
    "store",
    envvar="STOCKS_ACCESS__KEYS_FILE",
    required=True,
    show_envvar=True,
    type=click.Path(dir_okay=False, path_type=Path),
    callback=_store_of,
    help="The keys file.",
)


@click.group("keys")
def keys() -> None:
    """Make, list and revoke client keys."""


@keys.command()
@click.argument("name")
@click.option("--admin", is_flag=True, help="May use /admin.")
@click.option("--no-cache", is_flag=True, help="May force a vendor call with Cache-Control: no-cache.")
@click.option("--rate", default="", metavar="N/SPAN", help="Request limit: 100/s, 5/m, 1000/h. Default: none.")
@click.option("--burst", type=click.IntRange(min=1), help="Requests at once. Default: the count of --rate.")
@click.option("--expires", default="", metavar="SPAN", help="Valid for 90d, 12w or 1y. Default: until revoked.")
@_file
def create(
    store: KeyStore, name: str, *, admin: bool, no_cache: bool, rate: str, burst: int | None, expires: str
) -> None:
    """Make a key for NAME and print it, alone, on standard output."""
    now = _instant(SystemClock())
    key_id, key = make_key()
    if rate or burst is not None:
        _check_limit(rate, burst)
    record = KeyRecord(
        id=key_id,
        name=name,
        sha256=hash_key(key),
        created=now,
        expires=now + _span_of(expires) if expires else None,
        rights=tuple(right for right, wanted in ((Right.ADMIN, admin), (Right.NO_CACHE, no_cache)) if wanted),
        limit=rate,
        burst=burst,
    )
    with _faults_told():
        store.add(record)
    click.echo(key)
    click.echo(f"Made key {key_id} for {name}. It is shown only now; a running service takes it within 2 s.", err=True)


@keys.command("list")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line, for machines.")
@_file
def list_keys(store: KeyStore, *, as_json: bool) -> None:
    """List the keys, oldest first."""
    now = _instant(SystemClock())
    with _faults_told():
        records = store.records()
    if as_json:
        for record in records:
            shown = {**msgspec.to_builtins(record), "state": _state_of(record, now)}
            del shown["sha256"]
            click.echo(json.dumps(shown, ensure_ascii=False))
        return
    if records:
        write_table(_HEAD, [_row_of(record, now) for record in records])
    else:
        click.echo("There are no keys in this file, or no such file yet.", err=True)


@keys.command()
@click.argument("key_id", metavar="ID")
@_file
def revoke(store: KeyStore, key_id: str) -> None:
    """Withdraw the key ID; a running service refuses it within 5 s."""
    try:
        with _faults_told():
            record = store.revoke(key_id, _instant(SystemClock()))
    except NotFound:
        click.echo(f"No key has the id {key_id!r}.", err=True)
        sys.exit(ExitCode.FAILED)
    click.echo(f"Revoked key {record.id} of {record.name}.")


@contextmanager
def _faults_told() -> Iterator[None]:
    try:
        yield
    except KeysFaulty as error:
        for fault in error.faults:
            click.echo(f"keys file: {fault}", err=True)
        sys.exit(ExitCode.FAULTY)
    except OSError as error:
        click.echo(f"keys file: cannot be written: {error.strerror}", err=True)
        sys.exit(ExitCode.FAULTY)


def _check_limit(rate: str, burst: int | None) -> None:
    try:
        parse_limit(rate, burst)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--rate") from error


def _span_of(text: str) -> timedelta:
    found = _SPAN.match(text)
    if found is None or int(found[1]) == 0:
        raise click.BadParameter(f"{text!r} is not a span such as 90d, 12w or 1y", param_hint="--expires")
    return timedelta(days=int(found[1]) * _DAYS[found[2]])


def _instant(clock: Clock) -> datetime:
    return datetime.fromtimestamp(int(clock.wall()), tz=UTC)


def _state_of(record: KeyRecord, now: datetime) -> str:
    if record.revoked is not None:
        return "revoked"
    return "expired" if record.expires is not None and now >= record.expires else "valid"


def _row_of(record: KeyRecord, now: datetime) -> tuple[str, ...]:
    limit = record.limit + (f" burst {record.burst}" if record.burst is not None else "")
    expires = record.expires.date().isoformat() if record.expires is not None else "never"
    return (record.id, record.name, _state_of(record, now), limit or "none", ",".join(record.rights) or "-", expires)
