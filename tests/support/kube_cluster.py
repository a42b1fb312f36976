"""A cluster for a test: the small API server with a namespace and a node, a kubeconfig, and a shell that uses it."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import yaml

from tests.support.kube_resources import find
from tests.support.kube_server import KubeServer
from tests.support.kube_store import DEPLOYMENTS, NAMESPACES, SECRETS, Json, Key, Store
from tests.support.tools import ROOT, require


class Cluster:
    """Runs command lines as an operator types them, from the repository's root, with helm and kubectl on the path."""

    def __init__(self, server: KubeServer, place: Path) -> None:
        self.server = server
        self.place = place
        self.kubeconfig = place / "kubeconfig"
        self.kubeconfig.write_text(yaml.safe_dump(_kubeconfig({"primary": server.url})))

    @property
    def store(self) -> Store:
        """What the API server holds."""
        return self.server.store

    def environment(self, helm: str = "helm") -> dict[str, str]:
        """Return the environment of the shell: nothing of the machine's own clusters."""
        programs = self.place / f"bin-{helm}"
        if not programs.exists():
            programs.mkdir()
            (programs / "helm").symlink_to(require(helm))
            (programs / "kubectl").symlink_to(require("kubectl"))
        return {
            "PATH": f"{programs}:{Path(sys.executable).parent}:{os.environ['PATH']}",
            "HOME": str(self.place),
            "KUBECONFIG": str(self.kubeconfig),
        }

    def run(self, line: str, *, helm: str = "helm", check: bool = True, patience: float = 60) -> str:
        """Run a line under `bash -o pipefail` and return what it printed; a failure is an error unless expected."""
        done = subprocess.run(
            ["bash", "-o", "pipefail", "-c", line],
            cwd=ROOT,
            env=self.environment(helm),
            capture_output=True,
            text=True,
            timeout=patience,
            check=False,
        )
        said = done.stdout + done.stderr
        if check and done.returncode:
            raise AssertionError(f"{line}\nexit code {done.returncode}\n{said}")
        if not check:
            assert done.returncode, f"expected to fail: {line}\n{said}"
        return said

    def knows(self, name: str, other: Cluster) -> None:
        """Put another cluster into the kubeconfig, as a context of that name."""
        urls = {"primary": self.server.url, name: other.server.url}
        self.kubeconfig.write_text(yaml.safe_dump(_kubeconfig(urls)))

    def add_secrets(self, namespace: str, *names: str) -> None:
        """Create empty Secrets: what the pods refer to."""
        for name in names:
            self.store.put(Key(SECRETS, namespace, name), {"type": "Opaque", "data": {}})

    def deployment(self, name: str = "stock-service", namespace: str = "stock-service") -> Json:
        """Return the live Deployment."""
        return self.store.objects[Key(DEPLOYMENTS, namespace, name)]


@contextmanager
def small_cluster(place: Path, *namespaces: str) -> Iterator[Cluster]:
    """Start a cluster with these namespaces and one node; it ends with the block."""
    server = KubeServer()
    for name in namespaces:
        server.store.put(Key(NAMESPACES, "", name), {"status": {"phase": "Active"}})
    node = find("v1", "nodes")
    assert node is not None
    ready = {"conditions": [{"type": "Ready", "status": "True"}], "nodeInfo": {"kubeletVersion": "v1.34.0"}}
    server.store.put(Key(node, "", "node-1"), {"metadata": {"labels": {}}, "status": ready})
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield Cluster(server, place)
    finally:
        server.closing.set()
        server.shutdown()
        thread.join()
        server.server_close()


def _kubeconfig(urls: dict[str, str]) -> Json:
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": name, "cluster": {"server": url}} for name, url in urls.items()],
        "users": [{"name": "operator", "user": {"token": "none"}}],
        "contexts": [{"name": name, "context": {"cluster": name, "user": "operator"}} for name in urls],
        "current-context": "primary",
    }
