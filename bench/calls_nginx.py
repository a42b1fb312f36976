"""Whether nginx is modelled rightly: the same short trace against a real one, in real time."""

from __future__ import annotations

import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.request import urlopen

from bench.calls_caches import Lifetimes
from bench.machine import SERVER_CORE, find_program, free_port, running

_TRACE = (0.0, 0.2, 1.0, 2.1, 3.1, 3.2, 5.0, 6.2, 7.0, 9.1)  # seconds from the middle of one: none near its turn
_TRIES = 3  # a busy machine may be late
_KEEPS_FOR = 2.0
_A_PREV, _B_PREV, _A_RAW = ("/v2/aggs/ticker/A/prev", "/v2/aggs/ticker/B/prev", "/v2/aggs/ticker/A/prev?adjusted=false")


def check_model() -> str:
    """Hold the model against a real nginx; return what came of it.

    Raises:
        SystemExit: they differ.
    """
    if find_program("nginx") is None:
        return "nginx is not installed: its model is unchecked"
    counts = [0, 1]
    for _ in range(_TRIES):
        counts = list(_both())
        if counts[0] == counts[1]:
            return f"nginx and its model: {counts[0]} calls each on a trace of {len(_TRACE)} instants in real time"
    raise SystemExit(f"nginx made {counts[0]} calls, its model {counts[1]}: the comparison would be wrong")


def _both() -> tuple[int, int]:
    """Return how many calls a real nginx makes on the trace, and how many the model does."""
    model = Lifetimes(_KEEPS_FOR)
    with tempfile.TemporaryDirectory() as folder, _counting_origin() as (origin, asked):
        port = free_port()
        with _real_nginx(Path(folder), port, origin):
            time.sleep(1.4 - time.time() % 1.0)
            begun = time.time()
            for at in _TRACE:
                time.sleep(max(0.0, begun + at - time.time()))
                for target in (_A_PREV, _A_RAW) if at > 5.0 else (_A_PREV, _B_PREV, _A_RAW):
                    model.ask(target, "prev", time.time())
                    urlopen(f"http://127.0.0.1:{port}{target}", timeout=5).read()
        return len(asked), model.cost.calls


@contextmanager
def _counting_origin() -> Iterator[tuple[int, list[str]]]:
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"{}")

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server.server_address[1], asked
    finally:
        server.shutdown()
        server.server_close()


def _real_nginx(root: Path, port: int, origin: int) -> AbstractContextManager[int]:
    paths = "".join(f"{kind}_temp_path {root}/{kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
    (root / "nginx.conf").write_text(f"""
        daemon off; master_process off; worker_processes 1; pid {root}/pid; error_log {root}/error.log;
        events {{ worker_connections 64; }}
        http {{ access_log off; {paths} proxy_cache_path {root}/cache keys_zone=c:1m inactive=1h;
          server {{ listen 127.0.0.1:{port}; location / {{ proxy_pass http://127.0.0.1:{origin};
            proxy_cache c; proxy_cache_valid 200 {_KEEPS_FOR:.0f}s; proxy_cache_lock on; }} }} }}""")
    nginx = find_program("nginx")
    assert nginx is not None
    command = (nginx, "-p", str(root), "-c", str(root / "nginx.conf"))
    return running(*command, core=SERVER_CORE, port=port, log=root / "log")
