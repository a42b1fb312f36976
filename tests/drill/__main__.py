"""`make drill`: each of the runbook's eight alerts fires for a real reason, reaches its receiver, and clears.

Real: the service (one process for each trouble), Prometheus with the chart's rules as rendered, Alertmanager with the
product's routes. Simulated: the vendor, with faults, and the cluster's exporters. The wait of a rule (up to half an
hour) is shortened by making its pending state older between two runs of Prometheus
(tests/support/prometheus_aged.py).
Clearing is waited for: a window of five minutes has to pass. Exit code 0 when all of it happened, else 1.
"""

from __future__ import annotations

import sys
import tempfile
import threading
from contextlib import ExitStack
from pathlib import Path

from stock_service.base.clock import SystemClock
from tests.drill.exporter import Exporter, exporter
from tests.drill.fleet import Instance, break_vendor, fleet, mend_vendor, trouble
from tests.support.alertmanager_live import Notice, live_alertmanager
from tests.support.prometheus_aged import age_pending
from tests.support.prometheus_live import Prometheus, Target, live_prometheus, wait_until, write_configuration

# What each alert is to be told by, and where its link is to lead.
EXPECTED = {
    "ServiceDown": ("p1-page", "service-down"),
    "HighErrorRate": ("p1-page", "high-error-rate"),
    "CircuitBreakerOpen": ("p1-page", "circuit-breaker-open"),
    "HighLatency": ("p2-business-hours", "high-latency"),
    "HighMemoryUsage": ("p2-business-hours", "high-memory-usage"),
    "LowCacheHitRate": ("p2-business-hours", "low-cache-hit-rate"),
    "DeploymentCompleted": ("p3-next-business-day", "deployment-completed"),
    "CertificateExpiry": ("p3-next-business-day", "certificate-expiry"),
}
LEFT_SECONDS = 5.0
CLEARS_WITHIN = 4200  # looks, a tenth of a second apart: the window of five minutes and a little
_POD = 'namespace="drill-memory",pod="m-0",container="stock-service"'
_USED = f"container_memory_usage_bytes{{{_POD}}}"
_LIMIT = f"container_spec_memory_limit_bytes{{{_POD}}}"
_UPDATED = 'kube_deployment_status_replicas_updated{namespace="drill-rollout",deployment="stock-service"}'
_WANTED = 'kube_deployment_spec_replicas{namespace="drill-rollout",deployment="stock-service"}'
_ENDS = 'certmanager_certificate_expiration_timestamp_seconds{name="stock-service",exported_namespace="drill-tls"}'
_DAY = 86_400


class Timeline:
    """What happened when, printed as it happens."""

    def __init__(self) -> None:
        self._clock = SystemClock()
        self._began_at = self._clock.monotonic()
        self._lock = threading.Lock()
        self._phase = 0
        self.notices: list[Notice] = []

    def say(self, text: str) -> None:
        """Print a line with the seconds since the start."""
        with self._lock:
            print(f"{self._clock.monotonic() - self._began_at:6.0f} s  {text}", flush=True)

    def hear(self, notice: Notice) -> None:
        """Note what a receiver was told; print the first of each kind since the last phase began."""
        kinds = {(old.receiver, old.status, old.alert) for old in self.notices[self._phase :]}
        self.notices.append(notice)
        if notice.alert in EXPECTED and (notice.receiver, notice.status, notice.alert) not in kinds:
            self.say(f"{notice.receiver:<22} {notice.status:<9} {notice.alert}")

    def begin_phase(self, text: str) -> None:
        """Print a line; from here on what was told before does not count."""
        self.say(text)
        self._phase = len(self.notices)

    def told(self, status: str) -> set[str]:
        """Return which of the eight were told so in this phase."""
        return {notice.alert for notice in self.notices[self._phase :] if notice.status == status} & EXPECTED.keys()

    def wall(self) -> float:
        """Return the time of day, as Prometheus sees it."""
        return self._clock.wall()


def hurt(cluster: Exporter, url: str, instances: dict[str, Instance], now: float) -> None:
    """Bring about the cause of every alert."""
    cluster.values |= {_USED: 950, _LIMIT: 1000, _UPDATED: 3, _WANTED: 3, _ENDS: now + 10 * _DAY}
    break_vendor(url)
    instances["down"].kill()


def heal(cluster: Exporter, url: str, instances: dict[str, Instance], now: float) -> None:
    """Take every cause away."""
    cluster.values |= {_USED: 500, _UPDATED: 2, _ENDS: now + 60 * _DAY}
    mend_vendor(url)
    instances["down"].start()
    for _ in range(5):  # the half-open breaker closes at the first success
        threading.Event().wait(1)
        instances["breaker"].ask_new("AAPL")


def seen_by(prometheus: Prometheus) -> set[str]:
    """Return which of the eight are pending or firing."""
    return {alert["labels"]["alertname"] for alert in prometheus.alerts()} & EXPECTED.keys()


def misled(notices: list[Notice]) -> list[str]:
    """Return what was told to the wrong receiver or with a link that leads elsewhere."""
    faults = []
    for notice in notices:
        receiver, anchor = EXPECTED.get(notice.alert, ("", ""))
        if receiver and (notice.receiver != receiver or not notice.annotations["runbook_url"].endswith(f"#{anchor}")):
            faults.append(f"{notice.alert} went to {notice.receiver} with {notice.annotations['runbook_url']}")
    return sorted(set(faults))


def drill(place: Path) -> list[str]:
    """Run the drill; returns what went wrong."""
    line = Timeline()
    with exporter({}) as cluster, fleet() as (url, instances), live_alertmanager(place, line.hear) as manager:
        targets = [instance.target for instance in instances.values()]
        write_configuration(place, [*targets, Target("cluster", cluster.port, {})], manager)
        hurt(cluster, url, instances, line.wall())
        line.say("troubles begin: a killed process, a failing, a slow and a forgetful service, a full container")
        with ExitStack() as troubles:
            troubles.enter_context(trouble(instances))
            with live_prometheus(place, "first") as prometheus:
                wait_until(lambda: seen_by(prometheus) == EXPECTED.keys(), "all eight are pending or firing")
            line.say("Prometheus has seen the cause of all eight; it is restarted with older memories of them")
            aged = age_pending(place, "first", "second", line.wall(), LEFT_SECONDS)
            line.begin_phase(f"{len(aged)} alerts have {LEFT_SECONDS:.0f} seconds left to wait, or none")
            with live_prometheus(place, "second") as prometheus:
                wait_until(lambda: line.told("firing") == EXPECTED.keys(), "all eight reach a receiver")
                faults = misled(line.notices)
                line.begin_phase("all eight were told to their receivers, with their links; the troubles end")
                troubles.close()
                heal(cluster, url, instances, line.wall())
                wait_until(lambda: not seen_by(prometheus), "all eight clear", CLEARS_WITHIN)
                wait_until(lambda: line.told("resolved") == EXPECTED.keys(), "receivers are told of the end")
                line.say("all eight are over, and their receivers know")
    return faults


def main() -> int:
    """Run, print, and say with the exit code whether all of it happened."""
    with tempfile.TemporaryDirectory() as place:
        try:
            faults = drill(Path(place))
        except AssertionError as error:
            faults = [str(error)]
    for fault in faults:
        print(f"FAULT: {fault}", file=sys.stderr)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
