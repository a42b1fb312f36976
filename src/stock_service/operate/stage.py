"""A stage for drills: the service and a simulated vendor, each a process of its own on a free port of loopback.

Nothing of the caller's settings reaches them, so a drill touches no real vendor. Both end with the block, at once.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.request import ProxyHandler, Request, build_opener

from stock_service.operate.asking import Service

_KEY = "drill-key"
_ADDRESS = re.compile(r"http://127\.0\.0\.1:\d+")
_LOOK_EVERY = 0.05
_STARTS_WITHIN = 1200  # looks
_OURS = ("STOCKS_", "POLYGON_", "MASSIVE_")
_QUICK_EXIT = {
    "STOCKS_SERVER__DRAIN_WAIT": "0",
    "STOCKS_SERVER__DRAIN_LINGER": "0",
    "STOCKS_SERVER__DRAIN_FINISH": "0",
}
Pause = Callable[[float], None]


class StageFailed(Exception):
    """A process did not start; `told` is what it wrote."""

    def __init__(self, told: str) -> None:
        super().__init__(told)
        self.told = told


@dataclass(slots=True)
class Stage:
    """The running pair. `log` holds what the service writes, one JSON line an event."""

    place: Path
    settings: Mapping[str, str]
    pause: Pause
    vendor_url: str = ""
    service_url: str = ""
    _service: subprocess.Popen[bytes] | None = None

    @property
    def log(self) -> Path:
        """Where the service writes to."""
        return self.place / "service.log"

    def ask(self, path: str, patience: float = 20.0) -> int:
        """Return the status of a GET to the service; raises NobodyAnswers."""
        return Service(self.service_url, patience=patience).ask(path).status

    def break_vendor(self, faults: Sequence[Mapping[str, Any]]) -> None:
        """From now on the vendor's calls go wrong so; see docs/simulator.md. An empty list mends it."""
        request = Request(f"{self.vendor_url}/__simulator__/faults", data=json.dumps(list(faults)).encode())  # noqa: S310 - loopback
        build_opener(ProxyHandler({})).open(request).close()

    def restart_service(self) -> None:
        """End the service and start it anew: empty, and at another address."""
        if self._service is not None:
            end(self._service)
        environment = {
            "STOCKS_SERVER__PORT": "0",
            "STOCKS_UPSTREAM__URL": self.vendor_url,
            "STOCKS_UPSTREAM__API_KEY": _KEY,
            "STOCKS_LOG__FORMAT": "json",
            **_QUICK_EXIT,
            **self.settings,
        }
        self._service = start(["serve"], environment, self.log)
        self.service_url = self._address_in(self.log, self._service)

    def start_vendor(self) -> subprocess.Popen[bytes]:
        """Start the simulated vendor and learn its address."""
        log = self.place / "vendor.log"
        vendor = start(["simulate", "--port", "0", "--key", _KEY], {}, log)
        try:
            self.vendor_url = self._address_in(log, vendor)
        except StageFailed:
            end(vendor)
            raise
        return vendor

    def end_service(self) -> None:
        """End it for good."""
        if self._service is not None:
            end(self._service)
            self._service = None

    def _address_in(self, log: Path, process: subprocess.Popen[bytes]) -> str:
        for _ in range(_STARTS_WITHIN):
            if found := _ADDRESS.search(log.read_text()):
                return found[0]
            if process.poll() is not None:
                break
            self.pause(_LOOK_EVERY)
        raise StageFailed(log.read_text())


@contextmanager
def stage(place: Path, settings: Mapping[str, str], pause: Pause) -> Iterator[Stage]:
    """Run both for as long as the block runs; `settings` are the service's, by variable. Raises StageFailed."""
    ours = Stage(place, settings, pause)
    vendor = ours.start_vendor()
    try:
        ours.restart_service()
        yield ours
    finally:
        ours.end_service()
        end(vendor)


def start(arguments: Sequence[str], settings: Mapping[str, str], log: Path) -> subprocess.Popen[bytes]:
    """Start `stock-service` with these settings and none of the caller's; what it writes goes to `log`."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(_OURS)}
    with log.open("wb") as written:
        return subprocess.Popen(  # noqa: S603 - our own program
            [sys.executable, "-m", "stock_service", *arguments],
            env={**inherited, **settings},
            stdout=written,
            stderr=written,
        )


def end(process: subprocess.Popen[bytes]) -> None:
    """End a process that has nothing to lose."""
    process.kill()
    process.wait()
