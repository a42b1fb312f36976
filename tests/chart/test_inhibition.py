"""Which alert silences which: asked of the real Alertmanager."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any
from urllib.request import Request, urlopen

import pytest

from tests.support.alertmanager_live import live_alertmanager
from tests.support.prometheus_live import wait_until
from tests.support.prometheus_rules import alerts

CASES = {
    "a service that is down is also slow": ("runbook", ["ServiceDown", "HighLatency"], {"HighLatency"}),
    "a certificate ends whether or not the service is down": (
        "runbook",
        ["StockServiceDown", "ServiceDown", "StockServiceCertificateOverdue", "StockServiceConfigBackupStale"],
        set(),
    ),
    "an open breaker's refusals are no second page": (
        "runbook",
        ["CircuitBreakerOpen", "HighErrorRate"],
        {"HighErrorRate"},
    ),
    "one pod's breaker, a note, does not silence the page about the service": (
        "recommended",
        ["CircuitBreakerOpen", "StockServiceHighErrorRatio"],
        set(),
    ),
    "a refused key opens breakers": (
        "runbook",
        ["StockServiceVendorKeyRefused", "CircuitBreakerOpen"],
        {"CircuitBreakerOpen"},
    ),
}


@pytest.fixture(scope="module")
def alertmanager(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """With the product's routes and inhibitions."""
    with live_alertmanager(tmp_path_factory.mktemp("alertmanager"), lambda _: None) as port:
        yield f"http://127.0.0.1:{port}/api/v2/alerts"


@pytest.mark.parametrize("case", CASES)
def test_who_silences_whom(alertmanager: str, case: str) -> None:
    """The labels are those of the rendered rules; each case has a namespace of its own."""
    page_on, names, muted = CASES[case]
    rules = alerts("--set", f"prometheusRule.pageOn={page_on}")
    namespace = str(list(CASES).index(case))
    firing = [{"labels": {"alertname": name, "namespace": namespace, **rules[name]["labels"]}} for name in names]
    body = json.dumps(firing).encode()
    urlopen(Request(alertmanager, data=body, headers={"Content-Type": "application/json"})).close()
    wait_until(lambda: len(told(alertmanager, namespace)) == len(names), "all are taken")
    silent = {one["labels"]["alertname"] for one in told(alertmanager, namespace) if one["status"]["inhibitedBy"]}
    assert silent == muted


def told(alertmanager: str, namespace: str) -> list[dict[str, Any]]:
    with urlopen(f"{alertmanager}?filter=namespace%3D%22{namespace}%22") as answer:
        return list(json.load(answer))
