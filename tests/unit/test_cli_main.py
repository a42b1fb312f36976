"""`stock-service` as a whole: help starts nothing, and every command named in the table exists."""

from __future__ import annotations

import signal
import subprocess
import sys

import click
import pytest
from click.testing import CliRunner

from stock_service import __version__
from stock_service.cli.demo import demo
from stock_service.cli.main import COMMANDS, main


def test_help_lists_every_command_and_imports_none_of_them() -> None:
    code = (
        "import sys\n"
        "from stock_service.cli.main import main\n"
        "main(['--help'], standalone_mode=False)\n"
        "print(*sorted(n for n in sys.modules if n.startswith('stock_service') or n in ('aiohttp', 'uvicorn')))"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.splitlines()
    assert shown[-1] == "stock_service stock_service.cli stock_service.cli.main"
    assert [line.split()[0] for line in shown if line.strip() and line.split()[0] in COMMANDS] == list(COMMANDS)


def test_the_first_process_of_a_container_leaves_when_told_while_it_still_loads() -> None:
    """The kernel keeps a signal without a handler from process number 1."""
    code = (
        "import os, signal\n"
        "real, os.getpid = os.getpid(), lambda: 1\n"
        "from stock_service.cli.main import LazyGroup, main\n"
        "LazyGroup.get_command = lambda *_: os.kill(real, signal.SIGTERM)\n"
        "main(['serve'])"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, timeout=60, check=False)
    assert ended.returncode == 128 + signal.SIGTERM


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_loads_and_explains_itself(name: str) -> None:
    command = main.get_command(click.Context(main), name)
    assert command is not None
    assert command.name == name
    shown = CliRunner().invoke(main, [name, "--help"])
    assert shown.exit_code == 0
    assert shown.stdout.startswith(f"Usage: main {name}")


def test_the_version_is_the_packages_own() -> None:
    assert CliRunner().invoke(main, ["--version"]).stdout == f"stock-service, version {__version__}\n"


@pytest.mark.parametrize("words", [["nonsense"], ["config", "--nonsense"], ["quote"]])
def test_a_wrong_call_ends_with_2(words: list[str]) -> None:
    assert CliRunner().invoke(main, words).exit_code == 2


def test_the_demo_heeds_the_port_of_the_environment_but_its_own_flag_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STOCKS_SERVER__PORT", "8090")
    assert demo.make_context("demo", []).params["port"] == 8090
    assert demo.make_context("demo", ["--port", "8091"]).params["port"] == 8091
