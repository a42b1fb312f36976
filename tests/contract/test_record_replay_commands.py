"""`serve --record` and `serve --replay` as a user types them: real processes, and no vendor for the second."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from urllib.request import urlopen

import pytest

from tests.support.client_calls import NOW
from tests.support.running import VENDOR_KEY
from tests.support.serve_process import environment, serving
from tests.support.simulated import simulated_beside

BARS = "/v2/aggs/ticker/AAPL/range/1/day/2024-01-02/2024-03-28"


def bars(address: str) -> list[object]:
    with urlopen(address + BARS, timeout=20) as answer:
        return list(json.load(answer)["results"])


def test_a_recorded_session_is_replayed_without_key_and_vendor(tmp_path: Path) -> None:
    folder = str(tmp_path / "market")
    with simulated_beside(key=VENDOR_KEY, at=NOW) as vendor:
        secrets = {"STOCKS_UPSTREAM__URL": vendor.url, "STOCKS_UPSTREAM__API_KEY": VENDOR_KEY}
        with serving(tmp_path / "first.log", "--record", folder, **secrets) as address:
            recorded = bars(address)
        calls = vendor.calls.count("/v2/aggs/")
    assert len(recorded) == 61
    with serving(tmp_path / "second.log", "--replay", folder) as address:
        assert bars(address) == recorded
    assert calls == 1
    said = (tmp_path / "second.log").read_text()
    assert f"none: the answers recorded in {folder}" in said
    assert "api_key" not in said, "a replay needs no key, so nobody is warned about a missing one"
    assert f"into {folder}" in (tmp_path / "first.log").read_text()


@pytest.mark.parametrize(
    ("flags", "settings", "problem"),
    [
        (["--record", "a", "--replay", "a"], {}, "contradict each other"),
        (["--replay", "a"], {"STOCKS_SHARED__URL": "redis://127.0.0.1:1"}, "shared.url contradict each other"),
        (["--record", "a"], {"STOCKS_SHARED__URL": "redis://127.0.0.1:1"}, "shared.url contradict each other"),
        (["--replay", "a"], {"STOCKS_CACHE__DIR": "/tmp"}, "cache.dir contradict each other"),
        (["--replay", "no-such-directory"], {}, "record one first with --record"),
    ],
)
def test_a_start_that_cannot_do_what_is_asked_is_refused(
    flags: list[str], settings: dict[str, str], problem: str
) -> None:
    command = [sys.executable, "-m", "stock_service", "serve", *flags]
    ran = subprocess.run(command, env=environment(**settings), capture_output=True, text=True, timeout=60, check=False)
    assert ran.returncode == 2
    assert problem in ran.stderr
    assert "Traceback" not in ran.stderr
