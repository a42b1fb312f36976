"""Every alert fires one step over its threshold, not one step under, and not a scrape before its time."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pytest
import yaml

from tests.chart.rule_cases import CASES, STEADY, Case, cache, flat, pods, requests, up_in
from tests.support.prometheus_rules import Look, alerts, promtool_verdict, rendered_groups
from tests.support.promql import metric_names, own_series
from tests.support.tools import ROOT, require

ALWAYS = "StockServiceWatchdog"
# The runbook's own words: docs/runbook.md repeats them, and its test compares both with this.
RUNBOOK = {
    "ServiceDown": ('up{job="stock-service"} == 0', "1m", "P1"),
    "HighErrorRate": ('rate(http_requests_total{status=~"5.."}[5m]) > 0.1', "5m", "P1"),
    "CircuitBreakerOpen": ("stock_service_circuit_breaker_state == 2", None, "P1"),
    "HighLatency": ("histogram_quantile(0.95, rate(http_request_duration_seconds_bucket[5m])) > 2", "10m", "P2"),
    "HighMemoryUsage": ("container_memory_usage_bytes / container_spec_memory_limit_bytes > 0.9", "15m", "P2"),
    "LowCacheHitRate": (
        "rate(stock_service_cache_hits_total[5m]) / (rate(stock_service_cache_hits_total[5m]) + "
        "rate(stock_service_cache_misses_total[5m])) < 0.5",
        "30m",
        "P2",
    ),
    "DeploymentCompleted": ("kube_deployment_status_replicas_updated == kube_deployment_spec_replicas", None, "P3"),
    "CertificateExpiry": ("certmanager_certificate_expiration_timestamp_seconds - time() < 86400 * 30", None, "P3"),
}
SEVERITY = {"P1": "critical", "P2": "warning", "P3": "info"}
FOREIGN = re.compile(r"(?:up|kube_\w+|certmanager_\w+|container_\w+)\Z")  # of Prometheus and the cluster's exporters


def test_the_cases_cover_every_alert_and_no_other() -> None:
    """A rule without a case is a rule nobody has seen fire."""
    assert set(CASES) == set(alerts()) - {ALWAYS}


@pytest.mark.parametrize("alert", CASES)
def test_it_fires_over_its_threshold_and_not_under_it(alert: str, tmp_path: Path) -> None:
    """Each side is a step away from the number in the rule."""
    case: Case = CASES[alert]
    at = case.steady
    assert promtool_verdict(tmp_path, alert, case.over, case.every, [Look(at, case.firing)]) == ""
    assert promtool_verdict(tmp_path, alert, case.under, case.every, [Look(at, 0)]) == ""


@pytest.mark.parametrize("alert", CASES)
def test_it_waits_exactly_as_long_as_it_says(alert: str, tmp_path: Path) -> None:
    """Not one scrape earlier."""
    case: Case = CASES[alert]
    due = case.onset + case.waits
    looks = [Look(due, 1)]
    if due:
        looks.append(Look(due - case.every, 0))
    assert promtool_verdict(tmp_path, alert, case.loud, case.every, looks) == ""


def test_the_wait_of_every_rule_is_the_one_tested() -> None:
    """The table above cannot drift from the rules."""
    units = {"s": 1, "m": 60, "h": 3600}
    for name, case in CASES.items():
        text = alerts()[name].get("for", "0s")
        assert int(text[:-1]) * units[text[-1]] == case.waits, name


def test_the_watchdog_always_fires(tmp_path: Path) -> None:
    """Its absence is the signal."""
    assert promtool_verdict(tmp_path, ALWAYS, {"x": flat(1)}, 15, [Look(0, 1), Look(3600, 1)]) == ""


@pytest.mark.parametrize("alert", RUNBOOK)
def test_the_eight_are_word_for_word(alert: str) -> None:
    """Only line breaks may differ."""
    expression, waits, priority = RUNBOOK[alert]
    rule = alerts()[alert]
    assert " ".join(rule["expr"].split()) == expression
    assert rule.get("for") == waits
    assert rule["labels"] == {
        "severity": SEVERITY[priority],
        "priority": priority,
        "team": "sre",
        "service": "stock-service",
    }


def test_every_alert_tells_what_to_do() -> None:
    """A page without the next step costs its first five minutes."""
    for name, rule in alerts().items():
        notes = rule["annotations"]
        assert {"summary", "action", "command", "runbook_url", "dashboard_url"} == set(notes), name
        assert all(notes.values()), name
        assert re.fullmatch(r"https://[^#]+/runbook#[a-z-]+", notes["runbook_url"]), name
        assert re.fullmatch(r"https://[^#]+/d/stock-[a-z]+", notes["dashboard_url"]), name


def test_the_eight_name_the_process_where_nobody_labels_pods() -> None:
    """A Prometheus outside Kubernetes knows `instance` only; "the breaker of  is open" helps nobody."""
    for name in ("ServiceDown", "CircuitBreakerOpen", "HighLatency", "LowCacheHitRate"):
        assert "{{ or $labels.pod $labels.instance }}" in alerts()[name]["annotations"]["summary"], name


def test_one_group_pages_and_the_other_tells() -> None:
    """Both paging would ring twice for one trouble; our own group has no twin and always pages."""
    twins = {"ServiceDown": "StockServiceDown", "HighErrorRate": "StockServiceHighErrorRatio"}
    for page_on, loud, quiet in (("runbook", twins.keys(), twins.values()), ("recommended", twins.values(), twins)):
        rules = alerts("--set", f"prometheusRule.pageOn={page_on}")
        assert [rules[name]["labels"]["severity"] for name in loud] == ["critical"] * 2
        assert [rules[name]["labels"]["priority"] for name in quiet] == ["P2"] * 2
        assert rules["StockServiceAbsent"]["labels"]["severity"] == "critical"


def test_every_metric_of_ours_in_a_rule_exists() -> None:
    """The first version of this product alerted on names nobody exported."""
    recorded = {rule["record"] for group in rendered_groups() for rule in group["rules"] if "record" in rule}
    used = {name for group in rendered_groups() for rule in group["rules"] for name in metric_names(rule["expr"])}
    assert {name for name in used - own_series() - recorded if not FOREIGN.match(name)} == set()


def test_probes_do_not_dilute_the_error_ratio(tmp_path: Path) -> None:
    """50 good health checks a second stand beside one request a second, which always fails."""
    look = [Look(STEADY, 1)]
    assert promtool_verdict(tmp_path, "StockServiceHighErrorRatio", requests(1, 0), 15, look) == ""


def test_the_literal_error_alert_misses_a_small_outage(tmp_path: Path) -> None:
    """It counts errors a second and series: every answer fails here, at 0.09 a second. The ratio sees it."""
    series = requests(0.09, 0)
    assert promtool_verdict(tmp_path, "HighErrorRate", series, 15, [Look(STEADY, 0)]) == ""
    assert promtool_verdict(tmp_path, "StockServiceHighErrorRatio", series, 15, [Look(STEADY, 1)]) == ""


def test_a_breaker_nobody_asks_does_not_page_all_night(tmp_path: Path) -> None:
    """Only a question closes it: the literal alert stays however well the vendor is."""
    state, due = "stock_service_circuit_breaker_state", "stock_service_circuit_breaker_due_seconds"
    series = pods(state, 2, 2) | pods(due, 601, 601)
    assert promtool_verdict(tmp_path, "CircuitBreakerOpen", series, 15, [Look(600, 2)]) == ""
    assert promtool_verdict(tmp_path, "StockServiceBreakerOpen", series, 15, [Look(600, 0)]) == ""
    asked = pods(state, 2, 2) | pods(due, 601, 30)
    assert promtool_verdict(tmp_path, "StockServiceBreakerOpen", asked, 15, [Look(600, 1)]) == ""


def test_one_lost_pod_of_twenty_does_not_page(tmp_path: Path) -> None:
    """The literal alert does."""
    series = pods("up", 0, *[1] * 19)
    assert promtool_verdict(tmp_path, "ServiceDown", series, 15, [Look(600, 1)]) == ""
    assert promtool_verdict(tmp_path, "StockServiceDown", series, 15, [Look(600, 0)]) == ""


def test_what_is_missing_is_missed_in_the_releases_own_namespace(tmp_path: Path) -> None:
    """The alert has no series to take a label from; a Prometheus that labels no namespace is not alarmed."""
    rule = alerts(namespace="prod")["StockServiceAbsent"]
    assert 'namespace=~"prod|"' in rule["expr"]
    assert rule["labels"]["namespace"] == "prod"
    assert promtool_verdict(tmp_path, "StockServiceAbsent", up_in(""), 15, [Look(STEADY, 0)]) == ""


def test_a_backup_that_never_succeeded_is_stale(tmp_path: Path) -> None:
    """It has no last success: without its CronJob's age the alert would wait for ever."""
    created = 'kube_cronjob_created{namespace="stock-service",cronjob="stock-service-backup"}'
    succeeded = 'kube_cronjob_status_last_successful_time{namespace="stock-service",cronjob="stock-service-backup"}'
    name = "StockServiceConfigBackupStale"
    assert promtool_verdict(tmp_path, name, {created: flat(0)}, 15, [Look(600, 0), Look(615, 1)]) == ""
    both = {created: flat(0), succeeded: flat(STEADY - 10)}
    assert promtool_verdict(tmp_path, name, both, 15, [Look(STEADY, 0)]) == ""


@pytest.mark.parametrize("alert", ["StockServiceErrorBudgetBurnsFast", "StockServiceErrorBudgetBurns"])
def test_a_few_errors_of_a_quiet_night_burn_no_budget(alert: str, tmp_path: Path) -> None:
    """Half of the answers fail, and that is one in eight minutes; in the second case one in four."""
    assert promtool_verdict(tmp_path, alert, requests(1 / 480, 1 / 480), 15, [Look(STEADY, 0)]) == ""
    assert promtool_verdict(tmp_path, alert, requests(1 / 120, 1 / 120), 15, [Look(STEADY, 1)]) == ""


def test_an_idle_fleet_has_no_cache_alert(tmp_path: Path) -> None:
    """Half a read a second says nothing about the cache."""
    assert promtool_verdict(tmp_path, "StockServiceLowCacheHitRatio", cache(0, 0.5), 15, [Look(STEADY, 0)]) == ""


def test_a_prometheus_without_the_operator_gets_its_rules_and_its_targets(tmp_path: Path) -> None:
    """The command of the page gives the rules as rendered; the configuration names the job that the alerts name.

    Debian builds Prometheus without the discovery in Kubernetes: that part alone is taken out before it is checked.
    """
    page = (ROOT / "docs" / "operations.md").read_text()
    (line,) = [line for line in page.splitlines() if line.endswith("> stock-service-rules.yml")]
    line = line.replace("helm ", f"{require('helm')} ", 1).replace("> ", f"> {tmp_path}/")
    subprocess.run(["bash", "-o", "pipefail", "-c", line], cwd=ROOT, check=True)
    assert yaml.safe_load((tmp_path / "stock-service-rules.yml").read_text()) == {"groups": rendered_groups()}
    configuration = yaml.safe_load((ROOT / "ops" / "prometheus.yml").read_text())
    discovered = {job["job_name"]: job.pop("kubernetes_sd_configs", None) for job in configuration["scrape_configs"]}
    assert discovered["stock-service"] == [{"role": "endpointslice"}]
    (tmp_path / "prometheus.yml").write_text(yaml.safe_dump(configuration))
    command = [str(require("promtool")), "check", "config", "--syntax-only", str(tmp_path / "prometheus.yml")]
    subprocess.run(command, check=True)


@pytest.mark.parametrize("page_on", ["runbook", "recommended"])
def test_prometheus_accepts_the_rendered_rules(page_on: str, tmp_path: Path) -> None:
    """The file a Prometheus without the operator would load."""
    rules = tmp_path / "rules.yaml"
    rules.write_text(yaml.safe_dump({"groups": rendered_groups("--set", f"prometheusRule.pageOn={page_on}")}))
    done = subprocess.run(
        [str(require("promtool")), "check", "rules", "--lint=all", "--lint-fatal", str(rules)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, json.dumps(done.stdout + done.stderr)
