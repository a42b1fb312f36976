"""`stock-service config` as a user types it."""

from __future__ import annotations

import json
from pathlib import Path

from click.testing import CliRunner, Result

from stock_service.cli.main import main
from stock_service.config.sections import FIELDS


def run(*words: str, **env: str) -> Result:
    return CliRunner().invoke(main, ["config", *words], env={name.upper(): value for name, value in env.items()})


def test_every_setting_is_shown_with_its_value_and_where_it_comes_from(tmp_path: Path) -> None:
    path = tmp_path / "stocks.toml"
    path.write_text('[quota]\nper = "1s"\n')
    shown = run("--config", str(path), stocks_server__port="9000")
    assert shown.exit_code == 0
    lines = [line.split(maxsplit=2) for line in shown.stdout.splitlines()]
    assert len(lines) == 1 + len(FIELDS)
    assert ["STOCKS_SERVER__PORT", "9000", "environment STOCKS_SERVER__PORT"] in lines
    assert ["STOCKS_QUOTA__PER", "1s", f"file {path}"] in lines
    assert ["STOCKS_QUOTA__CALLS", "5", "default"] in lines


def test_secrets_are_stars_in_both_forms() -> None:
    table, machine = run(stocks_upstream__api_key="s3cret"), run("--json", stocks_upstream__api_key="s3cret")
    assert "s3cret" not in table.output + machine.output
    assert ["STOCKS_UPSTREAM__API_KEY", "******"] in [line.split()[:2] for line in table.stdout.splitlines()]
    assert json.loads(machine.stdout)["settings"]["upstream.api_key"]["value"] == "******"


def test_json_names_value_source_and_variable_and_the_warnings() -> None:
    told = json.loads(run("--json").stdout)
    assert told["settings"]["log.level"] == {"value": "INFO", "source": "default", "variable": "STOCKS_LOG__LEVEL"}
    assert len(told["settings"]) == len(FIELDS)
    assert len(told["warnings"]) == 1


def test_warnings_go_to_the_error_stream() -> None:
    assert run().stderr.startswith("warning: upstream.api_key is empty")


def test_every_fault_is_one_line_on_the_error_stream_and_the_code_is_2() -> None:
    shown = run(stocks_server__prot="1", stocks_quota__per="60")
    assert shown.exit_code == 2
    assert shown.stdout == ""
    assert len(shown.stderr.splitlines()) == 2
    assert all(line.startswith("configuration: ") for line in shown.stderr.splitlines())
