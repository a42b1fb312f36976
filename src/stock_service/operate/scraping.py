"""Looks at `/metrics`: of what answers at one address, or of every pod of a namespace, several at a time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from stock_service.operate.asking import Service
from stock_service.operate.cluster import Cluster, ClusterRefused, Pod
from stock_service.operate.signals import NoMetrics, Scrape, read_scrape

_AT_A_TIME = 8


@dataclass(frozen=True, slots=True)
class Look:
    """The pods that told their metrics, by name, and why the others did not."""

    seen: Mapping[str, Scrape]
    silent: Mapping[str, str]


def scrape_service(service: Service) -> Scrape:
    """Return a reading of whatever answers at the address.

    Raises:
        NobodyAnswers: there is nothing at the address.
        NoMetrics: there is, and it does not tell its metrics.
    """
    told = service.ask("/metrics")
    if told.status != 200:
        listed = ": this network is not on the list" if told.status == 403 else ""
        raise NoMetrics(f"/metrics answers {told.status}{listed}")
    return read_scrape(told.body.decode("utf-8", "replace"))


def scrape_pods(cluster: Cluster, pods: Sequence[Pod]) -> Look:
    """Return a reading of every pod, through the API server."""

    def scrape(pod: Pod) -> Scrape | str:
        try:
            return read_scrape(cluster.ask_pod(pod.name, "/metrics"))
        except ClusterRefused as error:
            return error.told
        except NoMetrics as error:
            return error.reason

    with ThreadPoolExecutor(_AT_A_TIME) as workers:
        found = dict(zip((pod.name for pod in pods), workers.map(scrape, pods), strict=True))
    return Look(
        {name: told for name, told in found.items() if isinstance(told, Scrape)},
        {name: told for name, told in found.items() if isinstance(told, str)},
    )
