"""Which `scheme://host[:port]` the client used, for the links we hand back. Pure.

A configured public URL wins. Forwarding headers count only from trusted peers: anyone else could make us hand out
links to a host of their choice.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address

# A name has up to 253 characters: what is longer only fills the copies of answers whose links it would stand in.
_HOST = re.compile(
    rb"(?:[A-Za-z0-9](?:[A-Za-z0-9._-]{0,251}[A-Za-z0-9])?|\[[0-9A-Fa-f:.]{1,45}\])(?::[0-9]{1,5})?\Z",
)
ORIGIN_FIELDS = frozenset({b"host", b"x-forwarded-host", b"x-forwarded-proto"})  # all that is read of a request here

Networks = Collection[IPv4Network | IPv6Network]


def client_origin(
    headers: tuple[tuple[bytes, bytes], ...], scheme: str, local: bytes, peer: str, public_url: str, trusted: Networks
) -> bytes:
    """Return the origin to write into links; `local` (host:port) stands in when the client named no usable host."""
    if public_url:
        return public_url.encode("ascii")
    fields = dict(reversed(headers))
    host = fields.get(b"host", b"")
    chosen_scheme = scheme.encode("ascii")
    if is_trusted(peer, trusted):
        host = _first(fields.get(b"x-forwarded-host", b"")) or host
        forwarded = _first(fields.get(b"x-forwarded-proto", b"")).lower()
        chosen_scheme = forwarded if forwarded in (b"http", b"https") else chosen_scheme
    return b"%b://%b" % (chosen_scheme, host if valid_host(host) else local)


@lru_cache(maxsize=64)  # as many as there are addresses to listen on
def local_authority(server: tuple[str, int | None] | None) -> bytes:
    """Return `host:port` of the address a connection came in on, `localhost` where there is none to name."""
    if server is None:
        return b"localhost"
    host, port = server
    return (f"[{host}]:{port}" if ":" in host else f"{host}:{port}").encode("latin-1")


def valid_host(host: bytes) -> bool:
    """Return whether `host` has the form of a Host header value (RFC 9110 7.2): a name or address, maybe a port."""
    return _HOST.match(host) is not None


def is_trusted(peer: str, trusted: Networks) -> bool:
    """Return whether `peer` (an IP address) is one of the trusted proxies.

    A socket that listens for both families names its IPv4 peers `::ffff:a.b.c.d`; they are who they are.
    """
    if not trusted or not peer:
        return False
    try:
        address = ip_address(peer)
    except ValueError:
        return False
    if isinstance(address, IPv6Address):
        address = address.ipv4_mapped or address
    return any(address in network for network in trusted)


def _first(value: bytes) -> bytes:
    return value.split(b",", 1)[0].strip()
