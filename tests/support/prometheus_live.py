"""A real Prometheus on loopback that scrapes every second; asked over its own API."""

from __future__ import annotations

import json
import subprocess
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode
from urllib.request import urlopen

import yaml

from tests.support.nginx_front import free_port
from tests.support.prometheus_rules import rendered_groups
from tests.support.tools import require

EVERY = "1s"
_PATIENCE = 600  # looks, a tenth of a second apart


@dataclass(frozen=True, slots=True)
class Target:
    """What is scraped, under which labels."""

    job: str
    port: int
    labels: dict[str, str]


@dataclass(slots=True)
class Prometheus:
    """A running Prometheus."""

    url: str

    def query(self, expression: str) -> list[dict[str, Any]]:
        """Return the samples of an instant query; raises HTTPError when the expression is wrong."""
        return list(self._get("query", query=expression)["result"])

    def alerts(self) -> list[dict[str, Any]]:
        """Return the pending and the firing alerts."""
        return list(self._get("alerts")["alerts"])

    def _get(self, what: str, **parameters: str) -> Any:
        with urlopen(f"{self.url}/api/v1/{what}?{urlencode(parameters)}") as answer:
            return json.load(answer)["data"]


def write_configuration(place: Path, targets: Sequence[Target], alertmanager_port: int = 0) -> None:
    """Write prometheus.yml and the chart's rules, as rendered."""
    by_job: dict[str, list[dict[str, Any]]] = {}
    for target in targets:
        entry = {"targets": [f"127.0.0.1:{target.port}"], "labels": target.labels}
        by_job.setdefault(target.job, []).append(entry)
    managers = [{"static_configs": [{"targets": [f"127.0.0.1:{alertmanager_port}"]}]}] if alertmanager_port else []
    configuration = {
        "global": {"scrape_interval": EVERY, "scrape_timeout": EVERY, "evaluation_interval": EVERY},
        "rule_files": ["rules.yml"],
        "alerting": {"alertmanagers": managers},
        "scrape_configs": [{"job_name": job, "static_configs": entries} for job, entries in by_job.items()],
    }
    (place / "prometheus.yml").write_text(yaml.safe_dump(configuration))
    (place / "rules.yml").write_text(yaml.safe_dump({"groups": rendered_groups()}))


@contextmanager
def live_prometheus(place: Path, data: str = "data") -> Iterator[Prometheus]:
    """Run Prometheus with the configuration in `place`; `data` names its storage there."""
    port = free_port()
    command = [
        str(require("prometheus")),
        f"--config.file={place}/prometheus.yml",
        f"--storage.tsdb.path={place}/{data}",
        f"--web.listen-address=127.0.0.1:{port}",
        # An alert is told again at once, so that its end is seen soon; a pending one survives a restart as it is.
        "--rules.alert.resend-delay=1s",
        "--rules.alert.for-grace-period=0s",
        "--log.level=warn",
    ]
    with (place / "prometheus.log").open("ab") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        wait_until(lambda: _is_up(f"http://127.0.0.1:{port}/-/ready"), "Prometheus is ready")
        yield Prometheus(f"http://127.0.0.1:{port}")
    finally:
        process.terminate()
        process.wait(30)


def wait_until(condition: Any, what: str, patience: int = _PATIENCE) -> None:
    """Look ten times a second until `condition()` is true; AssertionError says what did not happen."""
    for _ in range(patience):
        if condition():
            return
        threading.Event().wait(0.1)
    raise AssertionError(f"did not happen: {what}")


def _is_up(url: str) -> bool:
    try:
        with urlopen(url) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False
