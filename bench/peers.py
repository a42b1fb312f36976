"""The servers that are compared, each in its own process on the same core: ours with every feature on, and others.

Peers do less than ours: none checks a key, keeps a client's limit or renders ages, and only Gin counts per route. A
peer that is not installed is skipped and said so.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import msgspec

from bench.machine import LOAD_CORE, SERVER_CORE, find_program, free_port, running
from stock_service.access.keys import hash_key

KEY = "stk_bench_0123456789abcdef0123456789abcdef0123456789abcdef"
OURS = "stock-service"
OPEN = "stock-service, without keys"
DEFAULTS = "stock-service, 64 MiB"
VENDOR = "the vendor itself"
TUNED = "nginx proxy_cache, tuned"
DEFAULT = "nginx proxy_cache, default"
STATIC = "nginx return, the limit"
PASSING = "nginx proxy_pass"
FASTAPI = "FastAPI on uvicorn"
RAW = "uvicorn, raw ASGI"
VARNISH = "varnish"
GIN = "Go with Gin"
_GO_PACKAGES = "golang-go golang-github-gin-gonic-gin-dev golang-github-prometheus-client-golang-dev"


@dataclass(frozen=True)
class Peer:
    """A running server."""

    name: str
    port: int
    pid: int


Start = Callable[[Path, Path, int], AbstractContextManager[Peer]]


def make_body(size: int) -> bytes:
    """Return an answer of the vendor of exactly `size` bytes, as little compressible as prices are."""
    frame = msgspec.json.encode({"status": "OK", "request_id": "6a7e466379af0a71039d60cc78e72282", "results": []})
    rows, left = [], size - len(frame)
    number = 0
    while left > 120:
        row = msgspec.json.encode({"t": 1_605_042_000_000 + number * 60_000, "c": 100 + (number * 7_919 % 1_000) / 100})
        rows.append(row)
        left -= len(row) + 1
        number += 1
    body = frame[:-2] + b",".join(rows) + b"]"
    return body + b',"note":"' + b"x" * (size - len(body) - 11) + b'"}'


@contextmanager
def origin(root: Path) -> Iterator[Peer]:
    """Run the vendor: an nginx on the other core that gives one body under every path."""
    port = free_port()
    config = f"""
        server {{ listen 127.0.0.1:{port} backlog=4096; root {root};
          location / {{ default_type application/json; add_header X-Request-Id 6a7e466379af0a71;
            try_files /body =404; }} }}"""
    with _nginx(root / "origin", config, port, LOAD_CORE) as pid:
        yield Peer(VENDOR, port, pid)


def _nginx(root: Path, servers: str, port: int, core: str, http: str = "") -> AbstractContextManager[int]:
    root.mkdir(parents=True, exist_ok=True)
    paths = "\n".join(
        f"{kind}_temp_path {root}/{kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    (root / "nginx.conf").write_text(f"""
        daemon off; master_process off; worker_processes 1; pid {root}/pid; error_log {root}/error.log;
        events {{ worker_connections 4096; }}
        http {{ access_log off; keepalive_requests 100000000; {paths} {http} {servers} }}""")
    nginx = find_program("nginx")
    if nginx is None:
        raise RuntimeError("nginx is not installed (apt-get install nginx-light)")
    return running(nginx, "-p", str(root), "-c", str(root / "nginx.conf"), core=core, port=port, log=root / "log")


@contextmanager
def _passing_nginx(root: Path, body: Path, vendor: int) -> Iterator[Peer]:
    port = free_port()
    http = f"upstream vendor {{ server 127.0.0.1:{vendor}; keepalive 64; }}"
    server = f"""server {{ listen 127.0.0.1:{port} backlog=4096; location / {{ proxy_pass http://vendor;
      proxy_http_version 1.1; proxy_set_header Connection ""; }} }}"""
    with _nginx(root / "passing", server, port, SERVER_CORE, http) as pid:
        yield Peer(PASSING, port, pid)


def _cached_by_nginx(name: str, tuning: str) -> Start:
    @contextmanager
    def start(root: Path, body: Path, vendor: int) -> Iterator[Peer]:
        port, home = free_port(), root / name.replace(" ", "-").replace(",", "")
        home.mkdir(parents=True, exist_ok=True)
        http = f"""proxy_cache_path {home}/cache levels=1:2 keys_zone=c:20m max_size=1g inactive=1h; {tuning}
          upstream vendor {{ server 127.0.0.1:{vendor}; keepalive 16; }}"""
        server = f"""server {{ listen 127.0.0.1:{port} backlog=4096; location / {{ proxy_pass http://vendor;
          proxy_http_version 1.1; proxy_set_header Connection ""; proxy_cache c; proxy_cache_valid 200 1h;
          proxy_cache_key $uri; add_header Cache-Status $upstream_cache_status; }} }}"""
        with _nginx(home, server, port, SERVER_CORE, http) as pid:
            yield Peer(name, port, pid)

    return start


@contextmanager
def _static_nginx(root: Path, body: Path, vendor: int) -> Iterator[Peer]:
    port, content = free_port(), body.read_text().replace("'", "")
    server = f"""server {{ listen 127.0.0.1:{port} backlog=4096; location / {{ default_type application/json;
      return 200 '{content}'; }} }}"""
    with _nginx(root / "static", server, port, SERVER_CORE) as pid:
        yield Peer(STATIC, port, pid)


@contextmanager
def _varnish(root: Path, body: Path, vendor: int) -> Iterator[Peer]:
    program, port = find_program("varnishd"), free_port()
    if program is None:
        raise RuntimeError("varnish is not installed (apt-get install varnish)")
    recipe = root / "bench.vcl"
    # Without this it passes every request that has an Authorization header.
    recipe.write_text(f"""vcl 4.1; backend default {{ .host = "127.0.0.1"; .port = "{vendor}"; }}
      sub vcl_recv {{ unset req.http.Authorization; return (hash); }}
      sub vcl_backend_response {{ set beresp.ttl = 1h; }}""")
    command = [program, "-F", "-n", str(root / "varnish"), "-a", f"127.0.0.1:{port}", "-f", str(recipe)]
    options = ["-s", "malloc,256m", "-p", "thread_pools=1", "-j", "none"]
    with running(*command, *options, core=SERVER_CORE, port=port, log=root / "varnish.log") as pid:
        yield Peer(VARNISH, port, pid)


def _python(name: str, app: str) -> Start:
    @contextmanager
    def start(root: Path, body: Path, vendor: int) -> Iterator[Peer]:
        port = free_port()
        command = [sys.executable, "-m", "uvicorn", app, "--port", str(port), "--no-access-log", "--log-level", "error"]
        log = root / f"{app}.log"
        with running(*command, core=SERVER_CORE, port=port, log=log, env={"BENCH_BODY": str(body)}) as pid:
            yield Peer(name, port, pid)

    return start


@contextmanager
def _gin(root: Path, body: Path, vendor: int) -> Iterator[Peer]:
    program, port = root / "gin", free_port()
    _build_gin(program)
    env = {"BENCH_BODY": str(body), "GOMAXPROCS": "1"}
    with running(str(program), str(port), core=SERVER_CORE, port=port, log=root / "gin.log", env=env) as pid:
        yield Peer(GIN, port, pid)


def _build_gin(program: Path) -> None:
    """Build the Go peer from Debian's packages of its libraries, without a network; RuntimeError if it cannot."""
    go = find_program("go")
    if go is None:
        raise RuntimeError(f"go is not installed (apt-get install {_GO_PACKAGES})")
    env = {**os.environ, "GO111MODULE": "off", "GOPATH": "/usr/share/gocode", "GOFLAGS": ""}
    command = [go, "build", "-o", str(program), str(Path(__file__).parent / "gin" / "main.go")]
    built = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    if built.returncode:
        told = " ".join(built.stderr.split())[:160]
        raise RuntimeError(f"it does not build (apt-get install {_GO_PACKAGES}): {told}")


def _service(name: str, *, cache: str = "2GiB", keyed: bool = True) -> Start:
    """Run the service itself: keys, a limit for the client, metrics, logs, everything as in production."""

    @contextmanager
    def start(root: Path, body: Path, vendor: int) -> Iterator[Peer]:
        port, home = free_port(), root / name.replace(" ", "-").replace(",", "")
        home.mkdir(parents=True, exist_ok=True)
        env = {
            "STOCKS_UPSTREAM__URL": f"http://127.0.0.1:{vendor}",
            "STOCKS_UPSTREAM__API_KEY": "vendor-key",
            "STOCKS_QUOTA__CALLS": "100000",
            "STOCKS_QUOTA__PER": "1s",
            "STOCKS_CACHE__MAX_BYTES": cache,
        }
        if keyed:
            env["STOCKS_ACCESS__KEYS_FILE"] = str(_keys_file(home))
        command = [sys.executable, "-m", "stock_service", "serve", "--port", str(port)]
        with running(*command, core=SERVER_CORE, port=port, log=home / "log", env=env) as pid:
            yield Peer(name, port, pid)

    return start


def _keys_file(home: Path) -> Path:
    path = home / "keys.jsonl"
    record = {"id": "bench", "name": "bench", "sha256": hash_key(KEY), "created": "2026-01-01T00:00:00Z"}
    path.write_bytes(msgspec.json.encode(record | {"limit": "100000/s"}) + b"\n")
    path.chmod(0o600)
    return path


PEERS: dict[str, Start] = {
    OURS: _service(OURS),
    OPEN: _service(OPEN, keyed=False),
    DEFAULTS: _service(DEFAULTS, cache="64MiB"),
    TUNED: _cached_by_nginx(TUNED, "open_file_cache max=5000 inactive=1h; open_file_cache_valid 1h; sendfile off;"),
    DEFAULT: _cached_by_nginx(DEFAULT, ""),
    STATIC: _static_nginx,
    PASSING: _passing_nginx,
    VARNISH: _varnish,
    GIN: _gin,
    RAW: _python(RAW, "bench.apps:raw"),
    FASTAPI: _python(FASTAPI, "bench.apps:fast"),
}


@contextmanager
def started(names: tuple[str, ...], root: Path, size: int) -> Iterator[tuple[list[Peer], list[str]]]:
    """Start the named servers around one body; yields those that run and the vendor, and why others do not."""
    body, missing, peers = root / "body", [], []
    root.mkdir(parents=True, exist_ok=True)
    body.write_bytes(make_body(size))
    with ExitStack() as stack:
        vendor = stack.enter_context(origin(root))
        for name in names:
            try:
                peers.append(stack.enter_context(PEERS[name](root, body, vendor.port)))
            except (RuntimeError, OSError) as error:
                missing.append(f"{name}: {error}")
        yield [*peers, vendor], missing
