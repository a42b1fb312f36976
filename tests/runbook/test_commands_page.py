"""docs/operations.md lists the operators' commands, and each has what the page says all of them have."""

from __future__ import annotations

import re

import pytest
from click.testing import CliRunner

from stock_service.cli.main import COMMANDS, main
from tests.support.tools import ROOT

OPERATORS = ("doctor", "smoke", "watch", "purge", "backup", "restore", "diff", "drill", "runbook")
PAGE = (ROOT / "docs" / "operations.md").read_text().partition("## Commands")[2].partition("\n## ")[0]


def test_every_operators_command_is_listed() -> None:
    """And no other."""
    listed = re.findall(r"^\| (`.+?) \|", PAGE, re.MULTILINE)
    names = [word.split()[0] for cell in listed for word in re.findall(r"`([^`]+)`", cell)]
    assert sorted(names) == sorted(OPERATORS)
    assert set(OPERATORS) <= set(COMMANDS)


@pytest.mark.parametrize("name", OPERATORS)
def test_help_says_the_exit_codes_and_json_is_an_option(name: str) -> None:
    """For people and for scripts."""
    words = ["runbook", "check"] if name == "runbook" else [name]
    told = CliRunner().invoke(main, [*words, "--help"]).output
    assert "Exit codes: 0 " in " ".join(told.split())
    assert "--json" in told
