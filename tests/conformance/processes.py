"""The server processes under test, each on a port of the system's choosing and ready when it is handed out."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

_NGINX = """
daemon off; worker_processes 1; pid {place}/pid; error_log {place}/error;
events {{}}
http {{
  access_log off;
  client_body_temp_path {place}/body; proxy_temp_path {place}/proxy; fastcgi_temp_path {place}/fastcgi;
  uwsgi_temp_path {place}/uwsgi; scgi_temp_path {place}/scgi;
  {upstream}
  server {{ listen 127.0.0.1:{port}; location / {{ {answer} }} }}
}}
"""
_UPSTREAM = "upstream gateway {{ server 127.0.0.1:{behind}; keepalive 1; }}"
_PROXY = 'proxy_pass http://gateway; proxy_http_version 1.1; proxy_set_header Connection "";'


@contextmanager
def serving(*arguments: str) -> Iterator[int]:
    """Run `tests.conformance.serve` and return its port."""
    paths = os.pathsep.join([str(ROOT / "src"), str(ROOT)])
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.conformance.serve", *arguments],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": paths},
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        yield int(process.stdout.readline())
    finally:
        _end(process)


@contextmanager
def nginx_serving(program: Path, place: Path, behind: int | None = None) -> Iterator[int]:
    """Run nginx and return its port. It hands requests on to the port `behind`, or answers 200 to all it accepts.

    It takes over a socket that listens already, as on an upgrade of its binary: nobody has to wait for it.
    """
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port, handle = listening.getsockname()[1], listening.fileno()
        upstream = _UPSTREAM.format(behind=behind) if behind else ""
        answer = _PROXY if behind else 'return 200 "ok";'
        text = _NGINX.format(place=place, port=port, upstream=upstream, answer=answer)
        (place / "nginx.conf").write_text(text, "utf-8")
        process = subprocess.Popen(
            [program, "-p", place, "-c", place / "nginx.conf", "-e", place / "error"],
            env=os.environ | {"NGINX": f"{handle};"},
            pass_fds=(handle,),
            stderr=subprocess.DEVNULL,
        )
    try:
        yield port
    finally:
        _end(process)


def _end(process: subprocess.Popen[str] | subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGTERM)
    try:
        process.communicate(timeout=10.0)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
