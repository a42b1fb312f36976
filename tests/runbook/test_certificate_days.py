"""`doctor --host` reads the days a certificate has left from the real handshake."""

from __future__ import annotations

import ssl
import time
from pathlib import Path

import pytest

from stock_service.operate.certificates import look_at_certificate
from stock_service.operate.checks import Finding
from tests.support.clock import ManualClock
from tests.support.kube_chart import CHART, pick, render
from tests.support.nginx_front import nginx_front

DAY = 86_400


@pytest.mark.parametrize(("days_ago", "finding"), [(29.5, Finding.GOOD), (28.5, Finding.BAD)])
def test_thirty_days_are_enough_and_fewer_are_not(tmp_path: Path, days_ago: float, finding: Finding) -> None:
    """The certificate of the test lives one day; the clock that counts stands before it."""
    ingress = pick(render("-f", str(CHART / "values-production.yaml")), "Ingress")
    (rule,) = ingress["spec"]["rules"]
    local = ingress | {"spec": ingress["spec"] | {"rules": [rule | {"host": "localhost"}]}}
    clock = ManualClock(wall=time.time() - days_ago * DAY)
    with nginx_front(tmp_path, [local], [1]) as front:
        trust = ssl.create_default_context(cafile=str(tmp_path / "cert.pem"))
        assert look_at_certificate("localhost", front.https_port, clock, trust).finding is finding


def test_a_certificate_nobody_vouches_for_is_bad(tmp_path: Path) -> None:
    """Self-made, and not in the machine's list."""
    ingress = pick(render("-f", str(CHART / "values-production.yaml")), "Ingress")
    with nginx_front(tmp_path, [ingress], [1]) as front:
        trust = ssl.create_default_context()
        seen = look_at_certificate("localhost", front.https_port, ManualClock(), trust)
    assert seen.finding is Finding.BAD
    assert seen.anchor == "certificate-expiry"
