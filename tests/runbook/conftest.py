"""What the runbook's cluster tests share: a cluster with a release as the install guide makes it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.kube_cluster import Cluster, small_cluster

INSTALL = "helm install stock-service ./charts/stock-service -n stock-service --set environment=production"


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    """A cluster with one release."""
    with small_cluster(tmp_path, "stock-service", "staging") as ours:
        ours.run(INSTALL)
        yield ours
