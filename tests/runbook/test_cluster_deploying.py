"""The runbook's lines that deploy, go back, back up and restore, run by the real kubectl and helm."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from tests.runbook.conftest import INSTALL
from tests.support.kube_chart import container
from tests.support.kube_cluster import Cluster, small_cluster
from tests.support.runbook import promised, typed


def replicas(cluster: Cluster) -> int:
    return int(cluster.deployment()["spec"]["replicas"])


def test_undo_brings_back_image_and_settings_but_not_helms_record(cluster: Cluster) -> None:
    """Settings are environment of the template; the trap is what a backup would now contain."""
    old = container(cluster.deployment())
    cluster.run(
        "helm upgrade stock-service ./charts/stock-service -n stock-service "
        "--set image.tag=broken --set config.quota.calls=99"
    )
    cluster.run(typed("kubectl rollout undo deployment/stock-service -n stock-service"))
    new = container(cluster.deployment())
    assert (new["image"], new["env"]) == (old["image"], old["env"])
    assert "calls: 99" in cluster.run("helm get values stock-service -n stock-service")
    cluster.run(f"{typed('helm rollback stock-service -n stock-service')} --force-conflicts")
    assert "calls" not in cluster.run("helm get values stock-service -n stock-service")


@pytest.mark.parametrize("helm", ["helm", "helm3"])
def test_staging_is_installed_once_and_upgraded_after_that(helm: str, tmp_path: Path) -> None:
    """An upgrade alone has nothing to upgrade."""
    upgrade = typed(
        "helm upgrade stock-service-staging ./charts/stock-service --namespace staging --set image.tag=new-version",
    )
    with small_cluster(tmp_path, "staging") as cluster:
        promised("deployment", '("has no deployed releases")')
        assert "has no deployed releases" in cluster.run(upgrade, helm=helm, check=False)
        cluster.run(
            typed(
                "helm upgrade stock-service-staging ./charts/stock-service --namespace staging --install "
                "--create-namespace -f charts/stock-service/values-staging.yaml",
            ),
            helm=helm,
        )
        cluster.run(upgrade, helm=helm)
        deployment = cluster.deployment("stock-service-staging", "staging")
        assert container(deployment)["image"] == "stock-service:new-version"


@pytest.mark.parametrize("helm", ["helm", "helm3"])
def test_production_is_deployed_waited_for_and_tested(helm: str, tmp_path: Path) -> None:
    """With the values of the installation; the test pod's logs can be read."""
    with small_cluster(tmp_path, "stock-service") as cluster:
        cluster.run(INSTALL, helm=helm)
        deploy_and_test(cluster, helm)


def deploy_and_test(cluster: Cluster, helm: str) -> None:
    line = (
        typed(
            "helm upgrade stock-service ./charts/stock-service --namespace stock-service "
            "-f charts/stock-service/values-production.yaml --set image.tag=new-version --wait",
        )
        + " --timeout 30s"
    )
    assert "STATUS: deployed" in cluster.run(line, helm=helm)
    assert "successfully rolled out" in cluster.run(
        typed("kubectl rollout status deployment/stock-service -n stock-service")
    )
    assert "Succeeded" in cluster.run(typed("helm test stock-service -n stock-service --logs"), helm=helm)
    assert "stock-service" in cluster.run(typed("kubectl get certificate -n stock-service"))
    assert "Renew Before:" in cluster.run(typed("kubectl describe certificate -n stock-service"))


@pytest.mark.parametrize("helm", ["helm", "helm3"])
def test_the_literal_line_keeps_the_service_on_the_net_and_says_what_it_forgets(helm: str, tmp_path: Path) -> None:
    """`--set` forgets the values of earlier upgrades. The complete line takes the kept objects up again."""
    literal = typed(
        "helm upgrade stock-service ./charts/stock-service --namespace stock-service --set image.tag=new-version",
    )
    complete = (
        "helm upgrade stock-service ./charts/stock-service -n stock-service "
        "-f charts/stock-service/values-production.yaml --set config.quota.calls=100"
    )
    promised("deployment", "3 pods and an autoscaler")
    with small_cluster(tmp_path, "stock-service") as cluster:
        cluster.run(INSTALL, helm=helm)
        assert "WARNING" not in cluster.run(complete, helm=helm)
        notes = cluster.run(literal, helm=helm)
        assert "forgotten: the Ingress (kept as it is), " in notes
        assert "STOCKS_QUOTA__CALLS, STOCKS_SERVER__PUBLIC_URL." in notes
        assert "DRAIN" not in notes.partition("forgotten")[2]
        for kind in ("ingress", "certificate"):
            assert "your-domain" in cluster.run(f"kubectl get {kind} -n stock-service -o yaml")
        assert "WARNING" not in cluster.run(complete, helm=helm)
        assert replicas(cluster) == 3


@pytest.mark.parametrize("helm", ["helm", "helm3"])
def test_backup_and_restore_return_the_same_values(helm: str, tmp_path: Path) -> None:
    """The first line of the file is no value of ours, and the chart takes it."""
    with small_cluster(tmp_path, "stock-service") as cluster:
        cluster.run(f"{INSTALL} --set replicaCount=4", helm=helm)
        here = f"cd {tmp_path} && ln -sfn $OLDPWD/charts charts"
        backup = typed("helm get values stock-service -n stock-service > stock-service-values-backup.yaml")
        cluster.run(f"{here} && {backup}", helm=helm)
        text = (tmp_path / "stock-service-values-backup.yaml").read_text()
        promised("backup", "`USER-SUPPLIED VALUES:`")
        assert text.startswith("USER-SUPPLIED VALUES:\n")
        restore = typed(
            "helm upgrade stock-service ./charts/stock-service --namespace stock-service "
            "-f stock-service-values-backup.yaml",
        )
        cluster.run(f"{here} && {restore}", helm=helm)
        values = cluster.run("helm get values stock-service -n stock-service -o yaml", helm=helm)
        restored = yaml.safe_load(values)
        restored.pop("USER-SUPPLIED VALUES", None)
        assert restored == {"environment": "production", "replicaCount": 4}
        assert replicas(cluster) == 4


def test_get_all_is_not_all(cluster: Cluster, tmp_path: Path) -> None:
    """What the manifests' backup lacks is what the page says it lacks."""
    cluster.run(
        "helm upgrade stock-service ./charts/stock-service -n stock-service "
        "-f charts/stock-service/values-production.yaml"
    )
    line = typed("kubectl get all -n stock-service -o yaml > stock-service-manifests-backup.yaml")
    cluster.run(f"cd {tmp_path} && {line}")
    items = yaml.safe_load((tmp_path / "stock-service-manifests-backup.yaml").read_text())["items"]
    present = {item["kind"] for item in items}
    assert present == {"Deployment", "HorizontalPodAutoscaler", "Pod", "ReplicaSet", "Service"}
    promised(
        "backup",
        "no ConfigMap, Secret, Ingress, ServiceAccount, PodDisruptionBudget, NetworkPolicy, ServiceMonitor, "
        "PrometheusRule, Certificate or HTTPRoute",
    )
