"""Keeping bars ready in real processes: seen in `status`, and found by the next process in the shared store."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any
from urllib.request import urlopen

from tests.support.redis_server import redis_server
from tests.support.running import VENDOR_KEY
from tests.support.serve_process import PATIENCE, environment, serving
from tests.support.simulated import simulated_beside

WISHES = {"STOCKS_WARM__TICKERS": "AAPL,MSFT", "STOCKS_WARM__BARS": "1/day:1y,5/minute:20d"}
PAID = {"STOCKS_QUOTA__CALLS": "100", "STOCKS_QUOTA__PER": "1s"}


def warm_of(address: str) -> dict[str, Any]:
    with urlopen(f"{address}/status", timeout=10) as answer:
        return dict(json.load(answer)["warm"])


def until_ready(address: str) -> dict[str, Any]:
    seen: dict[str, Any] = {}
    for _ in range(PATIENCE):
        if (seen := warm_of(address))["state"] == "ready":
            return seen
        threading.Event().wait(0.02)
    raise AssertionError(seen)


def test_status_shows_it_and_a_new_process_finds_the_bars_in_the_shared_store(tmp_path: Path) -> None:
    with redis_server(tmp_path) as store, simulated_beside(key=VENDOR_KEY, at=None) as vendor:
        settings = {
            "STOCKS_UPSTREAM__URL": vendor.url,
            "STOCKS_UPSTREAM__API_KEY": VENDOR_KEY,
            "STOCKS_SHARED__URL": store.url,
            **WISHES,
            **PAID,
        }
        with serving(tmp_path / "first.log", **settings) as address:
            seen = until_ready(address)
            assert (seen["targets"], seen["left"], seen["vendor_calls"]) == (4, 0, vendor.calls.total)
            command = [sys.executable, "-m", "stock_service", "status", address]
            shown = subprocess.run(command, env=environment(), capture_output=True, text=True, check=True).stdout
            assert "warm.state" in shown
            assert "ready" in shown
            with urlopen(f"{address}/metrics", timeout=10) as answer:
                metrics = answer.read().decode()
            assert "\nstock_service_warm_targets 4.0" in metrics
            assert "\nstock_service_warm_left 0.0" in metrics
        calls = vendor.calls.total
        assert calls >= 4
        with serving(tmp_path / "second.log", **settings) as address:
            assert until_ready(address)["vendor_calls"] == 0, [call.target for call in vendor.calls.calls("")]
        assert vendor.calls.total == calls
    assert '"event":"Warmed"' in (tmp_path / "first.log").read_text()
