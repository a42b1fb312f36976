"""What the pod template promises: settings as environment, secrets by reference, a drain that fits its grace period."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.kube_chart import Manifest, container, environment, pick, render


def deployment(*arguments: str, **options: str) -> Manifest:
    return pick(render(*arguments, **options), "Deployment")


def pod(*arguments: str, **options: str) -> dict[str, Any]:
    return dict(deployment(*arguments, **options)["spec"]["template"]["spec"])


def test_settings_are_environment_named_by_their_section() -> None:
    """`rollout undo` brings back the template, and with it every setting."""
    seen = environment(deployment("--set", "config.quota.maxWait=3s", "--set", "config.access.allowAnonymous=true"))
    assert seen["STOCKS_QUOTA__MAX_WAIT"] == "3s"
    assert seen["STOCKS_ACCESS__ALLOW_ANONYMOUS"] == "true"
    assert seen["STOCKS_SERVER__HOST"] == "0.0.0.0"


def test_an_empty_setting_leaves_the_default_of_the_service() -> None:
    """An empty variable would be a value, and often a wrong one."""
    assert "STOCKS_SERVER__PUBLIC_URL" not in environment(deployment("--set", "config.server.publicUrl="))


@pytest.mark.parametrize("size", ["67108864", "1073741824"])
def test_large_numbers_keep_their_digits(size: str) -> None:
    """A values file makes them floats, and a float prints as 6.7108864e+07."""
    assert environment(deployment("--set-json", f"config.cache.maxBytes={size}"))["STOCKS_CACHE__MAX_BYTES"] == size


def test_keys_come_from_secrets_with_default_names() -> None:
    """An upgrade that forgets every value still finds the key."""
    variables = {item["name"]: item for item in container(deployment())["env"]}
    reference = variables["STOCKS_UPSTREAM__API_KEY"]["valueFrom"]["secretKeyRef"]
    assert reference == {"name": "stock-service-vendor", "key": "api-key"}
    assert "value" not in variables["STOCKS_UPSTREAM__API_KEY"]
    (clients,) = [volume for volume in pod()["volumes"] if volume["name"] == "clients"]
    assert clients["secret"]["secretName"] == "stock-service-clients"
    assert variables["STOCKS_ACCESS__KEYS_FILE"]["value"] == "/etc/stock-service/clients/keys.jsonl"


def test_the_address_of_the_shared_store_may_be_a_secret() -> None:
    """It can hold a password."""
    env = container(deployment("--set", "sharedCache.existingSecret=valkey"))["env"]
    (shared,) = [item for item in env if item["name"] == "STOCKS_SHARED__URL"]
    assert shared["valueFrom"]["secretKeyRef"] == {"name": "valkey", "key": "url"}


def test_the_shared_store_may_have_certificates_of_its_own() -> None:
    made = deployment("--set", "sharedCache.url=valkeys://cache:6380", "--set", "sharedCache.tls.existingSecret=ca")
    env = environment(made)
    assert env["STOCKS_SHARED__URL"] == "valkeys://cache:6380"
    (mount,) = [each for each in container(made)["volumeMounts"] if each["name"] == "shared-cache"]
    assert env["STOCKS_SHARED__CA_FILE"] == mount["mountPath"] + "/ca.crt"
    (volume,) = [each for each in made["spec"]["template"]["spec"]["volumes"] if each["name"] == "shared-cache"]
    assert volume["secret"]["secretName"] == "ca"


def test_the_service_knows_how_many_pods_there_may_be() -> None:
    """The ceiling and the one pod more of a rollout; without the store each takes this share of the budget."""
    assert environment(deployment())["STOCKS_SHARED__MAX_PODS"] == "21"
    fixed = deployment("--set", "autoscaling.enabled=false", "--set", "replicaCount=4")
    assert environment(fixed)["STOCKS_SHARED__MAX_PODS"] == "5"


def test_service_links_are_off() -> None:
    """STOCK_SERVICE_PORT=tcp://… in the environment has confused more than one program."""
    assert pod()["enableServiceLinks"] is False


def test_the_grace_period_covers_every_step_of_the_drain() -> None:
    """Pause 5, drain 5 + 1 + 15 and 14 to close and in reserve make 40 seconds; a longer drain gets a longer period."""
    assert pod()["terminationGracePeriodSeconds"] == 40
    assert pod("--set", "config.server.drainFinish=1m")["terminationGracePeriodSeconds"] == 85
    assert pod("--set", "config.server.drainWait=1500ms")["terminationGracePeriodSeconds"] == 37


def test_the_service_is_told_the_drain_the_grace_period_was_computed_from() -> None:
    """One value feeds both."""
    seen = environment(deployment("--set", "config.server.drainFinish=1m"))
    assert seen["STOCKS_SERVER__DRAIN_FINISH"] == "1m"
    assert seen["STOCKS_SERVER__DRAIN_WAIT"] == "5s"


def test_the_pre_stop_pause_works_on_clusters_without_the_sleep_action() -> None:
    """The action is on by default since 1.30."""
    assert container(deployment(kube="1.30.0"))["lifecycle"]["preStop"] == {"sleep": {"seconds": 5}}
    command = container(deployment(kube="1.29.0"))["lifecycle"]["preStop"]["exec"]["command"]
    assert command == ["python", "-c", "import time; time.sleep(5)"]


def test_probes_ask_the_process_and_never_the_vendor() -> None:
    """Liveness stays on while readiness goes off first."""
    ours = container(deployment())
    assert ours["livenessProbe"]["httpGet"] == {"path": "/health", "port": "http"}
    assert ours["startupProbe"]["httpGet"] == {"path": "/health", "port": "http"}
    assert ours["readinessProbe"]["httpGet"] == {"path": "/ready", "port": "http"}
    readiness = ours["readinessProbe"]
    assert readiness["periodSeconds"] * readiness["failureThreshold"] < 5, "seen before the listener closes"


def test_the_pod_can_do_nothing_but_serve() -> None:
    """Restricted pod security, no token, no way to write but /tmp."""
    spec = pod()
    assert spec["automountServiceAccountToken"] is False
    assert spec["securityContext"]["runAsNonRoot"] is True
    assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container(deployment())["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }


def test_a_rollout_never_has_fewer_pods_than_asked_for() -> None:
    """One cold cache at a time in front of the vendor."""
    spec = deployment()["spec"]
    assert spec["strategy"]["rollingUpdate"] == {"maxUnavailable": 0, "maxSurge": 1}
    assert spec["minReadySeconds"] > 0
    assert spec["revisionHistoryLimit"] == 10


def test_the_rollout_history_has_a_cause() -> None:
    """Otherwise the CAUSE column reads <none>, at the moment somebody needs it."""
    cause = deployment("--set", "image.tag=1.2.3")["metadata"]["annotations"]["kubernetes.io/change-cause"]
    assert cause == "helm install, revision 1, image stock-service:1.2.3, environment production"


def test_pods_spread_over_zones_and_hosts_for_each_version() -> None:
    """Without the hash the old version's pods count against the new ones."""
    constraints = pod()["topologySpreadConstraints"]
    assert [item["topologyKey"] for item in constraints] == ["topology.kubernetes.io/zone", "kubernetes.io/hostname"]
    assert all(item["matchLabelKeys"] == ["pod-template-hash"] for item in constraints)


def test_resources_are_the_runbooks_baseline_with_a_memory_limit() -> None:
    """250m and 256Mi a pod; without a limit HighMemoryUsage divides by zero."""
    resources = container(deployment())["resources"]
    assert resources["requests"] == {"cpu": "250m", "memory": "256Mi"}
    assert resources["limits"] == {"memory": "512Mi"}


HELPERS = pytest.mark.parametrize(
    ("kind", "name"), [("Pod", "stock-service-smoke"), ("CronJob", "stock-service-backup")]
)


def helper_pod(kind: str, name: str, *arguments: str) -> Manifest:
    """Return the pod template of a helper, labels included."""
    helper = pick(render("--set", "backup.enabled=true", *arguments), kind, name)
    return dict(helper["spec"]["jobTemplate"]["spec"]["template"]) if kind == "CronJob" else helper


@HELPERS
def test_helper_pods_run_where_the_service_may_run(kind: str, name: str) -> None:
    """On nodes with a taint `helm test` would wait for ever."""
    placed = ("--set", "nodeSelector.pool=small", "--set", "tolerations[0].key=pool")
    spec = helper_pod(kind, name, *placed, "--set", "imagePullSecrets[0].name=registry")["spec"]
    assert spec["nodeSelector"] == pod(*placed)["nodeSelector"] == {"pool": "small"}
    assert spec["tolerations"] == pod(*placed)["tolerations"] == [{"key": "pool"}]
    assert spec["imagePullSecrets"] == [{"name": "registry"}]


@HELPERS
def test_helper_pods_are_not_found_by_the_runbooks_selector(kind: str, name: str) -> None:
    """Its lines count and describe replicas; the Service must not send them requests either."""
    assert helper_pod(kind, name)["metadata"]["labels"]["app.kubernetes.io/name"] != "stock-service"


def test_the_test_pod_is_still_there_when_its_logs_are_asked_for() -> None:
    """`helm test --logs` reads after the hook succeeded."""
    annotations = pick(render(), "Pod", "stock-service-smoke")["metadata"]["annotations"]
    assert annotations["helm.sh/hook-delete-policy"] == "before-hook-creation"
