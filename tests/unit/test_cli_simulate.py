"""`stock-service simulate` as a user types it."""

from __future__ import annotations

import gzip
import json
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest
from click.testing import CliRunner

from stock_service.cli.main import main


def test_it_answers_limits_and_leaves_when_told() -> None:
    words = ["simulate", "--port", "0", "--key", "k3y", "--calls", "1", "--per", "1h"]
    command = [sys.executable, "-m", "stock_service", *words]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        said = process.stderr.readline()
        url = said.split()[3].rstrip(",")
        with urllib.request.urlopen(f"{url}/v2/aggs/ticker/AAPL/prev?apiKey=k3y", timeout=10) as answer:
            assert json.load(answer)["ticker"] == "AAPL"
        with pytest.raises(urllib.error.HTTPError, match="429") as limited:
            urllib.request.urlopen(f"{url}/v2/aggs/ticker/AAPL/prev?apiKey=k3y", timeout=10)
        limited.value.close()
        process.send_signal(signal.SIGTERM)
        said += process.stderr.read()
        assert process.wait(10) == 0
    assert "1 calls per 3600 s" in said
    assert "k3y" not in said


@pytest.mark.parametrize(
    "words",
    [
        ["--per", "60"],
        ["--per", "0"],
        ["--calls", "0"],
        ["--plan", "free"],
        ["--replay", "nowhere"],
        ["--examples", "/"],
        ["--port", "65536"],
    ],
)
def test_a_wrong_call_starts_nothing(words: list[str]) -> None:
    assert CliRunner().invoke(main, ["simulate", *words]).exit_code == 2


BARS = gzip.compress(b"Date,Open,High,Low,Close,Volume\n" + b"2024-01-02,1,2,1,2,100\n" * 500, mtime=0)


@pytest.mark.parametrize(
    ("option", "name", "content"),
    [
        ("--replay", "data.csv", b"nonsense"),
        ("--replay", "data.csv.gz", b"nonsense"),
        ("--replay", "data.csv.gz", BARS[:-20]),
        ("--replay", "data.csv.gz", BARS[:12] + b"\xff\xff\xff\xff" + BARS[16:]),
        ("--examples", "data.json", b"nonsense"),
        ("--examples", "data.json", b'{"paths": []}'),
    ],
)
def test_an_unreadable_file_is_told_in_one_line(option: str, name: str, content: bytes, tmp_path: Path) -> None:
    file = tmp_path / name
    file.write_bytes(content)
    shown = CliRunner().invoke(main, ["simulate", "--port", "0", option, str(file)])
    assert shown.exit_code == 2
    assert len(shown.stderr.splitlines()) == 1
    assert "listen" not in shown.stderr
    assert name in shown.stderr
