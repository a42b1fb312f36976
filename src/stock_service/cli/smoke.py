"""`stock-service smoke`: the strict gate after a deployment."""

from __future__ import annotations

import click

from stock_service.cli.ask import DEFAULT_URL, checked_origin, json_option, key_option
from stock_service.cli.reports import end_unreachable, end_with, show_checks
from stock_service.config.load import CLIENT_URL_VARIABLE
from stock_service.operate.asking import NobodyAnswers, Service
from stock_service.operate.smoke import smoke as run_smoke


@click.command("smoke")
@click.argument("url", envvar=CLIENT_URL_VARIABLE, default=DEFAULT_URL, callback=checked_origin)
@click.option("--expect-version", default="", help="The version that should run there.")
@key_option
@json_option
def smoke(url: str, expect_version: str, key: str | None, *, as_json: bool) -> None:
    """Check that the service at URL is ours, ready, and answers a question.

    Exit codes: 0 all good, 1 something is not, 2 wrong call, 3 nobody answers.
    """
    try:
        checks = run_smoke(Service(url, key), expect_version)
    except NobodyAnswers as error:
        end_unreachable(error)
    show_checks(checks, as_json_text=as_json)
    end_with(checks)
