"""Where the shared store is: reads its URL. Pure.

`valkey://` and `redis://` are the same wire; a trailing `s` (`valkeys://`, `rediss://`) means TLS. `+sentinel` asks
Sentinels who the primary is, `?cluster=true` means Cluster. User and password are an ACL user's.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import Final
from urllib.parse import parse_qsl, unquote, urlsplit

_PORT: Final = 6379
_SENTINEL_PORT: Final = 26379
_SCHEMES: Final = {"valkey": False, "redis": False, "valkeys": True, "rediss": True}


class Topology(Enum):
    """Who says which server holds a key."""

    SINGLE = "single"
    SENTINEL = "sentinel"
    CLUSTER = "cluster"


@dataclass(frozen=True, slots=True)
class Address:
    """A shared store. `hosts` are its servers, or the Sentinels that know."""

    topology: Topology
    hosts: tuple[tuple[str, int], ...]
    tls: bool = False
    user: str | None = None
    password: str | None = field(default=None, repr=False)
    database: int = 0
    service: str = ""


def parse_address(url: str) -> Address:
    """Return what `url` names; ValueError says what is wrong with it and never repeats it: it may hold a password."""
    parts = urlsplit(url)
    scheme, _, finder = parts.scheme.partition("+")
    if scheme not in _SCHEMES or finder not in ("", "sentinel"):
        raise ValueError("must begin with valkey://, valkeys://, redis:// or rediss://, with +sentinel if need be")
    options = dict(parse_qsl(parts.query, keep_blank_values=True))
    if unknown := sorted(set(options) - {"cluster"}):
        raise ValueError(f"knows the option cluster, not {', '.join(unknown)}")
    cluster = options.get("cluster", "false")
    if cluster not in ("true", "false") or (cluster == "true" and finder):
        raise ValueError("takes cluster=true or cluster=false, and not together with +sentinel")
    account, _, servers = parts.netloc.rpartition("@")
    user, _, password = account.partition(":")
    names = [unquote(each) for each in parts.path.split("/") if each]
    topology = Topology.CLUSTER if cluster == "true" else Topology.SENTINEL if finder else Topology.SINGLE
    service, database = _service_and_database(topology, names)
    return Address(
        topology=topology,
        hosts=_hosts(servers, _SENTINEL_PORT if finder else _PORT, topology),
        tls=_SCHEMES[scheme],
        user=unquote(user) or None,
        password=unquote(password) or None,
        database=database,
        service=service,
    )


def _hosts(servers: str, port: int, topology: Topology) -> tuple[tuple[str, int], ...]:
    found = []
    for each in servers.split(","):
        try:
            server = urlsplit(f"//{each}")
            host, own_port = server.hostname, server.port
        except ValueError:
            host, own_port = None, None
        if not host:
            raise ValueError("must name its servers as host or host:port, separated by commas")
        found.append((host, own_port or port))
    if topology is Topology.SINGLE and len(found) > 1:
        raise ValueError("names several servers: say ?cluster=true or +sentinel")
    return tuple(found)


def _service_and_database(topology: Topology, names: list[str]) -> tuple[str, int]:
    if topology is Topology.SENTINEL:
        if not names:
            raise ValueError("must name the primary after the Sentinels: valkey+sentinel://host:26379/mymaster")
        service, rest = names[0], names[1:]
    else:
        service, rest = "", names
    if len(rest) > 1 or (rest and not (rest[0].isascii() and rest[0].isdigit())):
        raise ValueError("may end in the number of a database, and in nothing else")
    database = int(rest[0]) if rest else 0
    if topology is Topology.CLUSTER and database:
        raise ValueError("has a database number, which a cluster has not")
    return service, database
