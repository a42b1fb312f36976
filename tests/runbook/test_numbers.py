"""Every number of the runbook is the number of the rule, the chart or the setting it speaks of."""

from __future__ import annotations

import re
import subprocess
from typing import Any

import pytest
import yaml

from stock_service.cache.shared_rest import RestSettings
from stock_service.config.sections import Settings
from stock_service.upstream.pacer import PacerSettings, Window
from stock_service.upstream.shared_settings import SharedSlotsSettings
from tests.support.kube_chart import CHART, container, pick, render
from tests.support.prometheus_rules import alerts
from tests.support.runbook import promised, sections, typed
from tests.support.tools import ROOT

RULES = alerts()
UNITS = {"s": "second", "m": "minute", "h": "hour"}
ONCALL = yaml.safe_load((ROOT / "docs" / "oncall.yaml").read_text())


def lasts(name: str) -> str:
    """Return the rule's `for` in words."""
    text = RULES[name]["for"]
    count = int(text[:-1])
    return f"{count} {UNITS[text[-1]]}{'s' if count > 1 else ''}"


def says(name: str) -> str:
    """Return the rule's expression on one line."""
    return " ".join(RULES[name]["expr"].split())


@pytest.mark.parametrize(
    ("anchor", "name"),
    [
        ("service-down", "ServiceDown"),
        ("high-error-rate", "HighErrorRate"),
        ("circuit-breaker-open", "CircuitBreakerOpen"),
        ("high-latency", "HighLatency"),
        ("high-memory-usage", "HighMemoryUsage"),
        ("low-cache-hit-rate", "LowCacheHitRate"),
        ("deployment-completed", "DeploymentCompleted"),
        ("certificate-expiry", "CertificateExpiry"),
    ],
)
def test_the_page_says_what_the_rule_says(anchor: str, name: str) -> None:
    """Expression, class, time and action, word for word."""
    text = sections()[anchor].text
    rule = RULES[name]
    assert f"`{name}`, {rule['labels']['priority']}: `{says(name)}`" in text
    assert "for" not in rule or f"for {lasts(name)}" in text
    action = rule["annotations"]["action"]
    assert f"Do: {action[0].lower()}{action[1:]}" in text


def test_the_times_of_the_eight() -> None:
    """As the rules have them."""
    promised("service-down", '`up{job="stock-service"} == 0` for 1 minute')
    assert lasts("ServiceDown") == "1 minute"
    promised("high-error-rate", '`rate(http_requests_total{status=~"5.."}[5m]) > 0.1` for 5 minutes')
    assert lasts("HighErrorRate") == "5 minutes"
    promised("circuit-breaker-open", "`stock_service_circuit_breaker_state == 2`")
    promised(
        "high-latency",
        "`histogram_quantile(0.95, rate(http_request_duration_seconds_bucket[5m])) > 2` for 10 minutes",
    )
    assert lasts("HighLatency") == "10 minutes"
    promised(
        "high-memory-usage",
        "`container_memory_usage_bytes / container_spec_memory_limit_bytes > 0.9` for 15 minutes",
    )
    assert lasts("HighMemoryUsage") == "15 minutes"
    promised(
        "low-cache-hit-rate",
        "`rate(stock_service_cache_hits_total[5m]) / (rate(stock_service_cache_hits_total[5m]) + "
        "rate(stock_service_cache_misses_total[5m])) < 0.5` for 30 minutes",
    )
    assert lasts("LowCacheHitRate") == "30 minutes"
    promised(
        "certificate-expiry",
        "`certmanager_certificate_expiration_timestamp_seconds - time() < 86400 * 30`, that is 30 days",
    )


def test_the_meanings_of_error_rate() -> None:
    """Four numbers in four places, all of them kept."""
    promised("high-error-rate", "0.1 errors a second", "not 10 %", "at 0.01 %", "is the 10 % of all answers")
    # 1000 requests a second of one pod with 0.01 % errors are 0.1 errors a second.
    assert pytest.approx(0.1) == 1000 * 0.0001
    promised("high-error-rate", "0.1 a second (this alert), 10 % (its better form), 5 % (scaling)", "below 1 %")
    assert "> 0.10" in says("StockServiceHighErrorRatio")
    assert values()["autoscaling"]["customMetrics"]["errorPercent"] == 5
    promised("high-error-rate", "500 is ours; 502, 503 and 504 are the vendor's")
    assert 'status="500"' in (CHART / "files/rules/00-recorded.yaml").read_text()


def values() -> dict[str, Any]:
    return dict(yaml.safe_load((CHART / "values.yaml").read_text()))


def test_the_numbers_of_our_own_alerts() -> None:
    """As their rules have them."""
    promised("deployment-completed", "did not run 15 minutes ago")
    assert "[15m]" in says("StockServiceNewVersion")
    promised("certificate-expiry", "renews ours 32 days before the end", "live 90 days", "pages at 3 days")
    certificate = values()["certificate"]
    assert (certificate["renewBefore"], certificate["duration"]) == (f"{32 * 24}h", f"{90 * 24}h")
    assert says("StockServiceCertificateEnds").endswith("< 86400 * 3")
    promised(
        "error-budget",
        "(14.4 times the 1 % we allow, over 1 hour)",
        "(6 times, over 6 hours)",
        "(once, over 3 days)",
    )
    promised("error-budget", "need more than 10 errors")
    assert says("StockServiceErrorBudgetBurnsFast").endswith("[1h])) > 10")
    assert says("StockServiceErrorBudgetBurns").endswith("[6h])) > 10")
    assert "rate1h > 14.4 * 0.01" in says("StockServiceErrorBudgetBurnsFast")
    assert "rate6h > 6 * 0.01" in says("StockServiceErrorBudgetBurns")
    assert "rate3d > 1 * 0.01" in says("StockServiceErrorBudgetBurnsSlowly")
    promised("service-absent", "(no target for 2 minutes)")
    assert lasts("StockServiceAbsent") == "2 minutes"
    promised("at-the-ceiling", "for 15 minutes")
    assert lasts("StockServiceAtCeiling") == "15 minutes"
    promised("circuit-breaker-open", "has waited 10 minutes for a question")
    assert 'circuit_breaker_due_seconds{job="stock-service"} > 600' in says("StockServiceBreakerOpen")
    promised("breaker-flapping", "more than 3 openings in 30 minutes")
    assert "[30m])) > 3" in says("StockServiceBreakerFlapping")
    promised("breaker-overridden", "for 30 minutes")
    assert lasts("StockServiceBreakerOverridden") == "30 minutes"
    promised("stale-answers", "for 30 minutes a fifth of the answers")
    assert lasts("StockServiceStaleForLong") == "30 minutes"
    assert says("StockServiceStaleForLong").endswith("> 0.2")
    promised("loop-stalls", "more than 3 times in 15 minutes")
    assert "[15m])) > 3" in says("StockServiceLoopStalls")
    promised("configuration-backup", "older than 10 minutes")
    assert says("StockServiceConfigBackupStale").endswith("> 600")
    promised("shared-store", "(`sharedCache`) for 5 minutes", "for 5 minutes pods have kept to their own share")
    assert lasts("StockServiceSharedStoreAway") == lasts("StockServiceBudgetSplit") == "5 minutes"
    promised("shared-store", "more than 3 values in 15 minutes")
    assert "[15m])) > 3" in says("StockServiceSharedValuesDamaged")
    promised("vendor-quota", "for 10 minutes)", "(more than 10 got none in 10 minutes)", "(429 although")
    assert lasts("StockServiceVendorQuotaNearEnd") == "10 minutes"
    assert "[10m])) > 10" in says("StockServiceVendorQuotaSpent")


def test_the_numbers_of_statuses() -> None:
    """What the service does with the vendor's and its own."""
    promised("vendor-key-refused", "answers 401 or 403")
    source = (ROOT / "src/stock_service/upstream/outcome.py").read_text()
    assert {"401", "403"} <= set(re.findall(r"\b40\d\b", source))
    promised("stale-answers", "They are 200 with their age")


def test_the_numbers_of_the_shared_store() -> None:
    """How soon it is in use again: a beat, and the budget's own time apart."""
    promised("shared-store", "within 5 seconds of its return")
    assert RestSettings().rest_for < 5
    assert SharedSlotsSettings(PacerSettings((Window(1, 1.0),))).local_for == 5


def test_the_numbers_of_the_service_itself() -> None:
    """Port and readiness."""
    promised("service", "| port | 8080 |", "`/ready`: 503 while starting and draining")
    assert Settings().server.port == 8080
    assert container(pick(render(), "Deployment"))["ports"][0]["containerPort"] == 8080


def test_the_numbers_of_an_incident() -> None:
    """Acknowledge, restart, breaker, report; as in oncall.yaml and the settings."""
    promised("minutes-0-to-5", "Acknowledge within 5 minutes")
    assert ONCALL["rotation"][0]["acknowledge_within"] == "5m"
    promised("minutes-15-to-30", "after 5 seconds at first and at most every minute")
    breaker = Settings().breaker
    assert (breaker.sleep, breaker.sleep_max) == (5.0, 60.0)
    promised("minutes-5-to-15", "A pod asks for 250m CPU and may use 512Mi memory")
    promised("tell", "within 1 hour")
    assert ONCALL["incident_report_within"] == "1h"
    promised("rollout-stuck", "within 5 minutes")
    assert pick(render(), "Deployment")["spec"]["progressDeadlineSeconds"] == 300
    promised("p2-slow-or-hungry", "64MiB unless set; the limit is 512Mi")
    assert Settings().cache.max_bytes == 64 * 2**20
    assert values()["resources"]["limits"]["memory"] == "512Mi"


def test_the_numbers_of_scaling() -> None:
    """Baseline and triggers, as the chart has them."""
    promised("by-hand", "takes away 1 pod a minute after 5 quiet minutes")
    behavior = pick(render(), "HorizontalPodAutoscaler")["spec"]["behavior"]["scaleDown"]
    assert behavior["policies"] == [{"type": "Pods", "value": 1, "periodSeconds": 60}]
    assert behavior["stabilizationWindowSeconds"] == 5 * 60
    promised("capacity", "250m CPU and 256Mi memory")
    assert values()["resources"]["requests"] == {"cpu": "250m", "memory": "256Mi"}
    promised("capacity", "CPU above 70 %, memory above 80 %", "p99 above 2 seconds and errors above 5 %")
    scaling = values()["autoscaling"]
    assert (scaling["targetCPUUtilizationPercentage"], scaling["targetMemoryUtilizationPercentage"]) == (70, 80)
    assert scaling["customMetrics"]["p99Seconds"] == 2
    promised("capacity", "and status 500")
    promised("capacity", "A pod at 70 % of its 250m uses 175m")
    assert 0.70 * 250 == 175


def test_the_numbers_of_a_deployment() -> None:
    """As the commands beside them say; the bounds are the defaults of `watch`."""
    promised("deployment", "Watch for 30 minutes")
    promised("after-a-deployment", "For 15 minutes errors stay below 1 % and response times below 2 seconds")
    lines = sections()["after-a-deployment"].commands
    assert any("--for 15m --max-error-ratio 0.01 --max-p95 2s" in line for line in lines)


def test_the_numbers_of_recovery() -> None:
    """The schedule of the option."""
    promised("backup", "do it every 5 minutes")
    assert values()["backup"]["schedule"] == "*/5 * * * *"


def test_the_contacts_are_those_of_the_single_source() -> None:
    """The page, the receivers and the Service's annotations."""
    promised("contacts", "+1-XXX-XXX-XXXX (Emergency only)")
    text = sections()["contacts"].text
    for entry in ONCALL["rotation"]:
        assert f"| {entry['role']} | {entry['who']} |" in text
    for entry in ONCALL["external"]:
        assert f"{entry['name']}: {entry['contact']}" in text
    channels = ONCALL["channels"]
    assert all(word in text for word in channels.values())
    notes = pick(render(), "Service")["metadata"]["annotations"]
    assert (notes["a8r.io/owner"], notes["a8r.io/chat"], notes["a8r.io/incidents"]) == (
        channels["email"],
        channels["alerts"],
        channels["incidents"],
    )
    config = (ROOT / "ops" / "alertmanager.yaml").read_text()
    slack = set(re.findall(r'channel: "(#\w+)"', config))
    assert slack == {channels["alerts"], channels["incidents"]}
    assert set(re.findall(r"to: (\S+@\S+)", config)) == {channels["email"]}
    hours = ONCALL["business_hours"]
    assert f"location: {hours['location']}" in config
    assert f'start_time: "{hours["from"]}"' in config
    assert f'end_time: "{hours["to"]}"' in config


@pytest.mark.parametrize("line", [typed("make audit"), typed("make lock UPGRADE=--upgrade"), typed("make test")])
def test_the_chores_of_the_month_are_targets_of_the_makefile(line: str) -> None:
    """Named, not run: two need the network, the third is this."""
    done = subprocess.run([*line.split(), "-n"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
