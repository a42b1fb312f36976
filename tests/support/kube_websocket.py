"""The websocket of `kubectl exec` and `port-forward`, as far as the small API server speaks it.

`exec` runs the command on this machine, as if in the pod, and carries its output; nothing of port-forward's stream is.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from http.server import BaseHTTPRequestHandler
from pathlib import Path

_GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_STDOUT, _STDERR, _STATUS = 1, 2, 3
_BINARY, _CLOSE = 0x82, 0x88
_CHUNK = 60_000  # below the length that needs a 64-bit field


def shake_hands(handler: BaseHTTPRequestHandler) -> None:
    """Answer the upgrade with the first protocol the client offers."""
    key = handler.headers["Sec-WebSocket-Key"] + _GUID
    digest = hashlib.sha1(key.encode(), usedforsecurity=False).digest()
    handler.send_response(101)
    handler.send_header("Upgrade", "websocket")
    handler.send_header("Connection", "Upgrade")
    handler.send_header("Sec-WebSocket-Accept", base64.b64encode(digest).decode())
    handler.send_header("Sec-WebSocket-Protocol", handler.headers["Sec-WebSocket-Protocol"].split(",")[0].strip())
    handler.end_headers()
    handler.close_connection = True


def hold(handler: BaseHTTPRequestHandler) -> None:
    """Keep the connection until the client goes."""
    while handler.rfile.read(1):
        pass


def execute(handler: BaseHTTPRequestHandler, command: Sequence[str], environment: Mapping[str, str]) -> None:
    """Run a command and tell its output and how it ended."""
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    done = subprocess.run(command, env={**os.environ, "PATH": path, **environment}, capture_output=True, check=False)
    for channel, output in ((_STDOUT, done.stdout), (_STDERR, done.stderr)):
        for start in range(0, len(output), _CHUNK):
            _send(handler, channel, output[start : start + _CHUNK])
    status = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success"}
    if done.returncode:
        cause = {"reason": "ExitCode", "message": str(done.returncode)}
        status |= {"status": "Failure", "reason": "NonZeroExitCode", "details": {"causes": [cause]}}
        status |= {"message": f"command terminated with exit code {done.returncode}"}
    _send(handler, _STATUS, json.dumps(status).encode())
    handler.wfile.write(bytes([_CLOSE, 2]) + (1000).to_bytes(2, "big"))
    handler.wfile.flush()


def _send(handler: BaseHTTPRequestHandler, channel: int, content: bytes) -> None:
    payload = bytes([channel]) + content
    length = bytes([len(payload)]) if len(payload) < 126 else bytes([126]) + len(payload).to_bytes(2, "big")
    handler.wfile.write(bytes([_BINARY]) + length + payload)
