"""Reads the settings for a command, or says every fault and ends with exit code 2."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path

import click

from stock_service.cli.exit_codes import ExitCode
from stock_service.config.load import ConfigFaulty, Loaded, load_settings

config_option = click.option(
    "--config",
    "config_path",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="TOML file of settings. Default: the one STOCKS_CONFIG names.",
)


def load_or_exit(config_path: Path | None, flags: Mapping[str, object] | None = None) -> Loaded:
    """Return the settings in force. `flags` are values by dotted name; None counts as not given."""
    try:
        return load_settings(config_path, flags=flags)
    except ConfigFaulty as error:
        for fault in error.faults:
            click.echo(f"configuration: {fault}", err=True)
        sys.exit(ExitCode.FAULTY)
