"""The operator's own kubectl and helm, asked for what the runbook looks at. Holds no credential: theirs are used.

Every argument is a word of its own; nothing goes through a shell.
"""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

_PROXY_PATIENCE = "5s"
_GET = "import sys, urllib.request; sys.stdout.write(urllib.request.urlopen(sys.argv[1], timeout=5).read().decode())"
# What kubectl's library says to its developers before kubectl says what is wrong, often five times over
_LIBRARY = re.compile(r"[EWI]\d{4} \d\d:\d\d:\d\d")
SELECTOR = "app.kubernetes.io/name=stock-service"


class ClusterRefused(Exception):
    """kubectl or helm failed; `told` is what it said."""

    def __init__(self, program: str, told: str) -> None:
        super().__init__(program, told)
        self.program = program
        self.told = told


@dataclass(frozen=True, slots=True)
class Pod:
    """A pod, as far as a doctor cares."""

    name: str
    ready: bool
    restarts: int


@dataclass(frozen=True, slots=True)
class Cluster:
    """A namespace of the cluster a context names; the current one when it is empty. `patience` in seconds a command."""

    namespace: str
    context: str = ""
    patience: float = 60.0

    def kubectl(self, *arguments: str, stdin: str | None = None) -> str:
        """Return what kubectl printed; raises ClusterRefused."""
        context = ["--context", self.context] if self.context else []
        return run_program(["kubectl", *context, "-n", self.namespace, *arguments], self.patience, stdin)

    def helm(self, *arguments: str) -> str:
        """Return what helm printed; raises ClusterRefused."""
        context = ["--kube-context", self.context] if self.context else []
        return run_program(["helm", *context, "-n", self.namespace, *arguments], self.patience)

    def listed(self, kind: str) -> list[dict[str, Any]]:
        """Return our objects of a kind; raises ClusterRefused."""
        return list(json.loads(self.kubectl("get", kind, "-l", SELECTOR, "-o", "json"))["items"])

    def pods(self) -> list[Pod]:
        """Return our pods but for those that have ended or are leaving; raises ClusterRefused."""
        return [_pod(item) for item in self.listed("pods") if _stays(item)]

    def ask_pod(self, pod: str, path: str) -> str:
        """Return a pod's answer to a GET: of any pod, not of the one a Service picks; raises ClusterRefused.

        Through the API server; and where a NetworkPolicy keeps that from the pods, from inside the pod.
        """
        proxy = f"/api/v1/namespaces/{self.namespace}/pods/{pod}:8080/proxy{path}"
        try:
            return self.kubectl("get", "--raw", proxy, f"--request-timeout={_PROXY_PATIENCE}")
        except ClusterRefused as refused:
            try:
                return self.kubectl("exec", pod, "--", "python", "-c", _GET, f"http://127.0.0.1:8080{path}")
            except ClusterRefused:
                raise refused from None


def run_program(command: Sequence[str], patience: float, stdin: str | None = None) -> str:
    """Return what a program printed; raises ClusterRefused when it is not there, fails, or takes longer (seconds)."""
    try:
        done = subprocess.run(  # noqa: S603 - a list of words, no shell
            command, input=stdin, capture_output=True, text=True, timeout=patience, check=False
        )
    except FileNotFoundError:
        raise ClusterRefused(command[0], "is not installed") from None
    except subprocess.TimeoutExpired:
        raise ClusterRefused(command[0], f"did not answer within {patience:.0f} s") from None
    if done.returncode:
        raise ClusterRefused(command[0], _said(done.stderr))
    return done.stdout


def _said(errors: str) -> str:
    """Return what a program wrote for people; all of it when that is nothing."""
    lines = [line for line in errors.splitlines() if not _LIBRARY.match(line)]
    return "\n".join(lines).strip() or errors.strip()


def _stays(item: dict[str, Any]) -> bool:
    phase = item.get("status", {}).get("phase")
    return phase not in ("Succeeded", "Failed") and "deletionTimestamp" not in item["metadata"]


def _pod(item: dict[str, Any]) -> Pod:
    statuses = item.get("status", {}).get("containerStatuses", [])
    return Pod(
        name=item["metadata"]["name"],
        ready=bool(statuses) and all(status["ready"] for status in statuses),
        restarts=sum(status["restartCount"] for status in statuses),
    )
