"""A real Alertmanager on loopback with the product's routes, and the receiver that stands for pager, chat and mail.

Taken over as they are: routes, matchers, grouping labels, inhibition. Changed: each receiver is a webhook of its own
name, business hours are always, and groups do not wait, so that a drill takes minutes.
"""

from __future__ import annotations

import json
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import yaml

from tests.support.nginx_front import free_port
from tests.support.prometheus_live import wait_until
from tests.support.tools import ROOT, require

_ALWAYS = [{"times": [{"start_time": "00:00", "end_time": "24:00"}]}]


@dataclass(frozen=True, slots=True)
class Notice:
    """One alert in one notification."""

    receiver: str
    status: str
    alert: str
    annotations: dict[str, str]


class Receiver(ThreadingHTTPServer):
    """Takes the webhooks; tells `heard` about each alert in them."""

    daemon_threads = True

    def __init__(self, heard: Callable[[Notice], None]) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.heard = heard

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self.server_address[1])


class _Handler(BaseHTTPRequestHandler):
    server: Receiver

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's name
        """Keep quiet."""

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        for alert in body["alerts"]:
            notice = (self.path.lstrip("/"), alert["status"], alert["labels"]["alertname"], alert["annotations"])
            self.server.heard(Notice(*notice))
        self.send_response(200)
        self.end_headers()


@contextmanager
def live_alertmanager(place: Path, heard: Callable[[Notice], None]) -> Iterator[int]:
    """Run Alertmanager and its receiver; yields the port Prometheus sends to."""
    receiver = Receiver(heard)
    thread = threading.Thread(target=receiver.serve_forever, kwargs={"poll_interval": 0.1})
    thread.start()
    (place / "alertmanager.yml").write_text(yaml.safe_dump(_configuration(receiver.port)))
    port = free_port()
    command = [
        str(require("prometheus-alertmanager")),
        f"--config.file={place}/alertmanager.yml",
        f"--storage.path={place}/alertmanager",
        f"--web.listen-address=127.0.0.1:{port}",
        "--cluster.listen-address=",
        "--log.level=warn",
    ]
    with (place / "alertmanager.log").open("ab") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        wait_until(lambda: _is_up(port), "Alertmanager is ready")
        yield port
    finally:
        process.terminate()
        process.wait(30)
        receiver.shutdown()
        thread.join()
        receiver.server_close()


def _configuration(port: int) -> dict[str, Any]:
    ours: dict[str, Any] = yaml.safe_load((ROOT / "ops" / "alertmanager.yaml").read_text())
    ours["global"] = {"resolve_timeout": "10s"}
    for route in [ours["route"], *ours["route"]["routes"]]:
        route |= {"group_wait": "0s", "group_interval": "1s", "repeat_interval": "1h"}
    for interval in ours["time_intervals"]:
        interval["time_intervals"] = _ALWAYS
    ours["receivers"] = [
        {
            "name": receiver["name"],
            "webhook_configs": [{"url": f"http://127.0.0.1:{port}/{receiver['name']}", "send_resolved": True}],
        }
        for receiver in ours["receivers"]
    ]
    return ours


def _is_up(port: int) -> bool:
    try:
        with urlopen(f"http://127.0.0.1:{port}/-/ready") as answer:
            return bool(answer.status == 200)
    except OSError:
        return False
