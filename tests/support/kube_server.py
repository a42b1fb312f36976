"""A small Kubernetes API server on loopback: enough of the protocol for real kubectl and helm to run the runbook.

What it models: discovery, lists, watches, the four kinds of patch, scale, logs, pod metrics, Helm's release store,
exec (run on this machine), and port-forward up to the mapping of the Service's port (its stream is not carried). What
it does not, and only a control plane shows: scheduling, probes, autoscaling, admission, access control, field
ownership but for `.spec.replicas`, whose conflict is worded as reported by users of Helm 4.
"""

from __future__ import annotations

import json
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlsplit
from urllib.request import urlopen

import yaml

from tests.support import kube_patches, kube_websocket
from tests.support.kube_protobuf import is_protobuf, read_secret
from tests.support.kube_resources import GROUP_VERSIONS, RESOURCES, Resource, describe, find
from tests.support.kube_store import PODS, Key, Store, is_chosen

Json = dict[str, Any]
_ADDRESS = re.compile(
    r"(?:/namespaces/(?P<namespace>[^/]+))?/(?P<plural>[a-z]+)(?:/(?P<name>[^/]+))?(?:/(?P<sub>\w+))?"
)


class KubeServer(ThreadingHTTPServer):
    """Serves one Store. `seen` lists what clients asked, as `METHOD /path`."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.store = Store()
        self.seen: list[str] = []
        self.closing = threading.Event()

    @property
    def url(self) -> str:
        """The address for a kubeconfig."""
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: KubeServer

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's name
        """Keep quiet."""

    def handle_one_request(self) -> None:
        """Serve any method by the same table; the base class looks for `do_<METHOD>`."""
        self.raw_requestline = self.rfile.readline(65537)
        if not self.raw_requestline:
            self.close_connection = True
        elif self.parse_request():
            self._serve()
            self.wfile.flush()

    def _serve(self) -> None:
        parts = urlsplit(self.path)
        path, query = parts.path.rstrip("/"), dict(parse_qsl(parts.query))
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.server.seen.append(f"{self.command} {self.path}")
        document = describe(path)
        if document is not None:
            self._send(200, document)
            return
        if proxied := re.fullmatch(r"/api/v1/namespaces/[^/]+/pods/[^/]+/proxy(/.*)", path):
            self._proxy(proxied[1])
            return
        for group_version in GROUP_VERSIONS:
            root = next(r.root for r in RESOURCES if r.group_version == group_version)
            found = _ADDRESS.fullmatch(path[len(root) :]) if path.startswith(f"{root}/") else None
            # `/api/v1/namespaces/x` is the namespace itself, not a list within it.
            if found is None and (own := re.fullmatch(rf"{root}/(namespaces)/([^/]+)", path)):
                self._rest(_needed("v1", own[1]), "", own[2], "", query, body)
                return
            if found and (resource := find(group_version, found["plural"])):
                address = (found["namespace"] or "", found["name"] or "", found["sub"] or "")
                self._rest(resource, *address, query, body)
                return
        self._fail(404, "NotFound", f"the server could not find the requested resource {path}")

    def _rest(self, resource: Resource, namespace: str, name: str, sub: str, query: Json, body: bytes) -> None:
        store = self.server.store
        if resource.group == "metrics.k8s.io":
            self._send(200, _pod_metrics(store, namespace, query.get("labelSelector", "")))
        elif not name:
            self._collection(resource, namespace, query, body)
        elif sub == "portforward":
            kube_websocket.shake_hands(self)
            kube_websocket.hold(self)
        elif sub == "exec":
            kube_websocket.shake_hands(self)
            words = parse_qs(urlsplit(self.path).query)["command"]
            command = [word.replace("http://127.0.0.1:8080", store.pod_url) for word in words]
            kube_websocket.execute(self, command, {"STOCKS_CLIENT_URL": store.pod_url})
        else:
            with store.changed:
                self._object(Key(resource, namespace, name), sub, query, body)

    def _collection(self, resource: Resource, namespace: str, query: Json, body: bytes) -> None:
        store = self.server.store
        if self.command == "POST":
            obj = read_secret(body) if is_protobuf(body) else json.loads(body)
            key = Key(resource, namespace, obj["metadata"]["name"])
            with store.changed:
                if key in store.objects:
                    self._fail(409, "AlreadyExists", f'{resource.plural} "{key.name}" already exists')
                else:
                    self._send(201, store.put(key, obj))
            return
        wanted = re.search(r"metadata\.name=([^,]+)", query.get("fieldSelector", ""))
        chosen = (namespace, query.get("labelSelector", ""), wanted[1] if wanted else "")
        if query.get("watch") in ("1", "true"):
            self._watch(resource, chosen, query)
            return
        items = store.listed(resource, *chosen)
        if resource.plural == "events":
            items = []
        head = {"kind": f"{resource.kind}List", "apiVersion": resource.group_version}
        self._send(200, head | {"metadata": {"resourceVersion": str(store.version)}, "items": items})

    def _watch(self, resource: Resource, chosen: tuple[str, str, str], query: Json) -> None:
        """Stream changes until the client leaves or the server closes; first what is there, if asked."""
        store = self.server.store
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Connection", "close")
        self.end_headers()
        self.close_connection = True
        with store.changed:
            since = int(query.get("resourceVersion") or 0) or store.version
            first = self._initial(resource, chosen) if query.get("sendInitialEvents") == "true" else []
        try:
            self._write_events(first)
            while not self.server.closing.is_set():
                changes = store.changes_after(since, patience=0.2)
                since = max([since, *(change.version for change in changes)])
                self._write_events(
                    [
                        {"type": change.kind, "object": change.obj}
                        for change in changes
                        if change.key.resource == resource and is_chosen(change.obj, *chosen)
                    ]
                )
        except OSError:
            return

    def _initial(self, resource: Resource, chosen: tuple[str, str, str]) -> list[Json]:
        """Return the events of a streaming list: every object, then the mark that these were all."""
        store = self.server.store
        mark = {"resourceVersion": str(store.version), "annotations": {"k8s.io/initial-events-end": "true"}}
        head = {"kind": resource.kind, "apiVersion": resource.group_version}
        events = [{"type": "ADDED", "object": obj} for obj in store.listed(resource, *chosen)]
        return [*events, {"type": "BOOKMARK", "object": head | {"metadata": mark}}]

    def _write_events(self, events: list[Json]) -> None:
        self.wfile.write(b"".join(json.dumps(event).encode() + b"\n" for event in events))
        self.wfile.flush()

    def _object(self, key: Key, sub: str, query: Json, body: bytes) -> None:
        store = self.server.store
        live = store.objects.get(key)
        kind = self.headers.get("Content-Type", "")
        if self.command == "PATCH" and "apply-patch" in kind:
            self._apply(key, live, query, body)
        elif live is None:
            self._fail(404, "NotFound", f'{key.resource.plural} "{key.name}" not found')
        elif sub == "log":
            lines = store.log_lines[-int(query.get("tailLines", len(store.log_lines)) or 1) :]
            self._send_bytes(200, "".join(f"{line}\n" for line in lines).encode(), "text/plain")
        elif sub == "scale":
            self._scale(key, live, body)
        elif self.command == "GET":
            self._send(200, live)
        elif self.command == "PUT":
            self._send(200, store.put(key, read_secret(body) if is_protobuf(body) else json.loads(body)))
        elif self.command == "PATCH":
            self._send(200, store.put(key, _patched(live, kind, body)))
        else:
            store.remove(key)
            self._send(200, {"kind": "Status", "apiVersion": "v1", "status": "Success"})

    def _apply(self, key: Key, live: Json | None, query: Json, body: bytes) -> None:
        store = self.server.store
        owners = store.owners.setdefault(key, {})
        try:
            wanted = kube_patches.apply(
                live, yaml.safe_load(body), query.get("fieldManager", ""), owners, force=query.get("force") == "true"
            )
        except kube_patches.Conflict as conflict:
            told = f'conflict with "{conflict.manager}" with subresource "scale" using apps/v1: .spec.replicas'
            self._fail(409, "Conflict", f"Apply failed with 1 conflict: {told}")
            return
        self._send(200 if live else 201, store.put(key, wanted))

    def _scale(self, key: Key, live: Json, body: bytes) -> None:
        store = self.server.store
        if self.command in ("PATCH", "PUT"):
            live["spec"]["replicas"] = json.loads(body)["spec"]["replicas"]
            store.owners.setdefault(key, {})["replicas"] = "kubectl"
            store.put(key, live)
        metadata = {name: live["metadata"][name] for name in ("name", "namespace", "resourceVersion")}
        replicas = {"replicas": live["spec"]["replicas"]}
        scale = {"kind": "Scale", "apiVersion": "autoscaling/v1", "metadata": metadata}
        self._send(200, scale | {"spec": replicas, "status": replicas})

    def _proxy(self, path: str) -> None:
        """Ask the one real service that stands behind every pod."""
        try:
            if not self.server.store.pods_reachable:
                raise OSError("dial tcp: i/o timeout")
            with urlopen(self.server.store.pod_url + path) as answer:
                self._send_bytes(answer.status, answer.read(), answer.headers["Content-Type"])
        except (OSError, ValueError) as error:
            self._fail(503, "ServiceUnavailable", f"error trying to reach service: {error}")

    def _fail(self, code: int, reason: str, message: str) -> None:
        status = {"kind": "Status", "apiVersion": "v1", "status": "Failure"}
        self._send(code, status | {"reason": reason, "message": message, "code": code})

    def _send(self, code: int, document: Json) -> None:
        self._send_bytes(code, json.dumps(document).encode(), "application/json")

    def _send_bytes(self, code: int, body: bytes, content_type: str) -> None:
        self.send_response(code)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def _needed(group_version: str, plural: str) -> Resource:
    resource = find(group_version, plural)
    assert resource is not None
    return resource


def _patched(live: Json, kind: str, body: bytes) -> Json:
    patch = json.loads(body)
    if "json-patch" in kind:
        return kube_patches.json_patch(live, patch)
    merged = kube_patches.merge(live, patch, strategic="strategic" in kind)
    assert isinstance(merged, dict)
    return merged


def _pod_metrics(store: Store, namespace: str, labels: str) -> Json:
    """What metrics-server would say: the same small use for every pod."""
    items = [
        {
            "metadata": {name: pod["metadata"][name] for name in ("name", "namespace", "labels")},
            "timestamp": "2026-01-01T00:00:00Z",
            "window": "15s",
            "containers": [
                {"name": c["name"], "usage": {"cpu": "123m", "memory": "98Mi"}} for c in pod["spec"]["containers"]
            ],
        }
        for pod in store.listed(PODS, namespace, labels)
    ]
    return {"kind": "PodMetricsList", "apiVersion": "metrics.k8s.io/v1beta1", "metadata": {}, "items": items}
