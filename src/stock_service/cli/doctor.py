"""`stock-service doctor`: one read-only look that ends with the likely cause and the runbook's section."""

from __future__ import annotations

import json
import ssl
import sys

import click

from stock_service.base.clock import Clock, SystemClock, pause_thread
from stock_service.cli.ask import DEFAULT_URL, checked_origin, json_option, key_option
from stock_service.cli.exit_codes import ExitCode
from stock_service.cli.parameters import duration_parameter
from stock_service.cli.reports import end_with, show_checks, told_unreachable
from stock_service.config.load import CLIENT_URL_VARIABLE
from stock_service.operate.asking import NobodyAnswers, Service
from stock_service.operate.certificates import look_at_certificate
from stock_service.operate.checks import Check, Finding, all_good
from stock_service.operate.checks import as_json as checks_as_json
from stock_service.operate.cluster import Cluster, ClusterRefused
from stock_service.operate.diagnosis import likely_cause
from stock_service.operate.doctor import look_at_cluster, look_at_service
from stock_service.operate.signals import NoMetrics
from stock_service.operate.vendor_questions import look_at_rights, look_at_vendor


@click.command("doctor")
@click.argument("url", envvar=CLIENT_URL_VARIABLE, default=DEFAULT_URL, callback=checked_origin)
@click.option("--namespace", help="Look at every pod of this namespace, with your kubectl, instead of at URL.")
@click.option("--context", default="", help="The kubectl context of --namespace.")
@click.option(
    "--vendor",
    metavar="URL",
    callback=checked_origin,
    help="Also ask the vendor at URL from this machine, without a key.",
)
@click.option("--rights", is_flag=True, help="Also ask URL for what plans tell apart; spends up to 5 vendor calls.")
@click.option("--host", help="Also look at the certificate of this host.")
@click.option(
    "--over",
    type=duration_parameter("0s", "10m"),
    default="5s",
    show_default=True,
    help="Between two looks: what happens in it is now.",
)
@key_option
@json_option
def doctor(  # one argument for each option
    url: str,
    namespace: str | None,
    context: str,
    vendor: str | None,
    host: str | None,
    over: float,
    key: str | None,
    *,
    rights: bool,
    as_json: bool,
) -> None:
    """Look at a service and say what is likely wrong. Changes nothing; without --rights it spends no vendor call.

    Where no service answers, --vendor and --host are looked at all the same.

    Exit codes: 0 nothing bad, 1 something is, 2 wrong call, 3 no service answers.
    """
    clock = SystemClock()
    try:
        if namespace:
            checks = look_at_cluster(Cluster(namespace, context), pause_thread, over, clock)
        else:
            checks = look_at_service(Service(url, key), pause_thread, over)
    except (NobodyAnswers, NoMetrics, ClusterRefused) as error:
        told, code = _told_missing(url, error)
        if not vendor and not host:
            click.echo(told, err=True)
            sys.exit(code)
        _show([Check("service", Finding.BAD, told, "service-down"), *_besides(vendor, host, clock)], as_json=as_json)
        sys.exit(code)
    if rights:
        checks += _rights(Service(url, key), clock)
    checks += _besides(vendor, host, clock)
    _show(checks, as_json=as_json)
    end_with(checks)


def _besides(vendor: str | None, host: str | None, clock: Clock) -> list[Check]:
    """Return what needs no service to be looked at."""
    found = [look_at_vendor(Service(vendor))] if vendor else []
    return [*found, look_at_certificate(host, 443, clock, ssl.create_default_context())] if host else found


def _told_missing(url: str, error: NobodyAnswers | NoMetrics | ClusterRefused) -> tuple[str, ExitCode]:
    """Return why there is nothing to look at, and the code that says so."""
    match error:
        case NobodyAnswers():
            return told_unreachable(error), ExitCode.UNREACHABLE
        case NoMetrics():
            return f"{url}: {error.reason}", ExitCode.FAILED
        case ClusterRefused():
            return f"{error.program}: {error.told}", ExitCode.UNREACHABLE


def _rights(service: Service, clock: Clock) -> list[Check]:
    """Return what plans tell apart. With --namespace the URL is another way in; without it the report goes on."""
    try:
        return look_at_rights(service, clock)
    except NobodyAnswers as error:
        return [Check("key may", Finding.UNKNOWN, f"no service answers at {error.url}: forward its port first")]


def _show(checks: list[Check], *, as_json: bool) -> None:
    cause = likely_cause(checks)
    if as_json:
        found = {"good": all_good(checks), "checks": checks_as_json(checks)}
        found |= {"cause": cause.told, "runbook": f"docs/runbook.md#{cause.anchor}"}
        click.echo(json.dumps(found, indent=2))
        return
    show_checks(checks, as_json_text=False)
    click.echo(f"\n{cause.told} Read docs/runbook.md#{cause.anchor}")
