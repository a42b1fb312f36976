"""Who hears which alert: the routes as amtool walks them, for every alert the chart renders."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.prometheus_rules import alerts
from tests.support.tools import ROOT, require

CONFIG = ROOT / "ops" / "alertmanager.yaml"
RECEIVER = {
    "critical": "p1-page",
    "warning": "p2-business-hours",
    "info": "p3-next-business-day",
    "none": "dead-mans-switch",
}


def amtool(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([str(require("amtool")), *arguments], capture_output=True, text=True, check=False)


def receivers_of(labels: dict[str, str]) -> str:
    """Return the receivers of an alert with these labels, comma-separated."""
    pairs = [f"{name}={value}" for name, value in labels.items()]
    return amtool("config", "routes", "test", f"--config.file={CONFIG}", *pairs).stdout.strip()


def config() -> dict[str, Any]:
    return dict(yaml.safe_load(CONFIG.read_text()))


def test_alertmanager_accepts_the_configuration() -> None:
    """The same check it makes at its start."""
    done = amtool("check-config", str(CONFIG))
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("page_on", ["runbook", "recommended"])
def test_every_alert_reaches_the_receiver_of_its_class(page_on: str) -> None:
    """P1 pages, P2 is for business hours, P3 for the next business day."""
    for name, rule in alerts("--set", f"prometheusRule.pageOn={page_on}").items():
        labels = {"alertname": name, "namespace": "stock-service", **rule["labels"]}
        assert receivers_of(labels) == RECEIVER[rule["labels"]["severity"]], name


@pytest.mark.parametrize("severity", ["critical", "warning", "info"])
def test_staging_never_pages(severity: str) -> None:
    """It shares rules and job name with production."""
    labels = {"alertname": "ServiceDown", "service": "stock-service", "severity": severity, "namespace": "staging"}
    assert receivers_of(labels) == "alerts-channel"


def test_an_alert_of_somebody_else_does_not_page() -> None:
    """The default receiver is a channel."""
    assert receivers_of({"alertname": "Other", "severity": "critical"}) == "alerts-channel"


def routes() -> dict[str, dict[str, Any]]:
    return {route["receiver"]: route for route in config()["route"]["routes"]}


def test_a_page_leaves_at_once_and_returns_until_it_is_acknowledged() -> None:
    """Acknowledge within five minutes."""
    page = routes()["p1-page"]
    assert (page["group_wait"], page["repeat_interval"]) == ("0s", "5m")
    assert "active_time_intervals" not in page


def test_warnings_and_notes_wait_for_business_hours() -> None:
    """Of the place the team works in."""
    for receiver in ("p2-business-hours", "p3-next-business-day"):
        assert routes()[receiver]["active_time_intervals"] == ["business-hours"]
    assert routes()["p3-next-business-day"]["repeat_interval"] == "24h"
    (hours,) = config()["time_intervals"]
    assert hours["time_intervals"][0]["weekdays"] == ["monday:friday"]


def test_a_page_is_told_in_both_channels() -> None:
    """#alerts for the team, #incidents for everybody who waits."""
    (page,) = [receiver for receiver in config()["receivers"] if receiver["name"] == "p1-page"]
    assert [slack["channel"] for slack in page["slack_configs"]] == ["#alerts", "#incidents"]
    assert page["pagerduty_configs"]


def test_one_message_for_a_namespace_and_not_one_for_a_pod() -> None:
    """Every pod has its own breaker: twenty pods, one page."""
    assert config()["route"]["group_by"] == ["alertname", "namespace"]


def test_only_alerts_that_exist_are_named() -> None:
    """An inhibition of a misspelt alert does nothing."""
    names = set(alerts())
    for rule in config()["inhibit_rules"]:
        for matcher in rule["source_matchers"] + rule["target_matchers"]:
            if not matcher.startswith("alertname"):
                continue
            for word in matcher.split('"')[1].split("|"):
                assert any(re.fullmatch(word, name) for name in names), word


def test_no_token_is_in_the_file() -> None:
    """They are files, mounted from a Secret."""
    for receiver in config()["receivers"]:
        for kind in ("slack_configs", "pagerduty_configs"):
            for entry in receiver.get(kind, []):
                assert not {"api_url", "routing_key", "service_key"} & set(entry)
    assert "smtp_auth_password" not in config()["global"]


def rendered(template: str, notes: list[dict[str, str]], folder: Path) -> str:
    """Return what a message about alerts with these annotations says."""
    common = {name: text for name, text in notes[0].items() if all(each.get(name) == text for each in notes)}
    alerts_of = [{"status": "firing", "annotations": each} for each in notes]
    data = folder / "data.json"
    data.write_text(json.dumps({"status": "firing", "alerts": alerts_of, "commonAnnotations": common}))
    (folder / "none.tmpl").write_text("")
    done = amtool(
        *("template", "render", f"--template.glob={folder}/*.tmpl"),
        *(f"--template.text={template}", f"--template.data={data}"),
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def page_templates() -> tuple[str, str]:
    """Return the text of a page's message, and the command its pager is given."""
    (page,) = [receiver for receiver in config()["receivers"] if receiver["name"] == "p1-page"]
    return page["slack_configs"][0]["text"], page["pagerduty_configs"][0]["details"]["command"]


def test_the_message_of_a_page_renders_to_what_to_do(tmp_path: Path) -> None:
    """The template language is checked only when an alert goes out, which is late."""
    notes = alerts()["ServiceDown"]["annotations"]
    text, command = (rendered(template, [notes], tmp_path) for template in page_templates())
    assert notes["action"] in text
    assert f"`{notes['command']}`" in text
    assert f"<{notes['runbook_url']}|runbook>" in text
    assert command.strip() == notes["command"]


@pytest.mark.parametrize("own", [True, False])
def test_alerts_told_together_keep_each_its_command(tmp_path: Path, *, own: bool) -> None:
    """One line for all when it is the same for all."""
    notes = alerts()["StockServicePodDown"]["annotations"]
    pods = [
        {**notes, "summary": f"{pod} is down", "command": f"kubectl describe pod {pod if own else 'all'}"}
        for pod in ("pod-a", "pod-b")
    ]
    text, command = (rendered(template, pods, tmp_path) for template in page_templates())
    quoted = re.findall("`(.*)`", text)
    assert quoted == [pod["command"] for pod in pods][: 2 if own else 1]
    assert all(each in command for each in quoted)
    assert text.index("pod-a is down") < text.index("pod-b is down") < text.index("*Do:*")
    assert "``" not in text
