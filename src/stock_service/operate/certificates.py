"""How long a certificate still lasts, as the handshake at an address shows it."""

from __future__ import annotations

import socket
import ssl
from datetime import UTC, datetime

from stock_service.base.clock import Clock
from stock_service.operate.checks import Check, check

_DAYS_MIN = 30
_DAY = 86_400


def look_at_certificate(host: str, port: int, clock: Clock, trust: ssl.SSLContext, patience: float = 10.0) -> Check:
    """Return whether the certificate at an address lasts for another 30 days."""
    try:
        with (
            socket.create_connection((host, port), patience) as raw,
            trust.wrap_socket(raw, server_hostname=host) as tls,
        ):
            ends_at = ssl.cert_time_to_seconds(str((tls.getpeercert() or {})["notAfter"]))
    except (OSError, KeyError) as error:
        return check("certificate", False, str(error), "certificate-expiry")
    return judge_end(ends_at, clock)


def judge_end(ends_at: float, clock: Clock) -> Check:
    """Return whether a certificate that ends at a Unix second lasts for another 30 days."""
    days = (ends_at - clock.wall()) / _DAY
    date = datetime.fromtimestamp(ends_at, UTC).date()
    return check("certificate", days >= _DAYS_MIN, f"{days:.0f} days left, until {date}", "certificate-expiry")
