"""Renders the chart with the real helm and picks objects out of the result."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from functools import cache
from typing import Any

import yaml

from tests.support.tools import ROOT, require

CHART = ROOT / "charts" / "stock-service"
Manifest = dict[str, Any]


class _EachKeyOnce(yaml.SafeLoader):
    """Refuses what Helm lets pass and `kubectl apply` does not: a key that stands twice in one mapping."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """Build the mapping; raises AssertionError."""
        keys = [key.value for key, _ in node.value]
        assert len(keys) == len(set(keys)), f"twice: {sorted(key for key in keys if keys.count(key) > 1)}"
        return dict(super().construct_mapping(node, deep))


class RenderRefused(Exception):
    """Helm refused the values; the text is what it told the person who typed them."""


def render(
    *arguments: str,
    release: str = "stock-service",
    namespace: str = "stock-service",
    kube: str = "1.34.0",
    helm: str = "helm",
) -> list[Manifest]:
    """Return the objects of `helm template`; raises RenderRefused with helm's words."""
    return _render(arguments, release, namespace, kube, helm)


@cache
def _render(arguments: tuple[str, ...], release: str, namespace: str, kube: str, helm: str) -> list[Manifest]:
    command = [str(require(helm)), "template", release, str(CHART), "-n", namespace, "--kube-version", kube, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RenderRefused(done.stderr)
    return [document for document in yaml.load_all(done.stdout, _EachKeyOnce) if document]


def pick(manifests: list[Manifest], kind: str, name: str = "stock-service") -> Manifest:
    """Return the one object of that kind and name."""
    found = [item for item in manifests if item["kind"] == kind and item["metadata"]["name"] == name]
    assert len(found) == 1, f"{len(found)} objects are {kind}/{name}"
    return found[0]


def kinds(manifests: list[Manifest]) -> set[str]:
    """Return the kinds that were rendered."""
    return {item["kind"] for item in manifests}


def container(deployment: Manifest) -> Manifest:
    """Return the pod template's only container."""
    (only,) = deployment["spec"]["template"]["spec"]["containers"]
    return dict(only)


def environment(deployment: Manifest) -> Mapping[str, str]:
    """Return the plain settings of the pod template; references to Secrets are left out."""
    return {item["name"]: item["value"] for item in container(deployment)["env"] if "value" in item}
