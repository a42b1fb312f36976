"""Replacing a pod under load costs nobody an answer: two real processes behind a real nginx, one of them replaced."""

from __future__ import annotations

import http.client
import os
import re
import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import NamedTemporaryFile

from tests.support.kube_chart import CHART, render
from tests.support.nginx_front import nginx_front
from tests.support.runbook import promised
from tests.support.running import VENDOR_KEY, Pair, running_pair

CLIENTS = 4
PATIENCE = 1000  # looks, 20 ms apart
PATH = "/v2/aggs/ticker/AAPL/prev"


@contextmanager
def instance(pair: Pair, port: int = 0) -> Iterator[tuple[int, subprocess.Popen[bytes]]]:
    """Run `stock-service serve` as the pod does and yield its port once it is ready."""
    settings = {
        "STOCKS_SERVER__PORT": str(port),
        "STOCKS_UPSTREAM__URL": pair.simulator.url,
        "STOCKS_UPSTREAM__API_KEY": VENDOR_KEY,
        "STOCKS_SERVER__DRAIN_WAIT": "1s",
        "STOCKS_LOG__FORMAT": "json",
        "STOCKS_LOG__LEVEL": "INFO",
    }
    command = [sys.executable, "-m", "stock_service", "serve"]
    environment = {**os.environ, **settings, "PYTHONPATH": "src"}
    with NamedTemporaryFile() as log:
        ran = subprocess.Popen(command, env=environment, stdout=log, stderr=subprocess.DEVNULL)
        try:
            yield _port_told_in(Path(log.name), ran), ran
        finally:
            ran.kill()
            ran.wait()


def _port_told_in(log: Path, ran: subprocess.Popen[bytes]) -> int:
    for _ in range(PATIENCE):
        if ran.poll() is not None:
            break
        if found := re.search(r'"address":"http://127\.0\.0\.1:(\d+)"', log.read_text()):
            return int(found[1])
        threading.Event().wait(0.02)
    raise AssertionError(log.read_text())


def ask_until(done: threading.Event, port: int, seen: Counter[str]) -> None:
    """Ask over one kept connection, as a client library does; count what comes back."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    while not done.is_set():
        try:
            connection.request("GET", PATH, headers={"Host": "staging-endpoint"})
            answer = connection.getresponse()
            answer.read()
            seen[str(answer.status)] += 1
        except (OSError, http.client.HTTPException) as error:
            seen[type(error).__name__] += 1
            connection.close()
    connection.close()


@contextmanager
def asking(port: int, seen: Counter[str]) -> Iterator[None]:
    """Ask from several clients as long as the block runs."""
    done = threading.Event()
    clients = [threading.Thread(target=ask_until, args=(done, port, seen)) for _ in range(CLIENTS)]
    for client in clients:
        client.start()
    try:
        yield
    finally:
        done.set()
        for client in clients:
            client.join()


def wait_for(seen: Counter[str], more: int) -> None:
    """Return after so many more answers; they come at thousands a second."""
    until = sum(seen.values()) + more
    for _ in range(PATIENCE):
        if sum(seen.values()) >= until:
            return
        threading.Event().wait(0.02)
    raise AssertionError(seen)


def test_no_request_is_lost_while_a_pod_is_replaced(tmp_path: Path) -> None:
    """SIGTERM under load; the front, as in a cluster, goes on for a while to send requests to the pod that leaves.

    nginx tries another pod when a connection is refused, which costs nothing. What it must never see is a connection
    that ends under a request: its error log would say so.
    """
    promised("minutes-15-to-30", "restart them. Nobody notices")
    ingresses = [i for i in render("-f", str(CHART / "values-staging.yaml")) if i["kind"] == "Ingress"]
    seen: Counter[str] = Counter()
    with (
        running_pair() as pair,
        instance(pair) as (port, leaving),
        instance(pair) as (stays, _),
        nginx_front(tmp_path, ingresses, [port, stays]) as front,
        ExitStack() as started_later,
        asking(front.http_port, seen),  # ends first: the others are killed, not told to leave
    ):
        wait_for(seen, 200)
        leaving.send_signal(signal.SIGTERM)
        assert leaving.wait(30) == 0
        started_later.enter_context(instance(pair, port))
        wait_for(seen, 200)
    assert set(seen) == {"200"}, seen
    log = (tmp_path / "error.log").read_text().splitlines()
    assert [line for line in log if "[error]" in line and "Connection refused" not in line] == []
