"""`stock-service`: names the commands and loads the one that is asked for, so that `--help` starts nothing.

Exit codes of all commands: see `cli/exit_codes.py`.
"""

from __future__ import annotations

import os
import signal
import sys
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Final

import click

from stock_service import __version__


@dataclass(frozen=True, slots=True)
class Target:
    """Where a command lives, and the line `--help` shows for it."""

    module: str
    attribute: str
    about: str


COMMANDS: Final = {
    "demo": Target("stock_service.cli.demo", "demo", "Run the service in front of a simulated vendor."),
    "serve": Target("stock_service.cli.serve", "serve", "Run the service."),
    "simulate": Target("stock_service.cli.simulate", "simulate", "Run the simulated vendor alone."),
    "config": Target("stock_service.cli.config", "config", "Show the settings in force and where each comes from."),
    "status": Target("stock_service.cli.status", "status", "Show the state of a running service."),
    "quote": Target("stock_service.cli.quote", "quote", "Ask a running service for latest prices."),
    "bars": Target("stock_service.cli.bars", "bars", "Ask a running service for bars."),
    "quality": Target(
        "stock_service.cli.quality", "quality", "Say what is wrong with a ticker's bars, and whose fault it is."
    ),
    "purge": Target("stock_service.cli.purge", "purge", "Have a ticker, or everything, forgotten by all instances."),
    "keys": Target("stock_service.cli.keys", "keys", "Make, list, replace and withdraw client keys."),
    "doctor": Target("stock_service.cli.doctor", "doctor", "Look at a service or a namespace; name the likely cause."),
    "smoke": Target("stock_service.cli.smoke", "smoke", "The strict gate after a deployment."),
    "watch": Target("stock_service.cli.watch", "watch", "Watch a service for a while; end at the first breach."),
    "drill": Target("stock_service.cli.drill", "drill", "Rehearse one trouble against a simulated vendor."),
    "runbook": Target("stock_service.cli.runbook", "runbook", "Would the runbook's lines work from here?"),
    "backup": Target("stock_service.cli.recovery", "backup", "Write the configuration of a release to a directory."),
    "restore": Target("stock_service.cli.recovery", "restore", "Bring a release back from a backup."),
    "diff": Target("stock_service.cli.recovery", "diff", "Compare a release in two clusters."),
}


class LazyGroup(click.Group):
    """Imports a command's module when it is run, not before."""

    def main(self, *args: Any, **extra: Any) -> Any:
        """Run as a program."""
        if os.getpid() == 1:
            # The first process of a container, which never sees a SIGTERM it has no handler for: a pod deleted while
            # it loads and starts would stay until it is killed. The server puts its own handler in place.
            signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
        return super().main(*args, **extra)

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names in the order of the table."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return the command, importing its module."""
        target = COMMANDS.get(cmd_name)
        if target is None:
            return None
        command = getattr(import_module(target.module), target.attribute)
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list out of the table alone."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, target.about) for name, target in COMMANDS.items()])


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120})
@click.version_option(__version__, prog_name="stock-service")
def main() -> None:
    """Stock Service: a market-aware gateway in front of a market-data vendor.

    Start with `stock-service demo`. Settings are listed by `stock-service config`.
    """
