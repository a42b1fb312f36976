"""The chart's rules as Prometheus reads them, and promtool's verdict on what they do with given series."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tests.support.kube_chart import Manifest, pick, render
from tests.support.tools import require


def rendered_groups(*arguments: str, namespace: str = "stock-service") -> list[dict[str, Any]]:
    """Return the rule groups of the rendered PrometheusRule."""
    rendered = render("--set", "prometheusRule.enabled=true", *arguments, namespace=namespace)
    rule: Manifest = pick(rendered, "PrometheusRule")
    return list(rule["spec"]["groups"])


def alerts(*arguments: str, namespace: str = "stock-service") -> dict[str, dict[str, Any]]:
    """Return every alerting rule by its name."""
    groups = rendered_groups(*arguments, namespace=namespace)
    return {rule["alert"]: rule for group in groups for rule in group["rules"] if "alert" in rule}


def _needed_by(alert: str) -> list[dict[str, Any]]:
    """Return the alert's rule and, before it, the recorded series it reads: evaluating all rules takes minutes."""
    (recorded,) = [group for group in rendered_groups() if group["name"] == "stock-service.recorded"]
    rule = alerts()[alert]
    needed: list[dict[str, Any]] = []
    for record in reversed(recorded["rules"]):
        if any(record["record"] in reader["expr"] for reader in [rule, *needed]):
            needed.insert(0, record)
    groups = [{"name": recorded["name"], "rules": needed}] if needed else []
    return [*groups, {"name": "alert", "rules": [rule]}]


@dataclass(frozen=True, slots=True)
class Look:
    """A question to Prometheus at `at` seconds: how many alerts of that name fire then?"""

    at: int
    firing: int


def promtool_verdict(place: Path, alert: str, series: dict[str, str], every: int, looks: list[Look]) -> str:
    """Feed `series` (one value `every` seconds), look, and return promtool's complaint; empty when all looks hold."""
    rules = place / "rules.yaml"
    rules.write_text(yaml.safe_dump({"groups": _needed_by(alert)}))
    count = f'count(ALERTS{{alertname="{alert}",alertstate="firing"}}) or vector(0)'
    test = place / "test.yaml"
    test.write_text(
        yaml.safe_dump(
            {
                "rule_files": [str(rules)],
                "evaluation_interval": f"{every}s",
                "group_eval_order": ["stock-service.recorded", "alert"],
                "tests": [
                    {
                        "interval": f"{every}s",
                        "input_series": [{"series": name, "values": values} for name, values in series.items()],
                        "promql_expr_test": [
                            {
                                "expr": count,
                                "eval_time": f"{look.at}s",
                                "exp_samples": [{"labels": "{}", "value": look.firing}],
                            }
                            for look in looks
                        ],
                    }
                ],
            }
        )
    )
    done = subprocess.run(
        [str(require("promtool")), "test", "rules", str(test)], capture_output=True, text=True, check=False
    )
    return "" if done.returncode == 0 else done.stdout + done.stderr
