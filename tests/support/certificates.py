"""Certificates made on the spot, by openssl."""

from __future__ import annotations

import ssl
import subprocess
from pathlib import Path


def make_certificate(directory: Path, name: str, days: int = 1) -> ssl.SSLContext:
    """Return a server's context with a fresh self-signed certificate, whose file is `cert.pem`."""
    key, cert = directory / "key.pem", directory / "cert.pem"
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    command += ["-keyout", str(key), "-out", str(cert), "-days", str(days), "-subj", "/CN=vendor"]
    command += ["-addext", f"subjectAltName={name}"]
    subprocess.run(command, check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    return context
