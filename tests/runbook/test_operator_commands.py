"""`doctor`, `smoke` and `watch` as the runbook types them, against the real service and a simulated vendor."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.request import Request, urlopen

import pytest

from stock_service import __version__
from stock_service.simulator.server import SimulatorSettings
from stock_service.simulator.world import Plan
from tests.support.kube_chart import CHART, render
from tests.support.kube_cluster import Cluster, small_cluster
from tests.support.kube_store import PODS, Key
from tests.support.nginx_front import nginx_front
from tests.support.runbook import promised, typed
from tests.support.running import VENDOR_KEY, Pair, running_pair

QUESTION = "/v2/aggs/ticker/AAPL/prev"
COMMAND = str(Path(sys.executable).parent / "stock-service")


@pytest.fixture
def pair() -> Iterator[Pair]:
    """A service whose breaker opens at the first failure, so that a test needs one."""
    with running_pair(flags={"breaker.volume": 1, "breaker.sleep": "1m"}) as running:
        yield running


def run(line: str, url: str = "", **replaced: str) -> tuple[int, str]:
    """Run a line with its made-up host replaced by the service's address; return code and output."""
    words = [COMMAND if word == "stock-service" else url if word.startswith("http") else word for word in line.split()]
    words = [replaced.get(word.strip("-"), word) for word in words]
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=60)
    return done.returncode, done.stdout + done.stderr


def break_vendor(pair: Pair) -> None:
    """From now on every vendor call fails, and the breaker has seen it."""
    body = json.dumps([{"kind": "status", "params": {"status": 500}}]).encode()
    urlopen(Request(f"{pair.simulator.url}/__simulator__/faults", data=body)).close()
    ask_in_vain(pair)


def ask_in_vain(pair: Pair) -> None:
    """Ask for what the failing vendor has never answered."""
    subprocess.run(["curl", "-s", "-o", "/dev/null", f"{pair.gateway.url}/v2/aggs/ticker/MSFT/prev"], check=True)


@pytest.mark.parametrize(
    "line",
    [
        typed("stock-service smoke http://staging-endpoint"),
        typed("stock-service smoke https://your-domain"),
    ],
)
def test_smoke_passes_a_service_that_answers(pair: Pair, line: str) -> None:
    """Health, readiness, metrics and one real question."""
    code, said = run(line, pair.gateway.url)
    assert code == 0, said
    assert said.count("good") == 4


def test_smoke_fails_where_curl_is_content(pair: Pair) -> None:
    """The vendor fails: /health is still 200."""
    promised("deployment", "curl is content with an error page; `smoke` is not")
    break_vendor(pair)
    code, said = run("stock-service smoke http://staging-endpoint", pair.gateway.url)
    assert code == 1
    assert "degraded" in said


def test_smoke_knows_a_foreign_page(pair: Pair) -> None:
    """The simulator answers HTTP too, and is not our service."""
    assert run("stock-service smoke http://staging-endpoint", pair.simulator.url)[0] == 1


def test_smoke_insists_on_the_version_deployed(pair: Pair) -> None:
    """An old pod that still answers is not the deployment."""
    code, said = run("stock-service smoke http://x --expect-version 99.0", pair.gateway.url)
    assert code == 1
    assert "version" in said
    assert run(f"stock-service smoke http://x --expect-version {__version__}", pair.gateway.url)[0] == 0


def test_smoke_needs_no_metrics_to_know_the_version(pair: Pair, tmp_path: Path) -> None:
    """From a network that may not read /metrics, as a pipeline's often is, an old version is still noticed."""
    here = ("-f", str(CHART / "values-staging.yaml"), "--set", "ingress.hosts={127.0.0.1}")
    ingresses = [item for item in render(*here) if item["kind"] == "Ingress"]
    with nginx_front(tmp_path, ingresses, [int(pair.gateway.url.rsplit(":", 1)[1])]) as front:
        code, said = run("stock-service smoke http://x --expect-version 99.0", f"http://127.0.0.1:{front.http_port}")
    assert "this network is not on the list" in said
    assert "bad" in next(line for line in said.splitlines() if "version" in line)
    assert code == 1


def test_nobody_at_the_address_is_exit_code_3() -> None:
    """Told apart from a service that is there and unwell."""
    for command in ("smoke", "watch", "doctor"):
        assert run(f"stock-service {command} http://x", "http://127.0.0.1:1")[0] == 3


@pytest.mark.parametrize("words", ["smoke", "watch", "doctor", "doctor --vendor"])
def test_an_address_without_its_scheme_is_a_wrong_call(words: str) -> None:
    """And not a service that nobody answers for: somebody would look for it."""
    code, said = run(f"stock-service {words} localhost:8080")
    assert code == 2
    assert "does not look like http://127.0.0.1:8080" in said


@pytest.mark.parametrize(
    "line",
    [
        typed("stock-service watch --namespace staging --for 30m"),
        typed("stock-service watch --namespace stock-service --for 15m --max-error-ratio 0.01 --max-p95 2s"),
    ],
)
def test_watch_ends_well_when_nothing_happens(pair: Pair, tmp_path: Path, line: str) -> None:
    """The time is shortened here; the bounds are the line's. Every pod is looked at."""
    namespace = line.split()[3]
    with small_cluster(tmp_path, namespace) as cluster:
        cluster.run(f"helm install stock-service ./charts/stock-service -n {namespace}")
        cluster.store.pod_url = pair.gateway.url
        said = cluster.run(line.replace("30m", "1s").replace("15m", "1s"))
    assert "error ratio" in said


def test_watch_ends_when_a_pod_falls_silent(pair: Pair, tmp_path: Path) -> None:
    """No answer is no good answer. It is ready, so it should tell its metrics."""
    with small_cluster(tmp_path, "stock-service") as cluster:
        cluster.run("helm install stock-service ./charts/stock-service -n stock-service")
        cluster.store.pod_url = pair.gateway.url
        command = ["stock-service", "watch", "--namespace", "stock-service", "--for", "60s", "--every", "200ms"]
        environment = cluster.environment()
        with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as watching:
            seen = len(cluster.server.seen)
            while len(cluster.server.seen) < seen + 6:
                assert watching.poll() is None
                threading.Event().wait(0.05)
            cluster.store.pod_url = "http://127.0.0.1:1"
            assert watching.stdout is not None
            said = watching.stdout.read()
    assert watching.returncode == 1
    assert "error trying to reach service" in said


def test_watch_shows_what_it_has_seen_when_it_is_stopped(pair: Pair) -> None:
    """Half an hour is long; but a gate that was left early has not been passed."""
    command = [COMMAND, "watch", pair.gateway.url, "--for", "30m"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as watching:
        assert watching.stderr is not None
        assert watching.stdout is not None
        assert "Ctrl-C" in watching.stderr.readline()
        watching.send_signal(signal.SIGINT)
        said = watching.stdout.read()
    assert watching.returncode == 1
    assert re.search(r"good +processes +1 seen", said)
    assert re.search(r"bad +time +stopped after 0 of 1800 s", said)


def test_a_page_that_is_no_metrics_is_said_to_be_none(pair: Pair) -> None:
    """The simulator answers /metrics with an error of its own: no service without errors."""
    for command in ("watch", "doctor"):
        code, said = run(f"stock-service {command} http://x", pair.simulator.url)
        assert code == 1
        assert "/metrics answers" in said


def test_watch_ends_at_the_first_breach(pair: Pair) -> None:
    """More than 1 % errors: exit code 1, long before the time is over."""
    promised("deployment", "It ends at the first breach, with exit code 1")
    promised("after-a-deployment", "`watch` ends with exit code 1")
    break_vendor(pair)
    command = [COMMAND, "watch", pair.gateway.url, "--for", "60s", "--every", "200ms"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as watching:
        while watching.poll() is None:
            subprocess.run(
                ["curl", "-s", "-o", "/dev/null", f"{pair.gateway.url}/v2/aggs/ticker/MSFT/prev"], check=True
            )
        assert watching.stdout is not None
        assert "high-error-rate" in watching.stdout.read()
    assert watching.returncode == 1


def test_doctor_says_with_its_exit_code_what_it_found(pair: Pair) -> None:
    """0, 1 and 3, as the page says."""
    promised("p1-service-down", "its exit code 0 means that nothing wrong is visible")
    promised("service", "Exit code 0: nothing is bad; 1: something is; 3: nobody answers.")
    assert run("stock-service doctor http://x --over 0", pair.gateway.url)[0] == 0
    break_vendor(pair)
    assert run("stock-service doctor http://x --over 0", pair.gateway.url)[0] == 1
    assert run("stock-service doctor http://x", "http://127.0.0.1:1")[0] == 3


def test_doctor_sees_what_runs_the_pods(pair: Pair, tmp_path: Path) -> None:
    """The autoscaler at its ceiling and a certificate that ends soon, each with its section; no evicted pod."""
    with small_cluster(tmp_path, "stock-service") as cluster:
        cluster.run(
            "helm install stock-service ./charts/stock-service -n stock-service "
            "-f charts/stock-service/values-production.yaml --set config.quota.calls=100"
        )
        cluster.store.pod_url = pair.gateway.url
        evicted = {"metadata": {"labels": {"app.kubernetes.io/name": "stock-service"}}, "spec": {"containers": []}}
        cluster.store.put(Key(PODS, "stock-service", "evicted"), evicted | {"status": {"phase": "Failed"}})
        change(cluster, "HorizontalPodAutoscaler", {"currentReplicas": 20})
        change(cluster, "Certificate", {"notAfter": f"{datetime.now(UTC) + timedelta(days=10):%Y-%m-%dT%H:%M:%SZ}"})
        told = json.loads(cluster.run("stock-service doctor --namespace stock-service --over 0 --json", check=False))
    found = {check["name"]: check for check in told["checks"]}
    assert {name for name, check in found.items() if check["finding"] == "bad"} == {"autoscaler", "certificate"}
    assert found["certificate"]["told"].startswith(("9 days", "10 days"))
    assert "STOCKS_QUOTA__CALLS=100" in found["configuration"]["told"]
    assert told["runbook"] == "docs/runbook.md#at-the-ceiling"


def test_doctor_sees_pods_that_a_network_policy_keeps_from_the_api_server(pair: Pair, tmp_path: Path) -> None:
    """Our own policy may do so, depending on the network; then they are asked from inside."""
    break_vendor(pair)
    with small_cluster(tmp_path, "stock-service") as cluster:
        cluster.run("helm install stock-service ./charts/stock-service -n stock-service")
        cluster.store.pod_url = pair.gateway.url
        cluster.store.pods_reachable = False
        said = cluster.run("stock-service doctor --namespace stock-service --over 0", check=False)
    assert said.count("open in stock-service-") == 3


def test_doctor_asks_the_vendor_from_inside_a_pod(pair: Pair, tmp_path: Path) -> None:
    """From where it matters; without a key, so 401 is as good an answer as any."""
    line = typed(
        "kubectl exec -n stock-service deploy/stock-service -- stock-service doctor --vendor https://api.polygon.io",
    )
    with small_cluster(tmp_path, "stock-service") as cluster:
        cluster.run("helm install stock-service ./charts/stock-service -n stock-service")
        cluster.store.pod_url = pair.gateway.url
        there = f"{line} --over 0".replace("-- stock-service", f"-- {COMMAND}")
        said = cluster.run(there.replace("https://api.polygon.io", pair.simulator.url))
        assert f"{pair.simulator.url} answers 401" in said
        said = cluster.run(there.replace("https://api.polygon.io", "http://127.0.0.1:1"), check=False)
        assert "#vendor-unreachable" in said


def test_doctor_asks_the_vendor_where_no_service_answers(pair: Pair) -> None:
    """Whether it is the vendor is the first thing one wants to know, and a service that is down cannot tell."""
    vendor, nobody = pair.simulator.url, "http://127.0.0.1:1"
    words = [COMMAND, "doctor", nobody, "--vendor", vendor]
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 3
    assert re.search(rf"bad +service +#service-down +no service answers at {nobody}", done.stdout)
    assert re.search(rf"good +vendor from here +{vendor} answers 401", done.stdout)
    assert "The service does not answer" in done.stdout.splitlines()[-1]
    there = subprocess.run([*words, "--json"], capture_output=True, text=True, check=False, timeout=60)
    assert [check["finding"] for check in json.loads(there.stdout)["checks"]] == ["bad", "good"]


@pytest.mark.parametrize(("plan", "words"), [(Plan.PAID, "in the plan"), (Plan.BASIC, "not in the plan")])
def test_doctor_finds_out_what_the_key_may_do(plan: Plan, words: str) -> None:
    """Only when it is asked to: it costs calls."""
    with running_pair(SimulatorSettings(port=0, key=VENDOR_KEY, plan=plan)) as pair:
        code, said = run("stock-service doctor http://x --rights --over 0", pair.gateway.url)
    assert code == 0
    assert said.count("key may: ") == 5
    assert re.search(rf"key may: last trades +{words}\n", said)


def test_doctor_tells_what_it_has_seen_when_the_way_to_ask_for_rights_is_missing(pair: Pair, tmp_path: Path) -> None:
    """The pods are looked at through the API server, questions are asked at an address."""
    with small_cluster(tmp_path, "stock-service") as cluster:
        cluster.run("helm install stock-service ./charts/stock-service -n stock-service")
        cluster.store.pod_url = pair.gateway.url
        said = cluster.run("stock-service doctor http://127.0.0.1:1 --namespace stock-service --rights --over 0")
    assert "closed in all 3" in said
    assert re.search(r"unknown +key may +no service answers at http://127.0.0.1:1", said)


def change(cluster: Cluster, kind: str, status: dict[str, object]) -> None:
    """Set an object's status, as its controller would."""
    for obj in cluster.store.objects.values():
        if obj["kind"] == kind:
            obj["status"] = status


def test_doctor_says_when_there_is_no_pod(tmp_path: Path) -> None:
    """And what it could not read does not hide that."""
    with small_cluster(tmp_path, "stock-service") as cluster:
        said = cluster.run("stock-service doctor --namespace stock-service", check=False)
    assert "#service-absent" in said.splitlines()[-1]


def test_doctor_finds_nothing_wrong_with_a_healthy_service(pair: Pair) -> None:
    """And says so."""
    code, said = run("stock-service doctor http://x --over 0", pair.gateway.url)
    assert code == 0, said
    assert "Nothing wrong is visible from here." in said


def test_doctor_looks_at_every_pod_and_names_the_cause(pair: Pair, tmp_path: Path) -> None:
    """Through the API server's proxy: three pods, one cause, the section that helps, the last deployments."""
    break_vendor(pair)
    with small_cluster(tmp_path, "stock-service") as cluster:
        cluster.run("helm install stock-service ./charts/stock-service -n stock-service --set environment=production")
        cluster.store.pod_url = pair.gateway.url
        said = cluster.run(f"{typed('stock-service doctor --namespace stock-service')} --over 0", check=False)
    assert said.count("open in stock-service-") == 3
    assert "3 of 3 available" in said
    assert "revision 1 deployed" in said
    assert "#circuit-breaker-open" in said.splitlines()[-1]
    assert f"revision 1, image stock-service:{__version__}" in said


def test_doctor_changes_nothing(pair: Pair, tmp_path: Path) -> None:
    """Reads only, and the vendor is not asked."""
    with small_cluster(tmp_path, "stock-service") as cluster:
        cluster.run("helm install stock-service ./charts/stock-service -n stock-service --set environment=production")
        cluster.store.pod_url = pair.gateway.url
        seen = len(cluster.server.seen)
        cluster.run("stock-service doctor --namespace stock-service --over 0")
        assert {request.split()[0] for request in cluster.server.seen[seen:]} == {"GET"}
    with urlopen(f"{pair.simulator.url}/__simulator__/calls") as calls:
        assert json.load(calls) == []
