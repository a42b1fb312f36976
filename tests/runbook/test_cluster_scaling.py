"""The runbook's scaling lines, run by the real kubectl and helm against the small API server."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.runbook.conftest import INSTALL
from tests.support.kube_chart import container
from tests.support.kube_cluster import Cluster, small_cluster
from tests.support.runbook import promised, typed


def image(cluster: Cluster) -> str:
    return str(container(cluster.deployment())["image"])


def replicas(cluster: Cluster) -> int:
    return int(cluster.deployment()["spec"]["replicas"])


@pytest.mark.parametrize("helm", ["helm", "helm3"])
def test_scaling_by_hand_up_and_down(helm: str, tmp_path: Path) -> None:
    """In the order of the page each line works as typed, with Helm 3 and with Helm 4."""
    with small_cluster(tmp_path, "stock-service") as cluster:
        cluster.run(f"{INSTALL} --set autoscaling.enabled=false", helm=helm)
        cluster.run(typed("kubectl scale deployment/stock-service -n stock-service --replicas=5"), helm=helm)
        assert replicas(cluster) == 5
        cluster.run(typed("kubectl scale deployment/stock-service -n stock-service --replicas=10"), helm=helm)
        up = typed(
            "helm upgrade stock-service ./charts/stock-service --namespace stock-service --set replicaCount=10",
        )
        cluster.run(up, helm=helm)
        assert replicas(cluster) == 10
        cluster.run(typed("kubectl scale deployment/stock-service -n stock-service --replicas=3"), helm=helm)
        down = typed(
            "helm upgrade stock-service ./charts/stock-service --namespace stock-service --set replicaCount=3",
        )
        cluster.run(f"{down} --set autoscaling.enabled=false", helm=helm, check=True)
        assert replicas(cluster) == 3


def test_helm_4_refuses_another_number_after_kubectl_scale_and_force_takes_it(cluster: Cluster) -> None:
    """The trap beside the scaling lines, worded as users report it, and the way out."""
    promised("by-hand", 'refused ("conflict with kubectl")')
    cluster.run("kubectl scale deployment/stock-service -n stock-service --replicas=5")
    line = "helm upgrade stock-service ./charts/stock-service --namespace stock-service --set replicaCount=10"
    assert 'conflict with "kubectl"' in cluster.run(line, check=False)
    cluster.run(
        typed(
            "helm upgrade stock-service ./charts/stock-service --namespace stock-service "
            "-f charts/stock-service/values-production.yaml --set replicaCount=10 --force-conflicts",
        )
    )
    assert replicas(cluster) == 10


def test_an_upgrade_keeps_what_the_autoscaler_decided(cluster: Cluster) -> None:
    """The live number is rendered: neither back to the floor nor down to 1."""
    cluster.deployment()["spec"]["replicas"] = 14
    cluster.run(
        typed(
            "helm upgrade stock-service ./charts/stock-service --namespace stock-service --set image.tag=new-version",
        )
    )
    assert (replicas(cluster), image(cluster)) == (14, "stock-service:new-version")


@pytest.mark.parametrize("helm", ["helm", "helm3"])
def test_enabling_the_autoscaler_and_watching_it(helm: str, tmp_path: Path) -> None:
    """3 to 20 pods at 70 %; the count does not drop on the way."""
    with small_cluster(tmp_path, "stock-service") as cluster:
        cluster.run(f"{INSTALL} --set autoscaling.enabled=false --set replicaCount=7", helm=helm)
        cluster.run(
            typed(
                "helm upgrade stock-service ./charts/stock-service --namespace stock-service "
                "--set autoscaling.enabled=true --set autoscaling.minReplicas=3 --set autoscaling.maxReplicas=20 "
                "--set autoscaling.targetCPUUtilizationPercentage=70",
            ),
            helm=helm,
        )
        assert replicas(cluster) == 7
        assert_watched(cluster)


def assert_watched(cluster: Cluster) -> None:
    line = typed("kubectl get hpa -n stock-service -w")
    with subprocess.Popen(line.split(), env=cluster.environment(), stdout=subprocess.PIPE, text=True) as watch:
        assert watch.stdout is not None
        assert "NAME" in watch.stdout.readline()
        assert watch.stdout.readline().startswith("stock-service")
        watch.terminate()
