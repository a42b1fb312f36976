"""Makes a pending alert of a stopped Prometheus older, so that a drill need not wait half an hour for its `for`.

Prometheus keeps the moment an alert became pending in the series ALERTS_FOR_STATE and takes it up again after a
restart. The samples are dumped, that moment is moved back, and everything is written into a new storage. Rules,
conditions and the evaluation itself stay as they are: an alert whose condition does not hold is not taken up.
"""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

from tests.support.prometheus_rules import alerts
from tests.support.tools import require

_LINE = re.compile(r'\{__name__="(?P<name>[^"]+)"(?:, )?(?P<labels>.*)\} (?P<value>\S+) (?P<at>\d+)\Z')
_SPACE = re.compile(r'", (?=\w+=")')
_STATE = "ALERTS_FOR_STATE"
_UNITS = {"s": 1, "m": 60, "h": 3600}


def age_pending(place: Path, data: str, aged: str, now: float, left: float) -> list[str]:
    """Copy the storage `data` to `aged`; there each pending alert has `left` seconds to wait. Returns their names."""
    promtool = str(require("promtool"))
    dumped = subprocess.run(
        [promtool, "tsdb", "dump", str(place / data)], capture_output=True, text=True, check=True
    ).stdout.splitlines()
    names: list[str] = []
    lines: list[str] = []
    states: dict[str, str] = {}
    for line in dumped:
        found = _LINE.match(line)
        if found is None:
            continue
        labels = _SPACE.sub('",', found["labels"])  # the format that is read allows no space there
        series = f"{found['name']}{{{labels}}}"
        lines.append(f"{series} {found['value']} {int(found['at']) / 1000}")
        if found["name"] == _STATE:
            states[series] = re.findall(r'alertname="([^"]+)"', found["labels"])[0]
    for series, alert in states.items():
        if not _waits(alert):
            continue
        lines.append(f"{series} {int(now - _waits(alert) + left)} {now}")
        names.append(alert)
    text = place / "history.txt"
    text.write_text("\n".join([*lines, "# EOF", ""]))
    subprocess.run(
        [promtool, "tsdb", "create-blocks-from", "openmetrics", str(text), str(place / aged)],
        capture_output=True,
        check=True,
    )
    return sorted(set(names))


def _waits(alert: str) -> int:
    text = alerts()[alert].get("for", "0s")
    return int(text[:-1]) * _UNITS[text[-1]]
