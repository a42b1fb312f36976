"""Every values file and option, for every supported Kubernetes, gives objects the API server would accept."""

from __future__ import annotations

import copy
import subprocess

import jsonschema
import kubernetes_validate
import pytest

from tests.support.kube_chart import CHART, kinds, pick, render
from tests.support.kube_custom_kinds import validate_custom
from tests.support.tools import require

OPERATORS = ("--set", "serviceMonitor.enabled=true", "--set", "prometheusRule.enabled=true")
HOST = ("--set", "ingress.enabled=true", "--set", "ingress.hosts={stocks.example.com}")
CASES = {
    "defaults": (),
    "staging": ("-f", str(CHART / "values-staging.yaml")),
    "production": ("-f", str(CHART / "values-production.yaml"), *OPERATORS),
    "fixed replicas": ("--set", "autoscaling.enabled=false"),
    "gitops replicas": ("--set", "autoscaling.renderReplicas=false"),
    "adapter metrics": ("--set", "autoscaling.customMetrics.provider=adapter"),
    "keda metrics": ("--set", "autoscaling.customMetrics.provider=keda"),
    "gateway api": ("--set", "httpRoute.enabled=true", "--set", "httpRoute.parentRefs[0].name=public"),
    "ingress alone": (*HOST, "--set", "ingress.restricted.enabled=false"),
    "certificate": (*HOST, "--set", "certificate.enabled=true"),
    "backup": ("--set", "backup.enabled=true"),
    "shared store": (
        *("--set", "sharedCache.url=valkeys://cache:6380", "--set", "sharedCache.ports={6380,16380}"),
        *("--set", "sharedCache.tls.existingSecret=ca"),
    ),
    "more egress": ("--set", "networkPolicy.egressPorts={443,6379}"),
    "no helpers": (
        *("--set", "dashboards.enabled=false", "--set", "networkPolicy.enabled=false"),
        *("--set", "podDisruptionBudget.enabled=false"),
    ),
    "placed": (
        *(
            "--set",
            "nodeSelector.pool=small",
            "--set",
            "tolerations[0].key=pool",
            "--set",
            "tolerations[0].value=small",
        ),
        *("--set", "tolerations[0].effect=NoSchedule", "--set", "podAnnotations.a=b"),
        *(
            "--set",
            "imagePullSecrets[0].name=registry",
            "--set",
            "extraEnv[0].name=TZ",
            "--set",
            "extraEnv[0].value=UTC",
        ),
    ),
}
KUBERNETES = ("1.28.0", "1.30.0", "1.32.0", "1.34.0", "1.37.0")


@pytest.mark.parametrize("kube", KUBERNETES)
@pytest.mark.parametrize("case", CASES)
def test_every_object_fits_the_published_schema_of_its_kind(case: str, kube: str) -> None:
    """Strict: an unknown field is a fault, as it is for `helm upgrade`."""
    for manifest in render(*CASES[case], kube=kube):
        try:
            kubernetes_validate.validate(manifest, kube, strict=True)
        except kubernetes_validate.SchemaNotFoundError:
            validate_custom(manifest)


def test_a_misspelt_field_is_seen() -> None:
    """The two guards above fire: one for Kubernetes' kinds, one for the operators'."""
    deployment = copy.deepcopy(pick(render(), "Deployment"))
    deployment["spec"]["replica"] = 3
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(deployment, "1.34.0", strict=True)
    monitor = copy.deepcopy(pick(render(*OPERATORS), "ServiceMonitor"))
    monitor["spec"]["joblabel"] = "app"
    with pytest.raises(jsonschema.ValidationError):
        validate_custom(monitor)


@pytest.mark.parametrize("helm", ["helm", "helm3"])
@pytest.mark.parametrize("values", ["values.yaml", "values-staging.yaml", "values-production.yaml"])
def test_helm_lint_has_no_complaint(values: str, helm: str) -> None:
    """Warnings are failures."""
    command = [str(require(helm)), "lint", str(CHART), "--strict", "-f", str(CHART / values)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("case", CASES)
def test_helm_3_and_helm_4_render_the_same_objects(case: str) -> None:
    """The chart uses nothing that only one of them knows."""
    assert render(*CASES[case], helm="helm3") == render(*CASES[case])


def test_a_first_install_has_what_production_needs() -> None:
    """The defaults are production's: what protects the service is there without a values file."""
    assert kinds(render()) == {
        "ConfigMap",
        "Deployment",
        "HorizontalPodAutoscaler",
        "NetworkPolicy",
        "Pod",
        "PodDisruptionBudget",
        "Service",
        "ServiceAccount",
    }


def test_kinds_of_an_operator_come_with_the_operator() -> None:
    """`auto` asks the cluster, true forces, false forbids."""
    seen = ("--api-versions", "monitoring.coreos.com/v1/ServiceMonitor")
    assert "ServiceMonitor" not in kinds(render())
    assert "ServiceMonitor" in kinds(render(*seen))
    assert "ServiceMonitor" not in kinds(render(*seen, "--set", "serviceMonitor.enabled=false"))
    assert "PrometheusRule" in kinds(render("--api-versions", "monitoring.coreos.com/v1/PrometheusRule"))


def test_a_second_release_shares_the_name_label_and_nothing_else() -> None:
    """Staging in its own namespace: other names and instance, the same `app.kubernetes.io/name`."""
    ours = render(release="stock-service-staging", namespace="staging")
    names = {item["metadata"]["name"] for item in ours}
    assert all(name.startswith("stock-service-staging") for name in names)
    labels = pick(ours, "Deployment", "stock-service-staging")["spec"]["template"]["metadata"]["labels"]
    assert labels["app.kubernetes.io/name"] == "stock-service"
    assert labels["app.kubernetes.io/instance"] == "stock-service-staging"


def test_no_object_keeps_data_on_a_disk() -> None:
    """The cache repopulates; there is nothing to back up but configuration."""
    for case in CASES.values():
        assert "PersistentVolumeClaim" not in kinds(render(*case))
