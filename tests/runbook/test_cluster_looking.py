"""The runbook's lines that look at the cluster or restart pods, run by the real kubectl and helm."""

from __future__ import annotations

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
    assert f"revision 1, image stock-service:{__version__}, environment production" in history
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


def test_looking_at_the_cluster_itself(cluster: Cluster) -> None:
    """Is it there at all?"""
    assert "node-1" in cluster.run(typed("kubectl get nodes"))
    assert cluster.run(typed("kubectl get pods --all-namespaces")).count("stock-service-") == 3
