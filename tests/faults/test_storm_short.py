"""The short form of `make storm`: a real gateway process keeps its promises while the vendor misbehaves."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_a_short_storm_breaks_no_promise() -> None:
    """Eight faults under load, herds and misbehaving clients; on failure the table says which promise was broken."""
    ran = subprocess.run(
        [sys.executable, "-m", "bench.storm", "--short", "--seed", "1"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert ran.stdout.count(" kept") == 19
    assert "1000 answers, 1 body, 1 vendor call" in ran.stdout
