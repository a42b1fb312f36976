"""What the benchmarks need of the machine: free ports, programs pinned to a core, their CPU time and memory."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

SERVER_CORE = "0"
LOAD_CORE = "1"
_SBIN = f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/usr/local/sbin"
_READY_FOR = 20.0


def find_program(name: str) -> str | None:
    """Return the path of an installed program."""
    return shutil.which(name, path=_SBIN)


def free_port() -> int:
    """Return a loopback port nobody listens on at the moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def pinned(core: str, *command: str) -> list[str]:
    """Return `command` bound to one core, where the machine can do that."""
    taskset = find_program("taskset")
    return [taskset, "-c", core, *command] if taskset and (os.cpu_count() or 1) > 1 else list(command)


@contextmanager
def running(*command: str, core: str, port: int, log: Path, env: dict[str, str] | None = None) -> Iterator[int]:
    """Run a server until the block ends; yields its process id once `port` answers.

    Raises:
        RuntimeError: it ended or did not listen in time; the end of its log is in the message.
    """
    with log.open("wb") as out:
        process = subprocess.Popen(
            pinned(core, *command), stdout=out, stderr=subprocess.STDOUT, env={**os.environ, **(env or {})}
        )
        try:
            _await_port(process, port, log)
            yield process.pid
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(5)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _await_port(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    until = time.monotonic() + _READY_FOR
    while time.monotonic() < until and process.poll() is None:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    tail = log.read_text(errors="replace")[-600:]
    raise RuntimeError(f"did not start to listen on {port}: {tail}")


def family(pid: int) -> list[psutil.Process]:
    """Return a process and those it started."""
    parent = psutil.Process(pid)
    return [parent, *parent.children(recursive=True)]


def cpu_seconds(pid: int) -> float:
    """Return the CPU time a server and its workers have used."""
    return sum(times.user + times.system for times in (each.cpu_times() for each in family(pid)))


def busy_seconds(core: str) -> float:
    """Return how long a core has worked since the machine started, for whomever; stolen time counts."""
    times = psutil.cpu_times(percpu=True)[int(core)]
    return sum(times) - times.idle - times.iowait - getattr(times, "guest", 0.0)


def resident_bytes(pid: int) -> int:
    """Return the resident memory of a server and its workers."""
    return sum(each.memory_info().rss for each in family(pid))
