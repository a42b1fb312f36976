"""`stock-service runbook check`: the lines that only look are run as typed, the others are not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from stock_service.operate.runbook_lines import Left, Run, judge_line
from tests.support.kube_cluster import Cluster
from tests.support.runbook import commands, typed

CHECK = typed("stock-service runbook check")


def checked(cluster: Cluster) -> dict[str, dict[str, str]]:
    """Return what was found, by line. A proxy that is not there: no test asks the real vendor."""
    told = json.loads(cluster.run(f"export https_proxy=http://127.0.0.1:1; {CHECK} --json", check=False))
    return {check["name"]: check for check in told["checks"]}


def test_lines_that_look_are_run_and_the_others_are_not(cluster: Cluster) -> None:
    """Nothing is changed; every line of the page is accounted for."""
    before = len(cluster.server.seen)
    found = checked(cluster)
    assert set(found) == commands()
    assert {request.split()[0] for request in cluster.server.seen[before:]} == {"GET"}
    by_finding: dict[str, set[str]] = {}
    for line, one in found.items():
        by_finding.setdefault(one["finding"], set()).add(line)
    assert by_finding["bad"] == {"curl -I https://api.polygon.io/v1/marketstatus/now"}
    assert {line.split()[0] for line in by_finding["good"]} == {"kubectl", "helm"}
    assert len(by_finding["good"]) > 8
    assert not any(word in line for line in by_finding["good"] for word in ("upgrade", "scale", "restart", "undo"))


def test_a_line_that_would_fail_tonight_is_named_with_the_reason(cluster: Cluster) -> None:
    """Here the release is gone."""
    cluster.run("helm uninstall stock-service -n stock-service")
    found = checked(cluster)
    line = "kubectl rollout history deployment/stock-service -n stock-service"
    assert found[line]["finding"] == "bad"
    assert "not found" in found[line]["told"]


def test_what_a_library_says_to_its_developers_is_not_told(cluster: Cluster, tmp_path: Path) -> None:
    """Without an API server kubectl writes five such lines before the one that helps."""
    gone: dict[str, Any] = {"clusters": [{"name": "x", "cluster": {"server": "http://127.0.0.1:1"}}]}
    gone |= {"contexts": [{"name": "x", "context": {"cluster": "x", "user": ""}}], "current-context": "x"}
    (tmp_path / "nobody").write_text(json.dumps(gone))
    nowhere = f"export KUBECONFIG={tmp_path}/nobody https_proxy=http://127.0.0.1:1"
    told = json.loads(cluster.run(f"{nowhere}; {CHECK} --json", check=False))
    (nodes,) = [check for check in told["checks"] if check["name"] == "kubectl get nodes"]
    assert nodes["told"].startswith("The connection to the server ")


@pytest.mark.parametrize(
    ("line", "verdict"),
    [
        ("kubectl get hpa -n a -w", Run(("kubectl", "--context", "dr", "get", "hpa", "-n", "a"))),
        ("helm get values s -n a > file", Run(("helm", "--kube-context", "dr", "get", "values", "s", "-n", "a"))),
        ("kubectl logs -n a | grep ERROR", Run(("kubectl", "--context", "dr", "logs", "-n", "a"))),
        ("kubectl get x -o 'a|b'", Left("kubectl", "not run: more than a machine should read into it")),
        ("kubectl delete pod x", Left("kubectl", "not run: it changes something, or needs a place of yours")),
    ],
)
def test_what_is_done_with_a_line(line: str, verdict: object) -> None:
    """By its first words; what stands behind a pipe or a redirection is the shell's."""
    assert judge_line(line, "dr") == verdict
