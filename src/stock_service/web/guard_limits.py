"""How much one client may take: sizes, counts and seconds of a connection. Frozen; zero means none at all."""

from __future__ import annotations

from dataclasses import dataclass, field

from stock_service.web.guard_head import HeadLimits

_KIB = 1024


@dataclass(frozen=True, slots=True)
class Limits:
    """Protections of every connection; the defaults suit a service behind an ingress.

    `keep_alive_for` exceeds the 60 s for which ingress-nginx keeps idle connections to us: who closes first resets
    requests of the other.
    """

    head: HeadLimits = field(default_factory=HeadLimits)
    body_bytes: int = 1024 * _KIB
    ignored_body_bytes: int = 64 * _KIB  # of GET and HEAD: read and thrown away
    chunk_overhead_bytes: int = 64 * _KIB  # sizes, extensions and trailers of a chunked body
    pipelined: int = 64  # messages taken up in one go before other connections get their turn
    connections: int = 12_000
    head_for: float = 10.0  # from the first byte of a head to its end; also how long a new connection may be silent
    body_for: float = 10.0
    keep_alive_for: float = 75.0
    unread_for: float = 20.0  # how long a client may take nothing of what was sent
    linger_for: float = 1.0  # grace of a connection that looks idle when listening ends, or was refused
