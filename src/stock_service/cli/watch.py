"""`stock-service watch`: look at a service for a while after a deployment; end at the first breach."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable

import click

from stock_service.base.clock import Clock, SystemClock, pause_thread
from stock_service.cli.ask import DEFAULT_URL, checked_origin, json_option, key_option
from stock_service.cli.exit_codes import ExitCode
from stock_service.cli.parameters import duration_parameter
from stock_service.cli.reports import end_unreachable, end_with, end_without_metrics, show_checks
from stock_service.config.load import CLIENT_URL_VARIABLE
from stock_service.operate.asking import NobodyAnswers, Service
from stock_service.operate.checks import Check, all_good, check
from stock_service.operate.cluster import Cluster, ClusterRefused
from stock_service.operate.scraping import scrape_pods, scrape_service
from stock_service.operate.signals import NoMetrics, Scrape
from stock_service.operate.watch import Bounds, Watch

Look = Callable[[], Iterable[Scrape]]


@click.command("watch")
@click.argument("url", envvar=CLIENT_URL_VARIABLE, default=DEFAULT_URL, callback=checked_origin)
@click.option("--for", "watch_for", type=duration_parameter("1s", "1d"), default="30m", show_default=True)
@click.option(
    "--every", type=duration_parameter("100ms", "1h"), default="15s", show_default=True, help="Between looks."
)
@click.option("--namespace", help="Watch every pod of this namespace, with your kubectl, instead of URL.")
@click.option("--context", default="", help="The kubectl context of --namespace.")
@click.option("--max-error-ratio", type=click.FloatRange(0, 1), default=0.01, show_default=True)
@click.option("--max-p95", type=duration_parameter("1ms", "10m"), default="2s", show_default=True)
@click.option("--max-memory", type=click.FloatRange(0, 1), default=0.9, show_default=True, help="Share of the limit.")
@click.option("--max-cores", type=click.FloatRange(0), default=0.9, show_default=True, help="CPU of one pod.")
@key_option
@json_option
def watch(  # one argument for each option
    url: str,
    watch_for: float,
    every: float,
    namespace: str | None,
    context: str,
    max_error_ratio: float,
    max_p95: float,
    max_memory: float,
    max_cores: float,
    key: str | None,
    *,
    as_json: bool,
) -> None:
    """Watch errors, latency, memory and CPU, from now on.

    Behind one URL, each look reaches one of the pods; those it has reached are told apart. --namespace looks at all
    of them each time. Exit codes: 0 within bounds to the end, 1 a bound was exceeded, a pod fell silent or you
    stopped it, 2 wrong call, 3 nobody answers.
    """
    seen = Watch(Bounds(max_error_ratio, max_p95, max_memory, max_cores))
    look = _pods(Cluster(namespace, context)) if namespace else lambda: [scrape_service(Service(url, key))]
    clock = SystemClock()
    try:
        seen.see(look(), clock.monotonic())
    except NobodyAnswers as error:
        end_unreachable(error)
    except NoMetrics as error:
        end_without_metrics(namespace or url, error)
    except ClusterRefused as error:
        click.echo(f"{error.program}: {error.told}", err=True)
        sys.exit(ExitCode.UNREACHABLE)
    checks = _watch(look, seen, watch_for, every, clock)
    show_checks(checks, as_json_text=as_json)
    end_with(checks)


def _pods(cluster: Cluster) -> Look:
    """Return a look at every ready pod; one that starts, or leaves in this moment, owes no metrics."""

    def look() -> Iterable[Scrape]:
        found = scrape_pods(cluster, [pod for pod in cluster.pods() if pod.ready])
        still = {pod.name for pod in cluster.pods() if pod.ready} if found.silent else set()
        for name in still & found.silent.keys():
            raise NoMetrics(f"{name}: {found.silent[name]}")
        if not found.seen:
            raise NoMetrics("no pod is ready")
        return found.seen.values()

    return look


def _watch(look: Look, seen: Watch, watch_for: float, every: float, clock: Clock) -> list[Check]:
    """Return the checks of the whole time, or of the time up to the first breach; who stops early has no good end."""
    begun_at = clock.monotonic()
    try:
        click.echo("watching; the table comes at the end or at the first breach, Ctrl-C shows it now", err=True)
        while True:
            left = begun_at + watch_for - clock.monotonic()
            pause_thread(max(0.0, min(every, left)))
            seen.see(look(), clock.monotonic())
            checks = seen.judge()
            if not all_good(checks) or left <= every:
                return checks
    except KeyboardInterrupt:
        passed = clock.monotonic() - begun_at
        return [*seen.judge(), check("time", False, f"stopped after {passed:.0f} of {watch_for:.0f} s")]
    except (NobodyAnswers, NoMetrics) as error:
        return [*seen.judge(), check("answers", False, error.reason, "service-down")]
    except ClusterRefused as error:
        return [*seen.judge(), check("answers", False, error.told, "service-down")]
