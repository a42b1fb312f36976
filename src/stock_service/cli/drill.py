"""`stock-service drill`: rehearse one trouble on this machine, against a service and a simulated vendor of its own."""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

import click

from stock_service.base.clock import SystemClock, pause_thread
from stock_service.cli.ask import json_option
from stock_service.cli.exit_codes import ExitCode
from stock_service.cli.reports import end_unreachable, end_with, show_checks
from stock_service.cli.tables import write_table
from stock_service.operate.asking import NobodyAnswers
from stock_service.operate.drill import DRILLS, Rehearsal, settings_of
from stock_service.operate.stage import Stage, StageFailed, stage


def _list(*, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps({name: {"trouble": one.about, "runbook": one.anchor} for name, one in DRILLS.items()}))
        return
    rows = [(name, one.about, f"#{one.anchor}") for name, one in DRILLS.items()]
    write_table(("NAME", "TROUBLE", "RUNBOOK"), rows)


@click.command("drill")
@click.argument("name", type=click.Choice(list(DRILLS)), required=False)
@click.option("--hold", is_flag=True, help="Keep the trouble until you press Enter, to practise in another terminal.")
@json_option
def drill(name: str | None, *, hold: bool, as_json: bool) -> None:
    """Bring about one trouble, see that `doctor` names its cause, and that it ends. Without NAME: list them.

    It starts its own service and simulated vendor on free ports; nothing of yours is touched.

    Exit codes: 0 all of it happened, 1 something did not, 2 wrong call.
    """
    if name is None:
        _list(as_json=as_json)
        return
    clock = SystemClock()
    begun_at = clock.monotonic()

    def say(text: str) -> None:
        click.echo(f"{clock.monotonic() - begun_at:5.0f} s  {text}", err=True)

    def practise(on: Stage) -> None:
        if hold:
            say(f"try: stock-service doctor {on.service_url}; the service's log is {on.log}. Enter ends the trouble.")
            sys.stdin.readline()

    chosen = DRILLS[name]
    with tempfile.TemporaryDirectory(prefix="stock-service-drill-") as place:
        try:
            with stage(Path(place), settings_of(chosen), pause_thread) as ours:
                say(f"a service at {ours.service_url}, in front of a simulated vendor")
                checks = Rehearsal(chosen, ours, clock, say).run(lambda: practise(ours))
        except StageFailed as error:
            click.echo(error.told, err=True)
            sys.exit(ExitCode.FAILED)
        except NobodyAnswers as error:
            end_unreachable(error)
    show_checks(checks, as_json_text=as_json)
    end_with(checks)
