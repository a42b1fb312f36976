"""The machine's clock: lengths of time include what the machine slept."""

from __future__ import annotations

import subprocess
import sys
import time

import pytest

SLEPT = """
import time
plain = time.clock_gettime
time.clock_gettime = lambda clock: plain(clock) + (3_600.0 if clock == time.CLOCK_BOOTTIME else 0.0)
from stock_service.base.clock import SystemClock
print(SystemClock().monotonic() - time.monotonic())
"""


@pytest.mark.skipif(not hasattr(time, "CLOCK_BOOTTIME"), reason="elsewhere the monotonic clock includes sleep itself")
def test_an_hour_with_the_lid_closed_is_an_hour() -> None:
    """Answers kept before it would be served as fresh for as long again as they had left."""
    told = subprocess.run([sys.executable, "-c", SLEPT], capture_output=True, text=True, check=True).stdout
    assert float(told) == pytest.approx(3_600.0, abs=5.0)
