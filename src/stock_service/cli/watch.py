"""`stock-service watch`: look at a service for a while after a deployment; end at the first breach."""

from __future__ import annotations

import click

from stock_service.base.clock import Clock, SystemClock, pause_thread
from stock_service.cli.ask import DEFAULT_URL, json_option, key_option
from stock_service.cli.parameters import duration_parameter
from stock_service.cli.reports import end_unreachable, end_with, show_checks
from stock_service.config.load import CLIENT_URL_VARIABLE
from stock_service.operate.asking import NobodyAnswers, Service
from stock_service.operate.checks import Check, all_good
from stock_service.operate.signals import read_scrape, signals_between
from stock_service.operate.watch import Bounds, judge_watch


@click.command("watch")
@click.argument("url", envvar=CLIENT_URL_VARIABLE, default=DEFAULT_URL)
@click.option("--for", "watch_for", type=duration_parameter("1s", "1d"), default="30m", show_default=True)
@click.option(
    "--every", type=duration_parameter("100ms", "1h"), default="15s", show_default=True, help="Between looks."
)
@click.option("--max-error-ratio", type=click.FloatRange(0, 1), default=0.01, show_default=True)
@click.option("--max-p95", type=duration_parameter("1ms", "10m"), default="2s", show_default=True)
@click.option("--max-memory", type=click.FloatRange(0, 1), default=0.9, show_default=True, help="Share of the limit.")
@key_option
@json_option
def watch(  # one argument for each option
    url: str,
    watch_for: float,
    every: float,
    max_error_ratio: float,
    max_p95: float,
    max_memory: float,
    key: str | None,
    *,
    as_json: bool,
) -> None:
    """Watch errors, latency and memory of the service at URL, from now on.

    It sees one pod: the one its connection reaches. Exit codes: 0 within bounds to the end, 1 a bound was exceeded,
    2 wrong call, 3 nobody answers.
    """
    bounds = Bounds(max_error_ratio, max_p95, max_memory)
    try:
        checks = _watch(Service(url, key), bounds, watch_for, every, SystemClock())
    except NobodyAnswers as error:
        end_unreachable(error)
    show_checks(checks, as_json_text=as_json)
    end_with(checks)


def _watch(service: Service, bounds: Bounds, watch_for: float, every: float, clock: Clock) -> list[Check]:
    """Return the checks of the whole time, or of the time up to the first breach."""
    until = clock.monotonic() + watch_for
    first = read_scrape(service.ask("/metrics").body.decode())
    while True:
        pause_thread(max(0.0, min(every, until - clock.monotonic())))
        latest = read_scrape(service.ask("/metrics").body.decode())
        checks = judge_watch(signals_between(first, latest), bounds)
        if not all_good(checks) or clock.monotonic() >= until:
            return checks
