"""The runbook's kubectl and helm lines, typed as they stand, with the real programs against the small API server."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.support.kube_chart import container
from tests.support.kube_cluster import Cluster, small_cluster
from tests.support.runbook import promised, typed

INSTALL = "helm install stock-service ./charts/stock-service -n stock-service --set environment=production"


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    """A cluster with a release as the install guide makes it."""
    with small_cluster(tmp_path, "stock-service", "staging") as ours:
        ours.run(INSTALL)
        yield ours


def image(cluster: Cluster) -> str:
    return str(container(cluster.deployment())["image"])


def replicas(cluster: Cluster) -> int:
    return int(cluster.deployment()["spec"]["replicas"])


def test_looking_at_the_pods_shows_the_replicas_and_nothing_else(cluster: Cluster) -> None:
    """The helm test's pod is in the namespace, and not behind the selector."""
    cluster.run("helm test stock-service -n stock-service")
    listed = cluster.run(typed("kubectl get pods -n stock-service"))
    assert listed.count("stock-service-") == 4
    described = cluster.run(
        typed("kubectl describe pod -n stock-service -l app.kubernetes.io/name=stock-service"),
    )
    assert described.count("Service Account:") == 3
    assert "smoke" not in described


def test_reading_logs_shows_the_last_hundred_lines_of_each_pod(cluster: Cluster) -> None:
    """And of the replicas only; without `--tail` a selector shows ten."""
    cluster.store.log_lines = [f'{{"level":"INFO","message":"{number}"}}' for number in range(150)]
    line = typed("kubectl logs -n stock-service -l app.kubernetes.io/name=stock-service --tail=100")
    assert cluster.run(line).count("INFO") == 3 * 100
    promised("minutes-0-to-5", "Without `--tail` kubectl shows 10 lines of each pod")
    assert cluster.run(line.replace(" --tail=100", "")).count("INFO") == 3 * 10


def test_the_weekly_grep_finds_errors_and_only_errors(cluster: Cluster) -> None:
    """The level is upper case; a quiet week is no output and grep's exit code 1."""
    line = typed(
        "kubectl logs -n stock-service -l app.kubernetes.io/name=stock-service --tail=1000 | grep ERROR",
    )
    promised("weekly", "exit code 1")
    cluster.store.log_lines = ['{"level":"INFO","message":"no error here"}']
    cluster.run(line, check=False)
    cluster.store.log_lines.append('{"level":"ERROR","message":"Traceback"}')
    assert cluster.run(line).count("Traceback") == 3


def test_resources_and_history_answer(cluster: Cluster) -> None:
    """The CAUSE column names image, revision and environment."""
    assert cluster.run(typed("kubectl top pods -n stock-service")).count("98Mi") == 3
    history = cluster.run(typed("kubectl rollout history deployment/stock-service -n stock-service"))
    assert "revision 1, image stock-service:1.0.0, environment production" in history
    cluster.run(typed("kubectl get deployment,service,servicemonitor -n stock-service"))


def test_port_forward_finds_the_services_port(cluster: Cluster) -> None:
    """And blocks: the next line belongs into another terminal. The stream itself is not carried here."""
    line = typed("kubectl port-forward -n stock-service svc/stock-service 8080:8080").replace(" 8080:", " :")
    with subprocess.Popen(line.split(), env=cluster.environment(), stdout=subprocess.PIPE, text=True) as forward:
        assert forward.stdout is not None
        assert forward.stdout.readline().rstrip().endswith("-> 8080")
        assert forward.poll() is None
        forward.terminate()


def test_a_restart_makes_new_pods_and_keeps_their_number(cluster: Cluster) -> None:
    """A new revision of the same image."""
    before = cluster.run(typed("kubectl get pods -n stock-service"))
    cluster.run(typed("kubectl rollout restart deployment/stock-service -n stock-service"))
    after = cluster.run("kubectl get pods -n stock-service")
    assert set(before.split()) & set(after.split()) <= {"NAME", "AGE", "STATUS"} | set(before.split()[1::2])
    assert replicas(cluster) == 3


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


def test_enabling_the_autoscaler_and_watching_it(cluster: Cluster) -> None:
    """3 to 20 pods at 70 %; the count does not drop on the way."""
    cluster.run(
        typed(
            "helm upgrade stock-service ./charts/stock-service --namespace stock-service "
            "--set autoscaling.enabled=true --set autoscaling.minReplicas=3 --set autoscaling.maxReplicas=20 "
            "--set autoscaling.targetCPUUtilizationPercentage=70",
        )
    )
    assert replicas(cluster) == 3
    line = typed("kubectl get hpa -n stock-service -w")
    with subprocess.Popen(line.split(), env=cluster.environment(), stdout=subprocess.PIPE, text=True) as watch:
        assert watch.stdout is not None
        assert "NAME" in watch.stdout.readline()
        assert watch.stdout.readline().startswith("stock-service")
        watch.terminate()


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


def test_staging_is_installed_once_and_upgraded_after_that(tmp_path: Path) -> None:
    """An upgrade alone has nothing to upgrade."""
    upgrade = typed(
        "helm upgrade stock-service-staging ./charts/stock-service --namespace staging --set image.tag=new-version",
    )
    with small_cluster(tmp_path, "staging") as cluster:
        promised("deployment", '("has no deployed releases")')
        assert "has no deployed releases" in cluster.run(upgrade, check=False)
        cluster.run(
            typed(
                "helm upgrade stock-service-staging ./charts/stock-service --namespace staging --install "
                "--create-namespace -f charts/stock-service/values-staging.yaml",
            )
        )
        cluster.run(upgrade)
        deployment = cluster.deployment("stock-service-staging", "staging")
        assert container(deployment)["image"] == "stock-service:new-version"


def test_production_is_deployed_waited_for_and_tested(cluster: Cluster) -> None:
    """With the values of the installation; the test pod's logs can be read."""
    line = (
        typed(
            "helm upgrade stock-service ./charts/stock-service --namespace stock-service "
            "-f charts/stock-service/values-production.yaml --set image.tag=new-version --wait",
        )
        + " --timeout 30s"
    )
    assert "STATUS: deployed" in cluster.run(line)
    assert "successfully rolled out" in cluster.run(
        typed("kubectl rollout status deployment/stock-service -n stock-service")
    )
    assert "Succeeded" in cluster.run(typed("helm test stock-service -n stock-service --logs"))
    assert "stock-service" in cluster.run(typed("kubectl get certificate -n stock-service"))


def test_an_upgrade_that_drops_the_ingress_says_so(cluster: Cluster) -> None:
    """`--set` forgets the values of earlier upgrades."""
    cluster.run(
        "helm upgrade stock-service ./charts/stock-service -n stock-service "
        "-f charts/stock-service/values-production.yaml"
    )
    notes = cluster.run(
        "helm upgrade stock-service ./charts/stock-service --namespace stock-service --set image.tag=new-version"
    )
    assert "WARNING: this upgrade removes the Ingress" in notes


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


def test_looking_at_the_cluster_itself(cluster: Cluster) -> None:
    """Is it there at all?"""
    assert "node-1" in cluster.run(typed("kubectl get nodes"))
    assert cluster.run(typed("kubectl get pods --all-namespaces")).count("stock-service-") == 3
