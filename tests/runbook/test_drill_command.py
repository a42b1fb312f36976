"""`stock-service drill`: every drill does what it says, against its own service and simulated vendor."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from stock_service.operate.drill import DRILLS
from tests.support.prometheus_rules import alerts
from tests.support.runbook import sections, typed

COMMAND = str(Path(sys.executable).parent / "stock-service")


def test_every_drill_finds_its_cause_and_is_over_when_the_trouble_is(tmp_path: Path) -> None:
    """All at once: each has its own processes, and mostly waits. None leaves a file behind."""
    environment = {**os.environ, "TMPDIR": str(tmp_path), "POLYGON_API_KEY": "not-for-a-drill"}
    running = {
        name: subprocess.Popen([COMMAND, "drill", name, "--json"], env=environment, stdout=subprocess.PIPE)
        for name in DRILLS
    }
    for name, process in running.items():
        told = json.loads(process.communicate(timeout=300)[0])
        assert told["good"], f"{name}: {told}"
        assert process.returncode == 0
    assert list(tmp_path.iterdir()) == []


def test_a_trouble_is_held_until_somebody_has_practised(tmp_path: Path) -> None:
    """The address is told, and Enter ends it."""
    line = typed("stock-service drill vendor-errors --hold").replace("stock-service", COMMAND, 1)
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    done = subprocess.run(
        line.split(), env=environment, input="\n", capture_output=True, text=True, timeout=120, check=True
    )
    assert "try: stock-service doctor http://127.0.0.1:" in done.stderr
    assert done.stderr.index("try: ") < done.stderr.index("the trouble ends")


def test_drills_name_alerts_and_sections_that_exist() -> None:
    """A drill that teaches another name does harm."""
    for drill in DRILLS.values():
        assert set(drill.alerts.split(", ")) <= set(alerts())
        assert drill.anchor in sections()


def test_the_drills_are_listed() -> None:
    """Without a name."""
    listed = subprocess.run([COMMAND, "drill"], capture_output=True, text=True, check=True).stdout
    assert all(name in listed for name in DRILLS)
    listed = subprocess.run([COMMAND, "drill", "--json"], capture_output=True, text=True, check=True).stdout
    assert set(json.loads(listed)) == set(DRILLS)
