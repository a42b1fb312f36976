"""`stock-service backup`, `restore` and `diff`: configuration of a release, kept, brought back and compared.

They use the operator's own helm and kubectl.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from stock_service.base.clock import SystemClock
from stock_service.cli.ask import json_option
from stock_service.cli.exit_codes import ExitCode
from stock_service.cli.tables import write_table
from stock_service.operate.backup import NoBackup, Release, SecretsMissing, live_objects, restore_backup, write_backup
from stock_service.operate.cluster import Cluster, ClusterRefused
from stock_service.operate.objects import differences

_namespace = click.option("--namespace", default="stock-service", show_default=True)
_release = click.option("--release", default="stock-service", show_default=True)
_context = click.option("--context", default="", help="The kubectl context; the current one when left out.")


@click.command("backup")
@_namespace
@_release
@_context
@click.option("--dir", "place", type=click.Path(file_okay=False, path_type=Path), required=True, help="Where to.")
@json_option
def backup(namespace: str, release: str, context: str, place: Path, *, as_json: bool) -> None:
    """Write values, manifest and every object of a release into a directory. Secrets are left out.

    Exit codes: 0 written, 1 kubectl or helm refused, 2 wrong call.
    """
    with _refusals():
        objects = write_backup(Cluster(namespace, context), Release(release), place, SystemClock())
    kinds = sorted({obj["kind"] for obj in objects})
    if as_json:
        click.echo(json.dumps({"dir": str(place), "objects": len(objects), "kinds": kinds}))
        return
    click.echo(f"{len(objects)} objects in {place}: {', '.join(kinds)}")


@click.command("restore")
@_namespace
@_release
@_context
@click.option("--dir", "place", type=click.Path(exists=True, file_okay=False, path_type=Path), required=True)
@click.option("--chart", default="./charts/stock-service", show_default=True)
@json_option
def restore(namespace: str, release: str, context: str, place: Path, chart: str, *, as_json: bool) -> None:
    """Install or upgrade a release with the values of a backup.

    The namespace and the Secrets must be there; those that are missing are named, and nothing is changed.

    Exit codes: 0 restored, 1 something is missing or was refused, 2 wrong call.
    """
    with _refusals():
        told = restore_backup(Cluster(namespace, context), Release(release, chart), place)
    click.echo(json.dumps({"release": release, "namespace": namespace, "told": told}) if as_json else told)


@click.command("diff")
@_namespace
@_release
@click.option("--context", "contexts", multiple=True, required=True, help="Twice: the two contexts to compare.")
@json_option
def diff(namespace: str, release: str, contexts: tuple[str, ...], *, as_json: bool) -> None:
    """Compare the live configuration of a release in two clusters.

    Exit codes: 0 no difference, 1 some, or kubectl refused, 2 wrong call.
    """
    if len(contexts) != 2:
        raise click.UsageError("give --context twice")
    with _refusals():
        here, there = (live_objects(Cluster(namespace, context), Release(release)) for context in contexts)
    found = differences(here, there)
    if as_json:
        click.echo(json.dumps([{"where": where, "here": a, "there": b} for where, a, b in found], indent=2))
    elif found:
        write_table(("WHERE", contexts[0].upper(), contexts[1].upper()), found)
    else:
        click.echo("no difference")
    sys.exit(ExitCode.FAILED if found else ExitCode.DONE)


@contextmanager
def _refusals() -> Iterator[None]:
    """Tell what kubectl or helm refused, and end."""
    try:
        yield
    except ClusterRefused as error:
        click.echo(f"{error.program}: {error.told}", err=True)
        sys.exit(ExitCode.FAILED)
    except NoBackup as error:
        click.echo(f"{error.place} holds no whole backup; stock-service backup writes one", err=True)
        sys.exit(ExitCode.FAILED)
    except OSError as error:
        click.echo(f"cannot use {error.filename}: {error.strerror}", err=True)
        sys.exit(ExitCode.FAILED)
    except SecretsMissing as error:
        click.echo(f"create these Secrets first: {', '.join(error.names)}", err=True)
        sys.exit(ExitCode.FAILED)
