"""Every query of the dashboards, asked of a real Prometheus that scraped the real service while it had a bad minute."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest

from scripts.dashboard_panels import BOARDS
from tests.support.prometheus_live import Prometheus, Target, live_prometheus, wait_until, write_configuration
from tests.support.running import Pair, running_pair

QUERIES = [
    (board.uid, panel.title, query.expr) for board in BOARDS for panel in board.panels for query in panel.queries
]
NAMESPACE = "drill"


@pytest.fixture(scope="module")
def prometheus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    """Scraped a service under load, first with a good vendor, then with a failing one."""
    place: Path = tmp_path_factory.mktemp("prometheus")
    flags = {"breaker.volume": 5, "quota.calls": 20, "quota.per": "1s", "quota.max_wait": "4s"}
    with running_pair(flags=flags) as pair:
        labels = {"namespace": NAMESPACE, "pod": "a"}
        write_configuration(place, [Target("stock-service", int(pair.gateway.url.rsplit(":", 1)[1]), labels)])
        with live_prometheus(place) as running:
            wait_until(lambda: running.query("up == 1"), "the service is scraped")
            put_load_on(pair)
            wait_until(lambda: running.query("stock_service:error_ratio:rate3d > 0"), "the rules saw the errors")
            yield running


def put_load_on(pair: Pair) -> None:
    """Hits, misses, a queue for the vendor's slots, failures, stale answers and an open breaker."""
    days = [f"2024-01-{day:02}" for day in range(2, 30)]
    ask_together(pair, [f"/v1/open-close/AAPL/{day}" for day in days])
    ask_together(pair, ["/v2/aggs/ticker/AAPL/prev"] * 20)
    fault = json.dumps([{"kind": "status", "params": {"status": 500}}]).encode()
    urlopen(Request(f"{pair.simulator.url}/__simulator__/faults", data=fault)).close()
    ask_together(pair, [f"/v1/open-close/MSFT/{day}" for day in days])


def ask_together(pair: Pair, paths: list[str]) -> None:
    def ask(path: str) -> None:
        try:
            urlopen(pair.gateway.url + path).close()
        except HTTPError as error:
            error.close()

    threads = [threading.Thread(target=ask, args=(path,)) for path in paths]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


@pytest.mark.parametrize(("uid", "title", "expression"), QUERIES)
def test_no_panel_is_empty(prometheus: Prometheus, uid: str, title: str, expression: str) -> None:
    """An unknown name or label gives no error, only an empty panel."""
    wait_until(
        lambda: prometheus.query(expression.replace("$namespace", NAMESPACE)), f"{uid}: {title} shows something", 50
    )


def test_an_empty_panel_is_noticed(prometheus: Prometheus) -> None:
    """The guard above fires."""
    assert prometheus.query("stock_service_no_such_metric") == []
