"""Runs a server's coroutine on the fast event loop; what stops it from starting is told in one line."""

from __future__ import annotations

import sys
from collections.abc import Coroutine
from typing import Any

import click
import uvloop

from stock_service.access.keys import KeysFaulty
from stock_service.base.listening import CannotListen
from stock_service.cache.wishes import TickersFaulty
from stock_service.cli.exit_codes import ExitCode
from stock_service.upstream.recorded import RecordingFaulty


def run_or_exit(running: Coroutine[Any, Any, None], place: str) -> None:
    """Run to the end; exit with `FAULTY` when `place` (host and port) or a file it needs cannot be used.

    Anything else is nobody's mistake at the keyboard: it is raised, and Python shows where it came from.
    """
    try:
        uvloop.run(running)
    except CannotListen as error:
        click.echo(f"cannot listen on {place}: {error.reason}; choose another port or address", err=True)
        sys.exit(ExitCode.FAULTY)
    except KeysFaulty as error:
        click.echo(f"keys file: {error}", err=True)
        sys.exit(ExitCode.FAULTY)
    except (RecordingFaulty, TickersFaulty) as error:
        click.echo(f"{'recording' if isinstance(error, RecordingFaulty) else 'tickers'}: {error.problem}", err=True)
        sys.exit(ExitCode.FAULTY)
