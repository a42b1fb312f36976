"""The short form of `make storm`: a real gateway process keeps its promises while the vendor misbehaves."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_a_short_storm_breaks_no_promise() -> None:
    """Seven faults under load and three herds; the table on failure says which promise was broken, and where."""
    ran = subprocess.run(
        [sys.executable, "-m", "bench.storm", "--short", "--seed", "1"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert ran.stdout.count(" kept") == 14
    assert "1000 answers, 1 body, 1 vendor call" in ran.stdout
