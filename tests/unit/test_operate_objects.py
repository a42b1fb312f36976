"""Objects as configuration: what is left out of a backup, what a comparison finds, what a restore needs."""

from __future__ import annotations

from stock_service.operate.objects import Json, differences, prune, secrets_needed

SERVICE: Json = {
    "apiVersion": "v1",
    "kind": "Service",
    "metadata": {
        "name": "stock-service",
        "uid": "1",
        "resourceVersion": "2",
        "annotations": {"a8r.io/owner": "us", "kubectl.kubernetes.io/last-applied-configuration": "{}"},
    },
    "spec": {"clusterIP": "10.0.0.1", "clusterIPs": ["10.0.0.1"], "type": "ClusterIP"},
    "status": {"loadBalancer": {}},
}


def test_what_the_cluster_added_is_left_out() -> None:
    """Applied elsewhere it would clash or lie."""
    assert prune(SERVICE) == {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "stock-service", "annotations": {"a8r.io/owner": "us"}},
        "spec": {"type": "ClusterIP"},
    }


def test_the_live_object_is_not_changed() -> None:
    """It is somebody else's."""
    prune(SERVICE)
    assert SERVICE["spec"]["clusterIP"] == "10.0.0.1"


def test_secrets_and_owned_objects_are_no_configuration() -> None:
    """A pod comes back from its Deployment."""
    assert prune({"kind": "Secret", "metadata": {"name": "s"}}) is None
    assert prune({"kind": "Pod", "metadata": {"name": "p", "ownerReferences": [{"name": "rs"}]}}) is None


def test_a_deployments_secrets_are_found_in_environment_and_volumes() -> None:
    """Whatever the depth."""
    container = {"env": [{"name": "K", "valueFrom": {"secretKeyRef": {"name": "vendor", "key": "k"}}}]}
    volumes = [{"name": "clients", "secret": {"secretName": "clients"}}, {"name": "tmp", "emptyDir": {}}]
    spec = {"template": {"spec": {"containers": [container], "volumes": volumes}}}
    assert secrets_needed([{"kind": "Deployment", "metadata": {"name": "d"}, "spec": spec}]) == ["clients", "vendor"]


def test_differences_are_named_by_place_and_order_of_named_items_does_not_matter() -> None:
    """An environment written in another order is the same."""

    def one(*env: tuple[str, str]) -> Json:
        items = [{"name": name, "value": value} for name, value in env]
        return {"kind": "Deployment", "metadata": {"name": "d"}, "spec": {"env": items}}

    assert differences([one(("A", "1"), ("B", "2"))], [one(("B", "2"), ("A", "1"))]) == []
    assert differences([one(("A", "1"))], [one(("A", "2"))]) == [("Deployment/d.spec.env[A].value", "1", "2")]
    assert differences([one(("A", "1"))], [])[0] == ("Deployment/d.kind", "Deployment", "absent")
