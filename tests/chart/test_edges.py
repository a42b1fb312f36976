"""What the chart opens to whom: Service, Ingress, route, network policy, certificate, and how Prometheus finds it."""

from __future__ import annotations

from typing import Any

from tests.support.kube_chart import CHART, Manifest, container, pick, render

OPERATORS = ("--set", "serviceMonitor.enabled=true")
STAGING = ("-f", str(CHART / "values-staging.yaml"))
PRODUCTION = ("-f", str(CHART / "values-production.yaml"))


def paths(ingress: Manifest) -> list[str]:
    return [path["path"] for rule in ingress["spec"]["rules"] for path in rule["http"]["paths"]]


def test_the_port_forward_line_finds_port_8080() -> None:
    """`kubectl port-forward svc/stock-service 8080:8080` names the Service's port."""
    service = pick(render(), "Service")["spec"]
    assert service["type"] == "ClusterIP"
    assert service["ports"] == [{"name": "http", "port": 8080, "targetPort": "http", "protocol": "TCP"}]
    (port,) = container(pick(render(), "Deployment"))["ports"]
    assert (port["name"], port["containerPort"]) == ("http", 8080)


def test_the_service_selects_the_pods() -> None:
    """And carries the label the scrape job is named after."""
    service = pick(render(), "Service")
    pod_labels = pick(render(), "Deployment")["spec"]["template"]["metadata"]["labels"]
    assert service["spec"]["selector"].items() <= pod_labels.items()
    assert service["metadata"]["labels"]["app.kubernetes.io/name"] == "stock-service"


def test_the_scrape_job_is_called_stock_service_whatever_the_release() -> None:
    """The alerts say job="stock-service"; the operator reads the job from this label of the Service."""
    objects = render(*OPERATORS, release="stock-service-staging", namespace="staging")
    monitor = pick(objects, "ServiceMonitor", "stock-service-staging")["spec"]
    service = pick(objects, "Service", "stock-service-staging")
    assert service["metadata"]["labels"][monitor["jobLabel"]] == "stock-service"
    assert monitor["selector"]["matchLabels"].items() <= service["metadata"]["labels"].items()
    assert monitor["namespaceSelector"] == {"matchNames": ["staging"]}
    assert monitor["endpoints"][0]["port"] == service["spec"]["ports"][0]["name"]
    assert monitor["endpoints"][0]["path"] == "/metrics"


def test_metrics_are_reachable_outside_for_listed_networks_only() -> None:
    """One Ingress for everybody, one with an allow-list; the longer path wins in the controller."""
    objects = render(*PRODUCTION)
    everybody, operators = pick(objects, "Ingress"), pick(objects, "Ingress", "stock-service-restricted")
    assert paths(everybody) == ["/"]
    assert "/metrics" in paths(operators)
    allowed = operators["metadata"]["annotations"]["nginx.ingress.kubernetes.io/whitelist-source-range"]
    assert allowed == "10.0.0.0/8,172.16.0.0/12,192.168.0.0/16"
    assert not any("whitelist" in name for name in everybody["metadata"]["annotations"])


def test_no_ingress_rewrites_a_path() -> None:
    """`rewrite-target: /` under a prefix turns every path into `/`; snippets are switched off in the controller."""
    for ingress in (item for item in render(*PRODUCTION) if item["kind"] == "Ingress"):
        assert not any("rewrite" in name or "snippet" in name for name in ingress["metadata"]["annotations"])
        assert ingress["spec"]["ingressClassName"] == "nginx"


def test_plain_http_answers_in_staging() -> None:
    """The smoke lines are `curl http://…`, and curl does not follow a redirect."""
    ingress = pick(render(*STAGING), "Ingress")
    assert "tls" not in ingress["spec"]
    assert ingress["metadata"]["annotations"]["nginx.ingress.kubernetes.io/ssl-redirect"] == "false"


def test_the_certificate_is_the_one_the_ingress_serves() -> None:
    """And is renewed before the 30-day notice."""
    objects = render(*PRODUCTION)
    certificate, ingress = pick(objects, "Certificate")["spec"], pick(objects, "Ingress")["spec"]
    assert certificate["secretName"] == ingress["tls"][0]["secretName"] == "stock-service-tls"
    assert certificate["dnsNames"] == ingress["tls"][0]["hosts"] == ["your-domain"]
    assert int(certificate["renewBefore"].rstrip("h")) > 30 * 24


def test_a_route_keeps_operators_paths_inside() -> None:
    """A Gateway has no address filter: a rule without a backend answers for them."""
    route = pick(render("--set", "httpRoute.enabled=true", "--set", "httpRoute.parentRefs[0].name=public"), "HTTPRoute")
    closed, opened = route["spec"]["rules"]
    assert "/metrics" in [match["path"]["value"] for match in closed["matches"]]
    assert "backendRefs" not in closed
    assert opened["backendRefs"] == [{"name": "stock-service", "port": 8080}]


def policy(*arguments: str) -> dict[str, Any]:
    return dict(pick(render(*arguments), "NetworkPolicy")["spec"])


def test_the_network_policy_lets_in_the_ingress_prometheus_and_invited_namespaces() -> None:
    """A team's namespace is invited by a label."""
    (rule,) = policy()["ingress"]
    labels = [peer["namespaceSelector"]["matchLabels"] for peer in rule["from"] if "namespaceSelector" in peer]
    assert labels == [
        {"kubernetes.io/metadata.name": "ingress-nginx"},
        {"kubernetes.io/metadata.name": "monitoring"},
        {"stock-service/client": "true"},
    ]
    assert rule["ports"] == [{"port": "http"}]


def test_pods_reach_the_vendor_and_not_the_nodes_credentials() -> None:
    """DNS, 443, and not the metadata address."""
    dns, out = policy()["egress"]
    assert {port["port"] for port in dns["ports"]} == {53}
    assert [port["port"] for port in out["ports"]] == [443]
    assert out["to"][0]["ipBlock"]["except"] == ["169.254.169.254/32"]


def test_a_drain_of_nodes_takes_one_pod_at_a_time_and_never_waits_for_a_broken_one() -> None:
    """AlwaysAllow: a crashing pod must not keep its node alive."""
    spec = pick(render(), "PodDisruptionBudget")["spec"]
    assert spec["maxUnavailable"] == 1
    assert spec["unhealthyPodEvictionPolicy"] == "AlwaysAllow"


def test_the_backup_runs_every_five_minutes() -> None:
    """RPO 5 minutes; a run may not outlive its turn."""
    job = pick(render("--set", "backup.enabled=true"), "CronJob", "stock-service-backup")["spec"]
    assert job["schedule"] == "*/5 * * * *"
    assert job["jobTemplate"]["spec"]["activeDeadlineSeconds"] < 300


def test_the_backup_of_a_long_name_has_one_a_cron_job_may_have() -> None:
    """52 characters: Kubernetes refuses longer ones."""
    long = "--set", "backup.enabled=true", "--set", f"fullnameOverride={'s' * 44}-{'t' * 12}"
    (name,) = [made["metadata"]["name"] for made in render(*long) if made["kind"] == "CronJob"]
    assert name == f"{'s' * 44}-backup"


def test_an_annotation_of_the_installation_takes_the_place_of_ours() -> None:
    """Twice the same key is refused by `kubectl apply`, and by the renderer of these tests."""
    longer = "ingress.annotations.nginx\\.ingress\\.kubernetes\\.io/proxy-read-timeout=90"
    rendered = render(*PRODUCTION, "--set-string", longer)
    for name in ("stock-service", "stock-service-restricted"):
        notes = pick(rendered, "Ingress", name)["metadata"]["annotations"]
        assert notes["nginx.ingress.kubernetes.io/proxy-read-timeout"] == "90"
        assert notes["helm.sh/resource-policy"] == "keep"
