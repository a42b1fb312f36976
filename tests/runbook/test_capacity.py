"""1000 requests a second from the cache must cost a pod less CPU than its autoscaler's threshold."""

from __future__ import annotations

import socket
from urllib.request import urlopen

import psutil

from tests.runbook.test_zero_loss_rollout import PATH, instance
from tests.support.runbook import promised
from tests.support.running import running_pair

BATCH, BATCHES = 50, 60
CORE_SHARE = 0.175  # 70 % of 250m


def test_a_thousand_requests_a_second_fit_below_the_autoscalers_threshold() -> None:
    """CPU seconds of the real process for 1000 answers; how fast the machine is otherwise busy does not matter."""
    promised("capacity", "1000 requests a second from the cache", "1000 requests a second must cost less")
    request = f"GET {PATH} HTTP/1.1\r\nHost: x\r\n\r\n".encode()
    with running_pair() as pair, instance(pair) as (port, process):
        urlopen(f"http://127.0.0.1:{port}{PATH}").close()
        with socket.create_connection(("127.0.0.1", port)) as client:
            length = _answer_length(client, request)
            before = psutil.Process(process.pid).cpu_times()
            for _ in range(BATCHES):
                for _ in range(BATCH):
                    client.sendall(request)
                _take(client, BATCH * length)
            after = psutil.Process(process.pid).cpu_times()
    spent = (after.user - before.user) + (after.system - before.system)
    assert spent / (BATCH * BATCHES) * 1000 < CORE_SHARE


def _answer_length(client: socket.socket, request: bytes) -> int:
    """Return the length of one answer; those that follow have the same, but for digits of their age."""
    client.sendall(request)
    head = b""
    while b"\r\n\r\n" not in head:
        head += client.recv(65536)
    top, _, body = head.partition(b"\r\n\r\n")
    (length,) = [int(line.split(b":")[1]) for line in top.lower().split(b"\r\n") if line.startswith(b"content-length")]
    _take(client, length - len(body))
    return len(top) + 4 + length


def _take(client: socket.socket, count: int) -> None:
    while count > 0:
        received = len(client.recv(1 << 20))
        assert received
        count -= received
