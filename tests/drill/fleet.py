"""The services the drill puts into trouble: one real process for each trouble, in a namespace of its own.

Namespaces keep inhibition apart: an open breaker mutes the error alert of its own namespace, as it should.
"""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.client import HTTPException
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from tests.support.nginx_front import free_port
from tests.support.prometheus_live import Target, wait_until

KEY = "drill-key"
# Breakers that never open, so that errors and slowness reach the clients.
_STUBBORN = {"STOCKS_BREAKER__VOLUME": "100000", "STOCKS_BREAKER__CONSECUTIVE": "0"}
SETTINGS = {
    "down": {},
    "errors": _STUBBORN,
    "breaker": {"STOCKS_BREAKER__VOLUME": "5", "STOCKS_BREAKER__SLEEP": "1s", "STOCKS_BREAKER__SLEEP_MAX": "2s"},
    "slow": _STUBBORN,
    "cache": {},
}


@dataclass(slots=True)
class Instance:
    """One service process."""

    name: str
    port: int
    vendor: str
    process: subprocess.Popen[bytes] | None = None
    _days: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    @property
    def target(self) -> Target:
        """How Prometheus scrapes it."""
        return Target("stock-service", self.port, {"namespace": f"drill-{self.name}", "pod": f"{self.name}-0"})

    def start(self) -> None:
        """Start the process on its port and wait until it is ready."""
        settings = {
            "STOCKS_SERVER__PORT": str(self.port),
            "STOCKS_UPSTREAM__URL": self.vendor,
            "STOCKS_UPSTREAM__API_KEY": KEY,
            "STOCKS_QUOTA__CALLS": "1000",
            "STOCKS_QUOTA__PER": "1s",
            "STOCKS_LOG__LEVEL": "ERROR",
            **SETTINGS[self.name],
        }
        environment = {**os.environ, **settings, "PYTHONPATH": "src"}
        command = [sys.executable, "-m", "stock_service", "serve"]
        quiet = subprocess.DEVNULL
        self.process = subprocess.Popen(command, env=environment, stdout=quiet, stderr=quiet)
        wait_until(lambda: self.ask("/ready") == 200, f"{self.name} is ready")

    def kill(self) -> None:
        """End the process at once."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    def ask(self, path: str) -> int:
        """Return the status of a GET, 0 when nobody answers."""
        try:
            with urlopen(f"http://127.0.0.1:{self.port}{path}") as answer:
                answer.read()
                return int(answer.status)
        except HTTPError as error:
            with error:
                return error.code
        except (OSError, HTTPException):
            return 0

    def ask_new(self, ticker: str) -> int:
        """Ask for something that was never asked before."""
        day = next(self._days)
        return self.ask(f"/v1/open-close/{ticker}/{2000 + day // 336}-{day // 28 % 12 + 1:02}-{day % 28 + 1:02}")


@contextmanager
def fleet() -> Iterator[tuple[str, dict[str, Instance]]]:
    """Run a simulated vendor and every instance; yields the vendor's address and the instances by name."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    command = [sys.executable, "-m", "stock_service", "simulate", "--port", str(port), "--key", KEY]
    environment = {**os.environ, "PYTHONPATH": "src"}
    quiet = subprocess.DEVNULL
    vendor = subprocess.Popen(command, env=environment, stdout=quiet, stderr=quiet)
    instances = {name: Instance(name, free_port(), url) for name in SETTINGS}
    try:
        for instance in instances.values():
            instance.start()
        yield url, instances
    finally:
        for instance in instances.values():
            instance.kill()
        vendor.terminate()
        vendor.wait()


def break_vendor(url: str) -> None:
    """Calls for MSFT fail, calls for NVDA take three seconds."""
    rules = [
        {"kind": "status", "pattern": "MSFT", "params": {"status": 500}},
        {"kind": "slow-first-byte", "pattern": "NVDA", "params": {"seconds": 3}},
    ]
    urlopen(Request(f"{url}/__simulator__/faults", data=json.dumps(rules).encode())).close()


def mend_vendor(url: str) -> None:
    """All calls are answered again."""
    urlopen(Request(f"{url}/__simulator__/faults", method="DELETE")).close()


@contextmanager
def trouble(instances: dict[str, Instance]) -> Iterator[None]:
    """Ask each service for what hurts it, for as long as the block runs."""
    done = threading.Event()
    asked = {"errors": ("MSFT", 4), "breaker": ("MSFT", 2), "slow": ("NVDA", 8), "cache": ("AAPL", 2)}

    def keep_asking(instance: Instance, ticker: str) -> None:
        while not done.wait(0.2):
            instance.ask_new(ticker)

    threads = [
        threading.Thread(target=keep_asking, args=(instances[name], ticker))
        for name, (ticker, count) in asked.items()
        for _ in range(count)
    ]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        done.set()
        for thread in threads:
            thread.join()
