"""Real servers for the shared store: `redis-server` on a free port of loopback, one at a time or three as a Cluster.

A Valkey server speaks the same wire; where one is installed (`valkey-server`) set `STORE_SERVER` to test with it.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import redis

from tests.support.tools import require

_START_WITHIN = 10.0


def free_port() -> int:
    """A port nobody listens on now; a Cluster also needs the one 10,000 above."""
    while True:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port: int = probe.getsockname()[1]
        if port < 55_000:
            return port


class RedisServer:
    """One server process and a way to talk to it directly."""

    def __init__(self, folder: Path, port: int | None = None, *options: str) -> None:
        self.port = port or free_port()
        self._folder = folder
        self._options = options
        self._process: subprocess.Popen[bytes] | None = None
        self.admin = redis.Redis(port=self.port, socket_timeout=5.0)

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}"

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def ask(self, *words: object) -> Any:
        """Send a command past whatever the test is about."""
        return self.admin.execute_command(*words)  # type: ignore[no-untyped-call]

    def start(self) -> None:
        """Start empty, and return when it answers."""
        program = str(require(os.environ.get("STORE_SERVER", "redis-server")))
        command = [program, "--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
        self._process = subprocess.Popen(
            [*command, "--dir", str(self._folder), *self._options],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        until = time.monotonic() + _START_WITHIN
        while True:
            try:
                self.admin.ping()
                return
            except redis.ConnectionError:
                if time.monotonic() > until or self._process.poll() is not None:
                    raise
                time.sleep(0.02)

    def kill(self) -> None:
        """End it the hard way; what it held is gone."""
        if self._process is not None:
            self.resume()
            self._process.kill()
            self._process.wait()
            self._process = None
            self.admin.connection_pool.disconnect()

    def stop(self) -> None:
        """Freeze it: connections stay open and nothing is answered."""
        os.kill(self.pid, signal.SIGSTOP)

    def resume(self) -> None:
        """Let it run on."""
        os.kill(self.pid, signal.SIGCONT)

    def close(self) -> None:
        """End it and let go of the connection to it."""
        self.kill()
        self.admin.close()


@contextmanager
def redis_server(folder: Path, *options: str) -> Iterator[RedisServer]:
    """One running server."""
    server = RedisServer(folder, None, *options)
    server.start()
    try:
        yield server
    finally:
        server.close()


@contextmanager
def redis_cluster(folder: Path) -> Iterator[list[RedisServer]]:
    """Three primaries that share the slots."""
    servers = []
    try:
        for number in range(3):
            place = folder / f"node-{number}"
            place.mkdir()
            server = RedisServer(place, None, "--cluster-enabled", "yes", "--cluster-node-timeout", "2000")
            server.start()
            servers.append(server)
        _join(servers)
        yield servers
    finally:
        for server in servers:
            server.close()


def _join(servers: list[RedisServer]) -> None:
    share = 16_384 // len(servers) + 1
    for number, server in enumerate(servers):
        first, last = number * share, min((number + 1) * share, 16_384) - 1
        server.ask("CLUSTER", "ADDSLOTSRANGE", first, last)
        server.ask("CLUSTER", "SET-CONFIG-EPOCH", number + 1)
        server.ask("CLUSTER", "MEET", "127.0.0.1", servers[0].port)
    until = time.monotonic() + _START_WITHIN
    while not all(_is_whole(server, len(servers)) for server in servers):
        assert time.monotonic() < until, "the cluster did not come together"
        time.sleep(0.05)


def _is_whole(server: RedisServer, size: int) -> bool:
    info = server.ask("CLUSTER", "INFO")
    text = info.decode() if isinstance(info, bytes) else "\n".join(f"{name}:{info[name]}" for name in info)
    return "cluster_state:ok" in text and f"cluster_known_nodes:{size}" in text
