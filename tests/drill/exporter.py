"""Stands for what a cluster exports about us: cAdvisor, kube-state-metrics and cert-manager, each value switchable."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class Exporter(ThreadingHTTPServer):
    """Serves `values`: gauges by series."""

    daemon_threads = True

    def __init__(self, values: dict[str, float]) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.values = values

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self.server_address[1])


class _Handler(BaseHTTPRequestHandler):
    server: Exporter

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's name
        """Keep quiet."""

    def do_GET(self) -> None:
        body = "".join(f"{series} {value}\n" for series, value in self.server.values.items()).encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/plain; version=0.0.4")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@contextmanager
def exporter(values: dict[str, float]) -> Iterator[Exporter]:
    """Serve these gauges for as long as the block runs."""
    server = Exporter(values)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.1})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
