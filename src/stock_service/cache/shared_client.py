"""Connections to the shared store: one server, the primary that Sentinels name, or a Cluster.

Sends what it is told in one go and returns answers and errors as they came; decides nothing. No retries and no
waiting beyond `answer_for` a read: the library's defaults would hold a request for a minute.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from typing import Any, Protocol

from redis.asyncio import ConnectionPool, Redis, RedisCluster, Sentinel, SSLConnection
from redis.asyncio.cluster import ClusterNode
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisClusterException, RedisError

from stock_service.cache.shared_address import Address, Topology

Command = tuple[Any, ...]


class Wire(Protocol):
    """A shared store that can be sent commands."""

    async def send(self, gets: Sequence[str], commands: Sequence[Command]) -> tuple[list[Any], list[Any]]:
        """Return the values of `gets` and the answers to `commands`; a refused one as its exception.

        Raises whatever the library raises when nothing can be had.
        """
        ...

    async def reconnect(self) -> None:
        """Close all connections: the next command looks up the server anew."""
        ...

    async def aclose(self) -> None:
        """Close all connections for good."""
        ...


def open_wire(address: Address, let_go_after: float, connections: int, ca_file: str = "") -> Wire:
    """Return connections to `address`; opens none yet.

    Args:
        let_go_after: seconds until a connection that does not answer, or is not made, is closed. Whoever waits has
            long been told: this only decides how long a hanging server keeps its connections.
        connections: open at once, to each server of a Cluster.
        ca_file: certificates to trust, where the address says TLS; empty: those of the system.
    """
    options: dict[str, Any] = {
        "username": address.user,
        "password": address.password,
        "socket_timeout": let_go_after,
        "socket_connect_timeout": let_go_after,
        "socket_keepalive": True,
        "retry": Retry(NoBackoff(), 0),
        "health_check_interval": 0,
        "max_connections": connections,
    }
    tls: dict[str, Any] = {"ssl_ca_certs": ca_file or None}
    match address.topology:
        case Topology.CLUSTER:
            nodes = [ClusterNode(host, port) for host, port in address.hosts]
            options |= {"ssl": True, **tls} if address.tls else {}
            return _ClusterWire(RedisCluster(startup_nodes=nodes, **options), connections)
        case Topology.SENTINEL:
            options |= {"ssl": True, **tls} if address.tls else {}
            sentinels = Sentinel(address.hosts, sentinel_kwargs={**options, "username": None, "password": None})  # type: ignore[no-untyped-call]
            return _Wire(sentinels.master_for(address.service, db=address.database, **options), sentinels.sentinels)
        case Topology.SINGLE:
            options |= {"connection_class": SSLConnection, **tls} if address.tls else {}
            host, port = address.hosts[0]
            pool: ConnectionPool = ConnectionPool(host=host, port=port, db=address.database, **options)
            return _Wire(Redis.from_pool(pool), ())


class _Wire:
    """One server: everything in one pipeline on one connection."""

    def __init__(self, client: Redis, others: Iterable[Redis]) -> None:
        self._client = client
        self._others = tuple(others)

    async def send(self, gets: Sequence[str], commands: Sequence[Command]) -> tuple[list[Any], list[Any]]:
        pipe = self._client.pipeline(transaction=False)
        if gets:
            pipe.execute_command("MGET", *gets)
        for command in commands:
            pipe.execute_command(*command)
        answers = await pipe.execute(raise_on_error=False)
        if not gets:
            return [], answers
        values, rest = answers[0], answers[1:]
        return (list(values) if isinstance(values, list) else [values] * len(gets)), rest

    async def reconnect(self) -> None:
        await self._client.connection_pool.disconnect(inuse_connections=False)

    async def aclose(self) -> None:
        for client in (self._client, *self._others):
            await client.aclose(close_connection_pool=True)


class _ClusterWire:
    """Several servers: each command to the one that holds its key."""

    def __init__(self, client: RedisCluster, connections: int) -> None:
        self._client = client
        self._free = asyncio.Semaphore(connections)  # a node refuses a command that finds no connection

    async def send(self, gets: Sequence[str], commands: Sequence[Command]) -> tuple[list[Any], list[Any]]:
        asked = (*(("GET", key) for key in gets), *commands)
        answers = await asyncio.gather(*(self._one(command) for command in asked))
        return list(answers[: len(gets)]), list(answers[len(gets) :])

    async def _one(self, command: Command) -> Any:
        try:
            async with self._free:
                return await self._client.execute_command(*command)
        except (RedisError, RedisClusterException, OSError, TimeoutError) as error:
            return error

    async def reconnect(self) -> None:
        await self._client.aclose()

    async def aclose(self) -> None:
        await self._client.aclose()
