"""`stock-service serve` in a process of its own, with none of the machine's own settings."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PATIENCE = 1_000


def environment(**settings: str) -> dict[str, str]:
    """The machine's own environment without any setting of ours, and these."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("STOCKS_", "POLYGON", "MASSIVE"))}
    return {**kept, "PYTHONPATH": "src", "STOCKS_SERVER__PORT": "0", "STOCKS_SERVER__DRAIN_WAIT": "0", **settings}


@contextmanager
def serving(log: Path, *flags: str, **settings: str) -> Iterator[str]:
    """Run `stock-service serve` with `flags` and give its address; it must leave cleanly."""
    command = [sys.executable, "-m", "stock_service", "serve", *flags]
    with log.open("w") as out:
        ran = subprocess.Popen(command, env=environment(**settings), stdout=out, stderr=subprocess.STDOUT)
    try:
        for _ in range(PATIENCE):
            if found := re.search(r'"address":"(http://127\.0\.0\.1:\d+)"', log.read_text()):
                break
            assert ran.poll() is None, log.read_text()
            threading.Event().wait(0.02)
        else:
            raise AssertionError(log.read_text())
        yield found[1]
        ran.send_signal(signal.SIGTERM)
        assert ran.wait(20) == 0
    finally:
        ran.kill()
        ran.wait()
