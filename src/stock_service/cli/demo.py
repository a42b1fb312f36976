"""`stock-service demo`: the gateway in front of a simulated vendor, in one process and with nothing else needed."""

from __future__ import annotations

import sys

import click

from stock_service.base.clock import SystemClock
from stock_service.cli.first_screen import first_screen
from stock_service.cli.loading import load_or_exit
from stock_service.cli.parameters import duration_parameter
from stock_service.cli.starting import run_or_exit
from stock_service.config.load import Loaded
from stock_service.simulator.server import SimulatorSettings, start_simulator
from stock_service.wiring.process import run_gateway

_KEY = "demo-key"
_HEADROOM_SECONDS = 1.0  # ours is a little longer than the vendor's window: clocks differ, and so do arrival times


@click.command()
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    envvar="STOCKS_SERVER__PORT",
    default=8080,
    show_default=True,
    help="0: any free one. STOCKS_SERVER__PORT counts too.",
)
@click.option(
    "--calls", type=click.IntRange(1), default=100, show_default=True, help="Calls the plan allows within --per."
)
@click.option("--per", type=duration_parameter("100ms", "1d"), default="1s", show_default=True, help="That window.")
@click.option("--seed", type=int, default=1, show_default=True, help="Other seeds give other prices.")
def demo(port: int, calls: int, per: float, seed: int) -> None:
    """Run the service in front of a simulated vendor.

    Prices are made up, the same for the same seed. The free plan: --calls 5 --per 60s
    """
    run_or_exit(_run(port, SimulatorSettings(port=0, seed=seed, key=_KEY, calls=calls, per=per)), f"port {port}")
    sys.exit(0)


async def _run(port: int, settings: SimulatorSettings) -> None:
    simulator = await start_simulator(settings, SystemClock())
    try:
        loaded = _load(port, settings, simulator.url)

        def announce(address: str, plan: str) -> None:
            click.echo(first_screen(loaded.settings, address, plan, simulated=True), err=True)

        await run_gateway(loaded, announce)
    finally:
        await simulator.stop()


def _load(port: int, settings: SimulatorSettings, vendor_url: str) -> Loaded:
    slack = min(_HEADROOM_SECONDS, 0.05 * settings.per)
    return load_or_exit(
        None,
        {
            "server.port": port,
            "upstream.url": vendor_url,
            "upstream.api_key": _KEY,
            "quota.calls": settings.calls,
            "quota.per": f"{round((settings.per + slack) * 1000)}ms",
            "server.drain_wait": "0",  # nobody balances load before a demo: Ctrl-C ends it at once
        },
    )
