"""A real nginx on loopback, set up the way the NGINX controller would set it up from rendered Ingress objects.

It reads hosts, paths, TLS, `ssl-redirect` and `whitelist-source-range`, which is all our Ingresses use. What else the
controller makes of them needs the controller.
"""

from __future__ import annotations

import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.support.kube_chart import Manifest
from tests.support.tools import require

_PREFIX = "nginx.ingress.kubernetes.io/"
_HEAD = """\
daemon off; worker_processes 1; pid {place}/nginx.pid; error_log {place}/error.log warn;
events {{ worker_connections 1024; }}
http {{
  access_log off; client_body_temp_path {place}; proxy_temp_path {place}; fastcgi_temp_path {place};
  uwsgi_temp_path {place}; scgi_temp_path {place};
  upstream service {{ {endpoints} keepalive 32; }}
  proxy_http_version 1.1; proxy_set_header Connection ""; proxy_set_header Host $host;
  proxy_next_upstream error timeout;
"""
_PROXY = "proxy_pass http://service;"


@dataclass(slots=True)
class Front:
    """A running nginx."""

    place: Path
    http_port: int
    https_port: int
    ingresses: list[Manifest]

    def route(self, endpoints: list[int]) -> None:
        """Write the configuration for these endpoints."""
        (self.place / "nginx.conf").write_text(self._configuration(endpoints))

    def curl(self, line: str) -> str:
        """Return a curl line made to reach this nginx under the name it uses, trusting the test's certificate."""
        to = f"--connect-to ::127.0.0.1:{self.http_port}"
        if "https://" in line:
            to = f"--connect-to ::127.0.0.1:{self.https_port} --cacert {self.place}/cert.pem"
        return line.replace("curl ", f"curl -sS {to} ", 1)

    def _configuration(self, endpoints: list[int]) -> str:
        servers = "".join(f"server 127.0.0.1:{port} max_fails=1 fail_timeout=1s;" for port in endpoints)
        head = _HEAD.format(place=self.place, endpoints=servers)
        hosts = {rule["host"] for ingress in self.ingresses for rule in ingress["spec"]["rules"]}
        return head + "".join(self._server(host) for host in sorted(hosts)) + "}\n"

    def _server(self, host: str) -> str:
        ours = [i for i in self.ingresses if host in (rule["host"] for rule in i["spec"]["rules"])]
        locations = "".join(_location(ingress, host) for ingress in ours)
        secure = any("tls" in ingress["spec"] for ingress in ours)
        redirected = secure and all(_note(ingress, "ssl-redirect") != "false" for ingress in ours)
        plain = "return 308 https://$host$request_uri;" if redirected else locations
        text = f"  server {{ listen 127.0.0.1:{self.http_port}; server_name {host}; {plain} }}\n"
        if secure:
            keys = f"ssl_certificate {self.place}/cert.pem; ssl_certificate_key {self.place}/key.pem;"
            text += f"  server {{ listen 127.0.0.1:{self.https_port} ssl; server_name {host}; {keys} {locations} }}\n"
        return text


def _note(ingress: Manifest, name: str) -> str:
    return str(ingress["metadata"]["annotations"].get(_PREFIX + name, ""))


def _location(ingress: Manifest, host: str) -> str:
    allowed = [cidr for cidr in _note(ingress, "whitelist-source-range").split(",") if cidr]
    guard = "".join(f"allow {cidr};" for cidr in allowed) + ("deny all;" if allowed else "")
    (rule,) = [rule for rule in ingress["spec"]["rules"] if rule["host"] == host]
    return "".join(f"location {path['path']} {{ {guard} {_PROXY} }}" for path in rule["http"]["paths"])


@contextmanager
def nginx_front(place: Path, ingresses: list[Manifest], endpoints: list[int]) -> Iterator[Front]:
    """Run nginx for these Ingresses in front of services on these local ports."""
    place.chmod(0o777)  # the worker runs as another user when started by root
    front = Front(place, free_port(), free_port(), ingresses)
    names = ",".join(f"DNS:{rule['host']}" for ingress in ingresses for rule in ingress["spec"]["rules"])
    _certificate(place, names)
    front.route(endpoints)
    command = [str(require("nginx")), "-c", str(place / "nginx.conf"), "-p", str(place), "-e", str(place / "start.log")]
    with subprocess.Popen(command) as process:
        try:
            _wait_for(front.http_port, process)
            yield front
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(10)


def _certificate(place: Path, names: str) -> None:
    line = (
        "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 1 -subj /CN=test "
        f"-addext subjectAltName={names} -keyout {place}/key.pem -out {place}/cert.pem"
    )
    subprocess.run(line.split(), check=True, capture_output=True)


def free_port() -> int:
    """Return a port nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    """Return when the port is open; connecting is retried by the kernel's refusal, not by a pause."""
    while process.poll() is None:
        with socket.socket() as attempt:
            if attempt.connect_ex(("127.0.0.1", port)) == 0:
                return
    raise AssertionError("nginx did not start; see error.log")
