"""A release is backed up and restored to a second, empty cluster; our steps fit the objectives by far."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from stock_service.base.clock import SystemClock
from tests.support.kube_chart import Manifest, pick, render
from tests.support.kube_cluster import Cluster, small_cluster
from tests.support.runbook import promised, typed

INSTALL = (
    "helm install stock-service ./charts/stock-service -n stock-service -f charts/stock-service/values-production.yaml "
    "--set config.quota.calls=100 --set config.quota.per=1s --set image.tag=2.1"
)
SECRETS = ("stock-service-vendor", "stock-service-clients")
RTO_MINUTES = 15


@pytest.fixture
def clusters(tmp_path: Path) -> Iterator[tuple[Cluster, Cluster]]:
    """A cluster with a release, and an empty one, known as `dr`."""
    (tmp_path / "first").mkdir()
    (tmp_path / "second").mkdir()
    with (
        small_cluster(tmp_path / "first", "stock-service") as ours,
        small_cluster(tmp_path / "second", "stock-service") as other,
    ):
        ours.knows("dr", other)
        ours.run(INSTALL)
        yield ours, other


def in_place(cluster: Cluster, line: str) -> str:
    """Run a line in the test's directory, with the charts beside it."""
    return f"cd {cluster.place} && ln -sfn $OLDPWD/charts charts && {line}"


BACKUP = typed("stock-service backup --namespace stock-service --dir stock-service-backup")
RESTORE_HERE = typed("stock-service restore --namespace stock-service --dir stock-service-backup")
RESTORE = typed("stock-service restore --namespace stock-service --dir stock-service-backup --context dr")
DIFF = typed("stock-service diff --namespace stock-service --context primary --context dr")


def test_a_release_is_restored_to_an_empty_cluster_within_the_objective(clusters: tuple[Cluster, Cluster]) -> None:
    """RTO 15 minutes; ours are seconds, the rest is DNS and starting pods. Nothing differs afterwards."""
    promised("loss-of-a-data-centre", "RTO: 15 minutes", "RPO: 5 minutes, configuration only")
    ours, other = clusters
    clock = SystemClock()
    ours.run(in_place(ours, BACKUP))
    begun_at = clock.monotonic()
    other.add_secrets("stock-service", *SECRETS)
    ours.run(in_place(ours, RESTORE))
    assert "no difference" in ours.run(DIFF)
    assert clock.monotonic() - begun_at < RTO_MINUTES * 60 / 10, "our share of the objective"
    env = {
        item["name"]: item.get("value")
        for item in other.deployment()["spec"]["template"]["spec"]["containers"][0]["env"]
    }
    assert (env["STOCKS_QUOTA__CALLS"], env["STOCKS_QUOTA__PER"]) == ("100", "1s")


def test_restore_names_missing_secrets_and_changes_nothing(clusters: tuple[Cluster, Cluster]) -> None:
    """Pods without their Secrets would wait for ever."""
    promised("backup", "Secrets are never in a backup; restore names those that are missing.")
    ours, other = clusters
    ours.run(in_place(ours, BACKUP))
    said = ours.run(in_place(ours, RESTORE), check=False)
    assert "stock-service-clients, stock-service-vendor" in said
    assert {request.split()[0] for request in other.server.seen} == {"GET"}


def test_a_directory_without_a_whole_backup_is_said_to_be_none(clusters: tuple[Cluster, Cluster]) -> None:
    """A wrong path at night, or a backup that was cut short."""
    ours, _ = clusters
    (ours.place / "stock-service-backup").mkdir()
    said = ours.run(in_place(ours, RESTORE_HERE), check=False)
    assert "holds no whole backup" in said
    assert "Traceback" not in said
    assert "cannot use /proc/none" in ours.run("stock-service backup --dir /proc/none", check=False)


def test_a_backup_that_is_refused_leaves_the_older_one_as_it_was(clusters: tuple[Cluster, Cluster]) -> None:
    """Half of each would be restored as a configuration that never was."""
    ours, _ = clusters
    ours.run(in_place(ours, BACKUP))
    files = sorted((ours.place / "stock-service-backup").iterdir())
    before = [file.read_text() for file in files]
    assert "release: not found" in ours.run(in_place(ours, f"{BACKUP} --release gone"), check=False)
    assert [file.read_text() for file in files] == before


def test_restore_over_a_release_that_exists(clusters: tuple[Cluster, Cluster]) -> None:
    """The values return to those of the backup."""
    ours, _ = clusters
    ours.add_secrets("stock-service", *SECRETS)
    ours.run(in_place(ours, BACKUP))
    before = ours.run("helm get values stock-service -n stock-service -o yaml")
    ours.run("helm upgrade stock-service ./charts/stock-service -n stock-service --set image.tag=broken")
    ours.run(in_place(ours, RESTORE_HERE))
    assert ours.run("helm get values stock-service -n stock-service -o yaml") == before


def test_a_backup_has_every_kind_of_ours_and_nothing_of_the_cluster(clusters: tuple[Cluster, Cluster]) -> None:
    """What `get all` leaves out is there; pods, replica sets, addresses and states are not; no Secret is."""
    ours, _ = clusters
    ours.run(in_place(ours, BACKUP))
    place = ours.place / "stock-service-backup"
    objects = json.loads((place / "objects.json").read_text())
    assert {"ConfigMap", "Ingress", "ServiceAccount", "PodDisruptionBudget", "NetworkPolicy", "Certificate"} <= {
        obj["kind"] for obj in objects
    }
    assert {"Pod", "ReplicaSet", "Secret"} & {obj["kind"] for obj in objects} == set()
    for word in ('"uid"', '"status"', '"resourceVersion"', '"managedFields"'):
        assert word not in (place / "objects.json").read_text()
    assert json.loads((place / "about.json").read_text())["secrets_needed"] == sorted(SECRETS)


def test_the_scheduled_backup_is_restored_from_the_other_cluster(clusters: tuple[Cluster, Cluster]) -> None:
    """The CronJob's own script, run here; then the lines for the cluster that is left."""
    ours, other = clusters
    job = pick(render("--set", "backup.enabled=true"), "CronJob", "stock-service-backup")
    (backup,) = job["spec"]["jobTemplate"]["spec"]["template"]["spec"]["containers"]
    (script,) = backup["args"]
    target = "stock-service-backup-target"
    places = {"/target/kubeconfig": str(other.kubeconfig), "cd /tmp": f"cd {ours.place}"}
    for there, here in places.items():
        assert there in script
        script = script.replace(there, here)
    names = " ".join(f"{item['name']}={item['value']}" for item in backup["env"] if item["name"] != "HOME")
    assert any(volume.get("secret", {}).get("secretName") == target for volume in _volumes(job))
    ours.run(f"export {names}; sh -eu -c {shlex.quote(script)}")

    fetch = typed(
        "kubectl get configmap stock-service-backup -n stock-service -o jsonpath='{.data.values\\.yaml}' "
        "> stock-service-values-backup.yaml"
    )
    restore = typed(
        "helm upgrade stock-service ./charts/stock-service --namespace stock-service --install "
        "-f stock-service-values-backup.yaml"
    )
    other.run(in_place(other, f"{fetch} && {restore}"))
    assert other.run("helm get values stock-service -n stock-service -o yaml") == ours.run(
        "helm get values stock-service -n stock-service -o yaml"
    )


def _volumes(job: Manifest) -> list[Manifest]:
    return list(job["spec"]["jobTemplate"]["spec"]["template"]["spec"]["volumes"])


def test_diff_tells_what_differs(clusters: tuple[Cluster, Cluster]) -> None:
    """By object and field, with both values."""
    ours, other = clusters
    other.run("helm install stock-service ./charts/stock-service -n stock-service --set image.tag=2.0")
    said = ours.run(DIFF, check=False)
    assert "Deployment/stock-service.spec.template.spec.containers[stock-service].image" in said
    assert "stock-service:2.1" in said
    assert "stock-service:2.0" in said
