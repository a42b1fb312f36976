"""`stock-service simulate`: the simulated vendor alone, on loopback, for tests and experiments.

It never listens elsewhere: its switchboard under `/__simulator__/` asks nobody for a key.
"""

from __future__ import annotations

import sys
from pathlib import Path

import click

from stock_service.base.clock import SystemClock
from stock_service.cli.exit_codes import ExitCode
from stock_service.cli.parameters import duration_parameter
from stock_service.cli.starting import run_or_exit
from stock_service.simulator.server import SimulatorSettings, run_simulator
from stock_service.simulator.world import Plan

_readable = click.Path(exists=True, path_type=Path)


@click.command("simulate")
@click.option("--port", type=click.IntRange(0, 65535), default=9000, show_default=True, help="0: any free one.")
@click.option("--seed", type=int, default=1, show_default=True, help="Other seeds give other prices.")
@click.option("--key", default="demo-key", show_default=True, help="The vendor key it accepts.")
@click.option("--calls", type=click.IntRange(1), help="Calls the key may make within --per. Default: any number.")
@click.option("--per", type=duration_parameter("100ms", "1d"), default="60s", show_default=True, help="That window.")
@click.option(
    "--plan",
    type=click.Choice([plan.value for plan in Plan]),
    default=Plan.PAID.value,
    show_default=True,
    help="What the key is entitled to.",
)
@click.option("--replay", type=_readable, metavar="PATH", help="Folder or file of real daily bars in CSV.")
@click.option("--examples", type=_readable, metavar="FILE", help="OpenAPI description whose examples are answered.")
def simulate(  # one argument for each option
    port: int, seed: int, key: str, calls: int | None, per: float, plan: str, replay: Path | None, examples: Path | None
) -> None:
    """Run the simulated vendor alone.

    Prices are made up, the same for the same seed. The free plan: --plan basic --calls 5 --per 60s

    Exit codes: 0 told to leave, 2 wrong call, taken port or unreadable file.
    """
    settings = SimulatorSettings(
        port=port, seed=seed, key=key, calls=calls, per=per, plan=Plan(plan), replay=replay, examples=examples
    )
    limit = f"{calls} calls per {per:g} s" if calls else "no call limit"

    def announce(url: str) -> None:
        click.echo(
            f"Simulated vendor at {url}, {settings.plan} plan, {limit}. Put the service in front of it:", err=True
        )
        click.echo(f"  STOCKS_UPSTREAM__URL={url} STOCKS_UPSTREAM__API_KEY=<the --key> stock-service serve", err=True)

    try:
        run_or_exit(run_simulator(settings, SystemClock(), announce), f"port {port}")
    except ValueError as error:
        click.echo(f"simulate: {error}", err=True)
        sys.exit(ExitCode.FAULTY)
