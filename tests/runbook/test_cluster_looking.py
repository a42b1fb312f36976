"""The runbook's lines that look at the cluster or restart pods, run by the real kubectl and helm."""

from __future__ import annotations

import base64
import json
import re
import subprocess

from stock_service import __version__
from tests.support.kube_cluster import Cluster
from tests.support.runbook import promised, typed


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
    promised("minutes-0-to-5", "every pod `Running`, `1/1` ready")
    assert len(re.findall(r"\n +Ready: +True\n", described)) == 3
    pod = listed.split()[2]
    assert cluster.run(typed("kubectl describe pod -n stock-service POD").replace("POD", pod)).startswith("Name:")


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


def test_the_log_says_why_the_shared_store_is_away(cluster: Cluster) -> None:
    """By the event's name."""
    line = typed(
        "kubectl logs -n stock-service -l app.kubernetes.io/name=stock-service --tail=1000 | grep SharedMoved",
    )
    cluster.store.log_lines = ['{"level":"WARNING","event":"SharedMoved","message":"timeout"}']
    assert cluster.run(line).count("timeout") == 3


def test_resources_and_history_answer(cluster: Cluster) -> None:
    """The CAUSE column names image, revision and environment."""
    assert cluster.run(typed("kubectl top pods -n stock-service")).count("98Mi") == 3
    history = cluster.run(typed("kubectl rollout history deployment/stock-service -n stock-service"))
    assert f"revision 1, image stock-service:{__version__}, environment production" in history
    cluster.run(typed("kubectl get deployment,service,servicemonitor -n stock-service"))
    cluster.run(typed("kubectl get pods -n monitoring"))


def test_the_autoscaler_says_what_it_measures_and_its_floor_can_be_raised(cluster: Cluster) -> None:
    """The floor stays; what `kubectl scale` did would not."""
    assert "Max replicas:" in cluster.run(typed("kubectl describe hpa -n stock-service"))
    cluster.run(typed("""kubectl patch hpa stock-service -n stock-service --patch '{"spec": {"minReplicas": 5}}'"""))
    assert re.search(r"Min replicas: +5\n", cluster.run("kubectl describe hpa -n stock-service"))


def test_the_vendor_key_is_replaced(cluster: Cluster) -> None:
    """Whether the Secret was there or not."""
    line = typed(
        'kubectl create secret generic stock-service-vendor -n stock-service --from-literal=api-key="$NEW_KEY" '
        "--dry-run=client -o yaml | kubectl apply -f -"
    )
    for key in ("one", "two"):
        cluster.run(f"NEW_KEY={key}; {line}")
        secret = json.loads(cluster.run("kubectl get secret stock-service-vendor -n stock-service -o json"))
        assert base64.b64decode(secret["data"]["api-key"]).decode() == key


def test_the_backups_jobs_are_listed_and_their_logs_read(cluster: Cluster) -> None:
    """The CronJob is there when the option is on."""
    cluster.run("helm upgrade stock-service ./charts/stock-service -n stock-service --set backup.enabled=true")
    assert "stock-service-backup" in cluster.run(typed("kubectl get cronjob,job -n stock-service"))
    cluster.run(
        typed("kubectl logs -n stock-service -l app.kubernetes.io/name=stock-service-backup --tail=20"),
    )


def test_port_forward_finds_the_services_port(cluster: Cluster) -> None:
    """And blocks: the next line belongs into another terminal. The stream itself is not carried here."""
    lines = [
        typed("kubectl port-forward -n stock-service svc/stock-service 8080:8080"),
        typed("kubectl port-forward -n stock-service pod/POD 8080:8080"),
    ]
    name = cluster.run("kubectl get pods -n stock-service -o name").splitlines()[0]
    for line in lines:
        assert_forwards(cluster, line.replace("pod/POD", name).replace(" 8080:", " :"))


def assert_forwards(cluster: Cluster, line: str) -> None:
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


def test_looking_at_the_cluster_itself(cluster: Cluster) -> None:
    """Is it there at all?"""
    assert "node-1" in cluster.run(typed("kubectl get nodes"))
    assert cluster.run(typed("kubectl get pods --all-namespaces")).count("stock-service-") == 3
