"""The series the autoscaler may read: what more pods can mend is in them, what the vendor causes is not."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.chart.rule_cases import JOB, STEADY, latency, requests, rise
from tests.support.kube_chart import pick, render
from tests.support.prometheus_rules import rendered_groups
from tests.support.tools import ROOT, require

P99, ERRORS = "stock_service:own_latency_p99_seconds:rate5m", "stock_service:own_error_ratio:rate5m"


def vendor(slow: bool) -> dict[str, str]:
    """A vendor that answers in 0.5 or in 2 seconds."""
    bucket = f'stock_service_stock_api_duration_seconds_bucket{{{JOB},endpoint="bars",outcome="ok",le="%s"}}'
    return {bucket % "0.5": rise(0 if slow else 1), bucket % "2.0": rise(1), bucket % "+Inf": rise(1)}


CASES = {
    "slow by itself": (P99, latency(1) | requests(0, 1) | vendor(slow=False), 2.495),
    "slow because the vendor is": (P99, latency(1) | requests(0, 1) | vendor(slow=True), 0),
    "slow without any vendor call": (P99, latency(1) | requests(0, 1), 2.495),
    "errors of its own": (ERRORS, requests(1, 9, status="500"), 0.1),
    "errors of the vendor's": (ERRORS, requests(1, 9, status="502"), 0),
}


@pytest.mark.parametrize("case", CASES)
def test_more_pods_are_asked_for_only_where_they_help(case: str, tmp_path: Path) -> None:
    """More pods in a vendor outage make it worse: more breakers probe, more pods share the calls."""
    record, series, value = CASES[case]
    (recorded,) = [group for group in rendered_groups() if group["name"] == "stock-service.recorded"]
    (tmp_path / "rules.yaml").write_text(yaml.safe_dump({"groups": [recorded]}))
    sample = {"labels": '{namespace="stock-service"}', "value": value}
    looks = [{"expr": f"round({record}, 0.001)", "eval_time": f"{STEADY}s", "exp_samples": [sample]}]
    rows = [{"series": name, "values": values} for name, values in series.items()]
    test: dict[str, Any] = {"rule_files": ["rules.yaml"], "evaluation_interval": "15s"}
    test |= {"tests": [{"interval": "15s", "input_series": rows, "promql_expr_test": looks}]}
    (tmp_path / "test.yaml").write_text(yaml.safe_dump(test))
    command = [str(require("promtool")), "test", "rules", str(tmp_path / "test.yaml")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_adapter_serves_the_metrics_the_autoscaler_names() -> None:
    """Two files, one pair of names."""
    adapter = yaml.safe_load((ROOT / "ops" / "prometheus-adapter-values.yaml").read_text())
    served = {rule["name"]["as"]: rule["seriesQuery"].partition("{")[0] for rule in adapter["rules"]["external"]}
    hpa = pick(render("--set", "autoscaling.customMetrics.provider=adapter"), "HorizontalPodAutoscaler")
    asked = {m["external"]["metric"]["name"] for m in hpa["spec"]["metrics"] if m["type"] == "External"}
    assert asked == set(served)
    recorded = {rule.get("record") for group in rendered_groups() for rule in group["rules"]}
    assert set(served.values()) <= recorded
