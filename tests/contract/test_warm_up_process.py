"""Keeping bars ready in real processes: seen in `status`, and found by the next one in the shared store or on disk."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest

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
    for _ in range(3 * PATIENCE):
        if (seen := warm_of(address))["state"] == "ready":
            return seen
        threading.Event().wait(0.02)
    raise AssertionError(seen)


@pytest.mark.parametrize("store", ["server", "disk"])
def test_status_shows_it_and_the_next_process_finds_the_bars(tmp_path: Path, store: str) -> None:
    with kept_in(store, tmp_path) as where, simulated_beside(key=VENDOR_KEY, at=None) as vendor:

        def asked() -> list[str]:
            return [call.target for call in vendor.calls.calls("/v2/aggs/ticker/")]

        account = {"STOCKS_UPSTREAM__URL": vendor.url, "STOCKS_UPSTREAM__API_KEY": VENDOR_KEY}
        settings = {**account, **where, **WISHES, **PAID}
        with serving(tmp_path / "first.log", **settings) as address:
            seen = until_ready(address)
            assert (seen["targets"], seen["left"], seen["vendor_calls"]) == (4, 0, len(asked()))
            command = [sys.executable, "-m", "stock_service", "status", address]
            shown = subprocess.run(command, env=environment(), capture_output=True, text=True, check=True).stdout
            assert re.search(r"^warm\.state +ready$", shown, re.MULTILINE)
            with urlopen(f"{address}/metrics", timeout=10) as answer:
                metrics = answer.read().decode()
            assert "\nstock_service_warm_targets 4.0" in metrics
            assert "\nstock_service_warm_left 0.0" in metrics
        assert len(asked()) >= 4
        with serving(tmp_path / "second.log", **settings) as address:
            until_ready(address)
        # A day that ends between the two adds a question of its own, so they are not counted: none comes twice.
        assert len(set(asked())) == len(asked())
    assert '"event":"Warmed"' in (tmp_path / "first.log").read_text()


@contextmanager
def kept_in(store: str, folder: Path) -> Iterator[dict[str, str]]:
    """The setting that has answers outlive a process."""
    if store == "disk":
        kept = folder / "kept"
        kept.mkdir()
        yield {"STOCKS_CACHE__DIR": str(kept)}
        return
    with redis_server(folder) as running:
        yield {"STOCKS_SHARED__URL": running.url}
