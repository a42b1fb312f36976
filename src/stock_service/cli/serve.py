"""`stock-service serve`: run the gateway until it is told to leave."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from stock_service.cli.first_screen import first_screen
from stock_service.cli.loading import config_option, load_or_exit
from stock_service.cli.starting import run_or_exit
from stock_service.wiring.process import run_gateway


@click.command()
@config_option
@click.option("--host", help="Address to listen on (server.host).")
@click.option("--port", type=int, help="Port to listen on (server.port); 0: any free one.")
@click.option("--record", metavar="DIR", help="Keep the vendor's answers in DIR (upstream.record_dir).")
@click.option("--replay", metavar="DIR", help="Answer from those in DIR, without a vendor (upstream.replay_dir).")
def serve(config_path: Path | None, host: str | None, port: int | None, record: str | None, replay: str | None) -> None:
    """Run the service in front of the vendor, or with --replay in front of nothing but recorded answers.

    Needs the vendor key: STOCKS_UPSTREAM__API_KEY, POLYGON_API_KEY or MASSIVE_API_KEY. SIGTERM lets it leave without
    losing a request; a second signal ends it at once.
    """
    flags = {"server.host": host, "server.port": port, "upstream.record_dir": record, "upstream.replay_dir": replay}
    loaded = load_or_exit(config_path, flags)

    def announce(address: str, plan: str) -> None:
        click.echo(first_screen(loaded.settings, address, plan), err=True)

    server = loaded.settings.server
    run_or_exit(run_gateway(loaded, announce), f"{server.host}:{server.port}")
    sys.exit(0)
