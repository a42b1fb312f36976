"""The schema refuses what nobody meant, and accepts what the runbook types."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from stock_service import __version__
from stock_service.config.load import load_settings
from stock_service.config.sections import FIELDS, Field
from tests.support.kube_chart import CHART, RenderRefused, container, environment, pick, render
from tests.support.kube_settings_schema import CHARTS_OWN, SCHEMA, camel_case, schema_text

HPA_LINE = (
    *("--set", "autoscaling.enabled=true", "--set", "autoscaling.minReplicas=3"),
    *("--set", "autoscaling.maxReplicas=20", "--set", "autoscaling.targetCPUUtilizationPercentage=70"),
)

REFUSED = {
    "a name that does not exist": (("--set", "replicaCuont=3"), "replicaCuont"),
    "a setting that does not exist": (("--set", "config.quota.call=5"), "call"),
    "a section that does not exist": (("--set", "config.quotas.calls=5"), "quotas"),
    "a vendor key as a value": (("--set", "config.upstream.apiKey=k"), "apiKey"),
    "a password in an address": (("--set", "config.upstream.url=https://me:pw@host"), "url"),
    "a duration without its unit": (("--set", "config.quota.per=61"), "per"),
    "a tag that lost its quotes": (("--set-json", "image.tag=1.1"), "tag"),
    "no memory limit": (("--set", "resources.limits.memory=null"), "memory"),
    "a duration without a unit it knows": (("--set", "config.quota.per=5w"), "per"),
    "a negative replica count": (("--set", "replicaCount=-1"), "replicaCount"),
    "an autoscaler ceiling of nought": (("--set", "autoscaling.maxReplicas=0"), "maxReplicas"),
    "a log level that does not exist": (("--set", "config.log.level=warn"), "level"),
    "a host with a scheme": (("--set", "ingress.hosts={https://a.example.com}"), "hosts"),
    "an Ingress without a host": (("--set", "ingress.enabled=true"), "ingress.hosts"),
    "a certificate for nothing": (("--set", "certificate.enabled=true"), "certificate.enabled"),
    "a route without a gateway": (("--set", "httpRoute.enabled=true"), "parentRefs"),
    "a floor above the ceiling": (("--set", "replicaCount=30"), "30"),
    "two addresses of the shared store": (
        ("--set", "sharedCache.existingSecret=a", "--set", "sharedCache.url=valkey://h:1"),
        "once",
    ),
    "a password in the shared store's address": (("--set", "sharedCache.url=valkey://me:pw@h"), "url"),
    "an address that is no store's": (("--set", "sharedCache.url=http://h"), "url"),
    "a service nobody may ask": (("--set", "clientKeys.existingSecret="), "allowAnonymous"),
}


@pytest.mark.parametrize("helm", ["helm", "helm3"])
@pytest.mark.parametrize("fault", REFUSED)
def test_values_nobody_meant_are_refused_by_name(fault: str, helm: str) -> None:
    """The words of helm 3 and 4 differ; the name of the value is in both."""
    arguments, word = REFUSED[fault]
    with pytest.raises(RenderRefused, match=word):
        render(*arguments, helm=helm)


@pytest.mark.parametrize("replicas", [3, 10])
def test_the_replica_count_of_the_scaling_lines_takes_effect(replicas: int) -> None:
    """With the autoscaler it is the floor, without it the count itself."""
    scaled = render("--set", f"replicaCount={replicas}")
    assert pick(scaled, "Deployment")["spec"]["replicas"] == replicas
    assert pick(scaled, "HorizontalPodAutoscaler")["spec"]["minReplicas"] == replicas
    fixed = render("--set", f"replicaCount={replicas}", "--set", "autoscaling.enabled=false")
    assert pick(fixed, "Deployment")["spec"]["replicas"] == replicas


def test_the_autoscaling_line_says_what_the_autoscaler_does() -> None:
    """3 to 20 pods, CPU 70 %, and the capacity plan's memory 80 %."""
    spec = pick(render(*HPA_LINE), "HorizontalPodAutoscaler")["spec"]
    assert (spec["minReplicas"], spec["maxReplicas"]) == (3, 20)
    targets = {m["resource"]["name"]: m["resource"]["target"]["averageUtilization"] for m in spec["metrics"]}
    assert targets == {"cpu": 70, "memory": 80}
    assert spec["scaleTargetRef"] == {"apiVersion": "apps/v1", "kind": "Deployment", "name": "stock-service"}


def test_the_latency_and_error_triggers_need_a_metrics_source() -> None:
    """2 seconds and 5 %, through the adapter or KEDA; both read our recorded series."""
    adapter = pick(render("--set", "autoscaling.customMetrics.provider=adapter"), "HorizontalPodAutoscaler")
    external = {
        metric["external"]["metric"]["name"]: metric["external"]["target"]["value"]
        for metric in adapter["spec"]["metrics"]
        if metric["type"] == "External"
    }
    assert external == {"stock_service_own_latency_p99_seconds": "2", "stock_service_own_error_ratio": "50m"}
    keda = pick(render("--set", "autoscaling.customMetrics.provider=keda"), "ScaledObject")
    thresholds = [t["metadata"]["threshold"] for t in keda["spec"]["triggers"] if t["type"] == "prometheus"]
    assert thresholds == ["2", "5"]
    assert keda["spec"]["advanced"]["horizontalPodAutoscalerConfig"]["name"] == "stock-service"
    assert keda["spec"]["fallback"]["replicas"] == keda["spec"]["maxReplicaCount"]


@pytest.mark.parametrize(
    ("option", "value", "tag"),
    [
        ("--set", "new-version", "new-version"),
        ("--set", "1.10", "1.10"),
        ("--set", "1234567", "1234567"),
        ("--set", "12345678901", "12345678901"),
        ("--set", "1e10", "1e10"),
        ("--set-string", "007", "007"),
    ],
)
def test_the_tag_of_the_deployment_line_is_used_as_typed(option: str, value: str, tag: str) -> None:
    """Helm makes a number of a tag of digits only; the chart prints it back."""
    deployment = pick(render(option, f"image.tag={value}"), "Deployment")
    assert container(deployment)["image"] == f"stock-service:{tag}"


def test_the_tag_is_the_version_of_the_code_unless_said_otherwise() -> None:
    """`smoke --expect-version` and the metric compare with it."""
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    assert (chart["appVersion"], chart["version"]) == (__version__, __version__)
    assert container(pick(render(), "Deployment"))["image"] == f"stock-service:{__version__}"


def test_a_digest_wins_over_a_tag() -> None:
    """What was scanned is what runs."""
    digest = "sha256:" + "0" * 64
    deployment = pick(render("--set", f"image.digest={digest}", "--set", "image.tag=x"), "Deployment")
    assert container(deployment)["image"] == f"stock-service@{digest}"


def test_the_backup_file_restores_with_its_heading(tmp_path: Path) -> None:
    """`helm get values > file` writes `USER-SUPPLIED VALUES:` first; the restore line reads that file."""
    backup = tmp_path / "stock-service-values-backup.yaml"
    backup.write_text("USER-SUPPLIED VALUES:\nenvironment: production\nreplicaCount: 4\n")
    assert pick(render("-f", str(backup)), "Deployment")["spec"]["replicas"] == 4


@pytest.mark.parametrize("name", ["values-staging.yaml", "values-production.yaml"])
def test_a_values_file_holds_only_what_differs(name: str) -> None:
    """A near-copy of the defaults goes stale unseen."""
    defaults = yaml.safe_load((CHART / "values.yaml").read_text())
    ours = yaml.safe_load((CHART / name).read_text())
    ours.pop("environment")  # said even where it is the default: an empty backup file is not valid YAML
    assert not list(_equal_leaves(ours, defaults))


def _equal_leaves(ours: dict[str, object], defaults: dict[str, object], path: str = "") -> list[str]:
    found = []
    for key, value in ours.items():
        default = defaults.get(key)
        if isinstance(value, dict) and isinstance(default, dict):
            found += _equal_leaves(value, default, f"{path}{key}.")
        elif value == default:
            found.append(f"{path}{key}")
    return found


def test_the_schema_of_the_settings_is_made_from_their_table() -> None:
    """An option is added once; after that: python -m tests.support.kube_settings_schema."""
    assert SCHEMA.read_text() == schema_text()


def test_the_service_accepts_every_variable_the_chart_sets() -> None:
    """The first version's chart set names its code never read."""
    every = {
        f"{field.section}.{camel_case(field.key)}": _some_value(field)
        for field in FIELDS
        if field.name not in CHARTS_OWN
    }
    arguments = [part for name, value in every.items() for part in ("--set-json", f"config.{name}={json.dumps(value)}")]
    arguments += ["--set", "sharedCache.url=valkeys://cache", "--set", "sharedCache.tls.existingSecret=ca"]
    deployment = pick(render(*arguments), "Deployment")
    given = {item["name"] for item in container(deployment)["env"] if item["name"].startswith("STOCKS_")}
    known = {f"STOCKS_{field.section.upper()}__{field.key.upper()}" for field in FIELDS}
    assert given == known - {"STOCKS_UPSTREAM__API_KEY_FILE", "STOCKS_CACHE__DIR", "STOCKS_CACHE__DIR_MAX_BYTES"}


def _some_value(field: Field) -> object:
    """Return a value the schema takes: the default, or a word where that is empty."""
    written = field.kind.write(field.default)
    if isinstance(field.default, bool) or (type(field.default) is int and written.isdigit()):
        return field.default
    if "network" in field.kind.label:
        return "10.0.0.0/8"
    return written or "https://stocks.example.com"


def test_no_default_is_a_secret() -> None:
    """Secrets are references: the only names with `key` are those of Secrets and of their entries."""
    assert "API_KEY" not in " ".join(environment(pick(render(), "Deployment")))


@pytest.mark.parametrize("name", ["values.yaml", "values-production.yaml", "values-staging.yaml"])
def test_the_service_starts_with_the_settings_of_the_chart(name: str, tmp_path: Path) -> None:
    """Read by the service's own loader, contradictions included; the keys file is where the pod has it."""
    deployment = pick(render("-f", str(CHART / name)), "Deployment")
    given = {name: value for name, value in environment(deployment).items() if name.startswith("STOCKS_")}
    keys = tmp_path / "keys.jsonl"
    keys.write_text("")
    given |= {"STOCKS_ACCESS__KEYS_FILE": str(keys), "STOCKS_UPSTREAM__API_KEY": "from-the-secret"}
    settings = load_settings(env=given).settings
    assert settings.server.host == "0.0.0.0"
    assert settings.server.port == 8080
